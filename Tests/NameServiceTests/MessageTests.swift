import NetworkModel
import Testing
import Values

@testable import NameService

/// The wire format (RFC 1035 section 4).
@Suite struct MessageTests {
    @Test("A question: golden bytes")
    func question() throws {
        // Header: id 0x1234, recursion desired, one question; "web.Net", A, IN.
        let bytes: [UInt8] = [
            0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0,
            3, 0x77, 0x65, 0x62, 3, 0x4e, 0x65, 0x74, 0, 0, 1, 0, 1,
        ]
        let query = try DNSQuery(parsing: bytes[...])
        #expect(query.id == 0x1234)
        #expect(query.isRecursionDesired)
        #expect(query.name.text == "web.Net")
        #expect(query.type == 1 && query.recordClass == 1)
        #expect(query.question == Array(bytes[12...]))
        #expect(query.extended == nil)
        #expect(Wire.question("web.Net", id: 0x1234) == bytes)
        for count in 0..<bytes.count {
            #expect(throws: DNSQuery.Refusal.self) { try DNSQuery(parsing: bytes[..<count]) }
        }
    }

    @Test("OPT (RFC 6891 section 6.1.2): golden bytes and truncation")
    func extended() throws {
        let plain = Wire.question("a", id: 1)
        let bytes = Wire.question("a", id: 1, payloadLimit: 1232)
        #expect(Array(bytes.dropFirst(plain.count)) == [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0])
        let query = try DNSQuery(parsing: bytes[...])
        #expect(query.extended == DNSQuery.Extension(payloadLimit: 1232, version: 0))
        for count in plain.count..<bytes.count {
            #expect(throws: DNSQuery.Refusal.malformed(id: 1)) { try DNSQuery(parsing: bytes[..<count]) }
        }
    }

    @Test("An answer: golden bytes")
    func answer() throws {
        let query = try DNSQuery(parsing: Wire.question("web", id: 7)[...])
        let records: [DNSResponse.Record] = [
            .address(IPAddress("10.0.0.2")!), .pointer(DNSName("a.b")!), .address(IPAddress("fd00::1")!),
        ]
        let expected: [UInt8] =
            [0, 7, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0, 3, 0x77, 0x65, 0x62, 0, 0, 1, 0, 1]
            + [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 0, 0, 2]
            + [0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 1, 0, 5, 1, 0x61, 1, 0x62, 0]
            + [0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 1, 0, 16, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        #expect(DNSResponse(query: query, code: .success, records: records).wire(overTCP: false) == expected)
    }

    @Test("Over UDP an answer is cut at whole records and says so; over TCP it is whole")
    func truncation() throws {
        let records = (0..<100).map { DNSResponse.Record.address(IPAddress(v4: 0x0a00_0000 + UInt32($0))) }
        let plain = try DNSQuery(parsing: Wire.question("web", id: 7)[...])
        let cut = DNSResponse(query: plain, code: .success, records: records).wire(overTCP: false)
        #expect(cut.count <= 512)
        #expect(cut[2] & 0x02 != 0)
        #expect(Wire.addresses(cut)?.count == (512 - 21) / 16)
        let extended = try DNSQuery(parsing: Wire.question("web", id: 7, payloadLimit: 1232)[...])
        let larger = DNSResponse(query: extended, code: .success, records: records).wire(overTCP: false)
        #expect(larger.count <= 1232)
        #expect(Wire.addresses(larger)?.count == (1232 - 21 - 11) / 16)
        #expect(larger.suffix(11) == [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0])
        let whole = DNSResponse(query: plain, code: .success, records: records).wire(overTCP: true)
        #expect(whole[2] & 0x02 == 0)
        #expect(Wire.addresses(whole)?.count == 100)
        let small = try DNSQuery(parsing: Wire.question("web", id: 7, payloadLimit: 10)[...])
        #expect(DNSResponse(query: small, code: .success, records: records).wire(overTCP: false).count > 400)
    }

    @Test("Compression pointers lead back only, and not too often (RFC 1035 section 4.1.4)")
    func pointers() throws {
        var message: [UInt8] = [3, 0x63, 0x6f, 0x6d, 0, 1, 0x61, 0xc0, 0]
        var offset = 5
        #expect(try DNSName(reading: message[...], at: &offset).text == "a.com")
        #expect(offset == 9)
        message[8] = 7
        offset = 5
        #expect(throws: DNSError.malformed) { try DNSName(reading: message[...], at: &offset) }
        message[8] = 5
        offset = 5
        #expect(throws: DNSError.malformed) { try DNSName(reading: message[...], at: &offset) }
        var chain: [UInt8] = [0]
        for step in 0..<40 { chain += [0xc0, UInt8(step == 0 ? 0 : chain.count - 2)] }
        offset = chain.count - 2
        #expect(throws: DNSError.malformed) { try DNSName(reading: chain[...], at: &offset) }
        let label: [UInt8] = [63] + [UInt8](repeating: 0x61, count: 63)
        let long = label + label + label + label + [0]
        offset = 0
        #expect(throws: DNSError.malformed) { try DNSName(reading: long[...], at: &offset) }
    }

    @Test("Garbage is refused or understood, never a trap")
    func garbage() {
        var generator = SeededGenerator(state: 7)
        let good = Wire.question("tasks.web.net", id: 9, payloadLimit: 4096)
        var table = NameTable(Wire.picture)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
            if case .reply(let answer) = table.answer(bytes[...], from: "s1", overTCP: false) {
                #expect(answer.count >= 12 && answer[2] & 0x80 != 0)
            }
            let noise = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            _ = table.answer(noise[...], from: "s1", overTCP: true)
        }
    }
}

/// Bytes by hand, independent of the code under test.
enum Wire {
    static func question(_ name: String, type: UInt16 = 1, id: UInt16, payloadLimit: UInt16? = nil) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(id >> 8), UInt8(id & 255), 1, 0, 0, 1, 0, 0, 0, 0, 0, payloadLimit == nil ? 0 : 1]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        bytes += [0, UInt8(type >> 8), UInt8(type & 255), 0, 1]
        if let payloadLimit {
            bytes += [0, 0, 41, UInt8(payloadLimit >> 8), UInt8(payloadLimit & 255), 0, 0, 0, 0, 0, 0]
        }
        return bytes
    }

    static func code(_ answer: [UInt8]) -> UInt8 { answer[3] & 0x0f }

    /// The addresses in an answer whose records point to the question's name; nil where it is something else.
    static func addresses(_ answer: [UInt8]) -> [IPAddress]? {
        guard answer.count >= 12, answer[5] == 1 else { return nil }
        var offset = 12
        while answer[offset] != 0 { offset += Int(answer[offset]) + 1 }
        offset += 5
        var found: [IPAddress] = []
        for _ in 0..<Int(answer[6]) << 8 + Int(answer[7]) {
            guard offset + 12 <= answer.count, answer[offset] == 0xc0 else { return nil }
            let length = Int(answer[offset + 11])
            guard let address = IPAddress(bytes: answer[offset + 12..<offset + 12 + length]) else { return nil }
            found.append(address)
            offset += 12 + length
        }
        return found
    }

    static let picture = picture(namespacePath: "/nowhere")

    static func picture(namespacePath: String, upstream: [IPAddress] = [], revision: UInt64 = 1) -> DNSPicture {
        DNSPicture(
            revision: PlanRevision(history: "h", index: revision),
            sandboxes: [
                SandboxNames(id: "s1", namespacePath: namespacePath, networks: ["n1"], upstreamServers: upstream)
            ],
            zones: [
                "n1": DNSZone(
                    network: "net",
                    names: [
                        "web": [IPAddress("10.0.0.2")!],
                        "tasks.web": [IPAddress("10.0.0.3")!, IPAddress("10.0.0.4")!, IPAddress("fd00::3")!],
                    ],
                    pointers: ["10.0.0.3": "web.1.abc.net"])
            ])
    }
}

/// The same numbers on every run (splitmix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
