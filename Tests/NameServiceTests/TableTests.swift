import NetworkModel
import Testing
import Values

@testable import NameService

/// Which answer a question gets.
@Suite struct TableTests {
    private func reply(_ table: inout NameTable, _ name: String, type: UInt16 = 1, sandbox: String = "s1") -> [UInt8]? {
        let question = Wire.question(name, type: type, id: 5)
        guard case .reply(let answer) = table.answer(question[...], from: sandbox, overTCP: false) else { return nil }
        return answer
    }

    @Test func namesAndTypes() throws {
        var table = NameTable(Wire.picture)
        let web = try #require(reply(&table, "WEB.net"))
        #expect(Wire.addresses(web) == [IPAddress("10.0.0.2")!])
        let v6 = try #require(reply(&table, "tasks.web", type: 28))
        #expect(Wire.addresses(v6) == [IPAddress("fd00::3")!])
    }

    @Test("A name without the type asked for: no error, no record; no such name: NXDOMAIN")
    func absence() throws {
        var table = NameTable(Wire.picture)
        let noData = try #require(reply(&table, "web", type: 28))
        #expect(Wire.code(noData) == 0)
        #expect(Wire.addresses(noData) == [])
        let other = try #require(reply(&table, "web", type: 16))
        #expect(Wire.code(other) == 0)
        #expect(Wire.addresses(other) == [])
        let missing = try #require(reply(&table, "db"))
        #expect(Wire.code(missing) == 3)
        #expect(Wire.addresses(missing) == [])
    }

    @Test func severalAddressesTakeTurns() throws {
        var table = NameTable(Wire.picture)
        var firsts: Set<IPAddress> = []
        for _ in 0..<4 {
            let answer = try #require(reply(&table, "tasks.web"))
            let addresses = try #require(Wire.addresses(answer))
            #expect(Set(addresses).count == 2)
            firsts.insert(addresses[0])
        }
        #expect(firsts.count == 2)
    }

    @Test func pointer() throws {
        var table = NameTable(Wire.picture)
        let answer = try #require(reply(&table, "3.0.0.10.in-addr.arpa", type: 12))
        #expect(Wire.code(answer) == 0)
        #expect(answer.suffix(15) == [3, 0x77, 0x65, 0x62, 1, 0x31, 3, 0x61, 0x62, 0x63, 3, 0x6e, 0x65, 0x74, 0])
        let missing = try #require(reply(&table, "9.0.0.10.in-addr.arpa", type: 12))
        #expect(Wire.code(missing) == 3)
    }

    @Test("What cannot be answered gets its code: FORMERR, NOTIMP, BADVERS, SERVFAIL")
    func codes() throws {
        var table = NameTable(Wire.picture)
        let question = Wire.question("web", id: 5, payloadLimit: 512)
        func answer(_ change: (inout [UInt8]) -> Void) -> NameTable.Outcome {
            var bytes = question
            change(&bytes)
            return table.answer(bytes[...], from: "s1", overTCP: false)
        }
        #expect(answer { $0[5] = 2 } == .reply([0, 5, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
        #expect(answer { $0[2] = 0x28 } == .reply([0, 5, 0x80, 4, 0, 0, 0, 0, 0, 0, 0, 0]))
        #expect(answer { $0[2] = 0x81 } == .ignore)
        #expect(answer { $0 = Array($0.prefix(11)) } == .ignore)
        guard case .reply(let version) = answer({ $0[$0.count - 5] = 1 }) else {
            Issue.record("no answer")
            return
        }
        #expect(Wire.code(version) == 0 && version.suffix(11) == [0, 0, 41, 0x10, 0, 1, 0, 0, 0, 0, 0])
        let stranger = try #require(reply(&table, "web", sandbox: "other"))
        #expect(Wire.code(stranger) == 2)
    }

    @Test func changesMakeTheNextPicture() throws {
        let first = Wire.picture
        var second = first
        second.revision.index = 2
        second.sandboxes = [
            SandboxNames(id: "s2", namespacePath: "/b", networks: ["n2"]),
            SandboxNames(id: "s1", namespacePath: "/nowhere", networks: []),
        ]
        second.zones = ["n2": DNSZone(network: "two", names: ["x": []])]
        let change = PictureChange(from: first, to: second)
        #expect(change.removedZones == ["n1"] && change.removedSandboxes == [])
        let next = try #require(change.applied(to: first))
        #expect(Set(next.sandboxes) == Set(second.sandboxes))
        #expect(next.zones == second.zones && next.revision == second.revision)
        #expect(change.applied(to: second) == nil, "it changes another revision")
        let back = try #require(PictureChange(from: next, to: first).applied(to: next))
        #expect(back == first)
        #expect(PictureChange(from: first, to: first).sandboxes == [])
    }
}
