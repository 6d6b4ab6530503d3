import Fuzzing
import Testing
import Values

/// Texts that stand for values, in requests, messages and files.
@Suite struct ValueFuzzTests {
    /// What a text stands for, and the text that it writes.
    private func check<Value: Equatable>(
        _ name: String, _ examples: [String], _ parse: (String) -> Value?, _ text: (Value) -> String
    ) {
        let report = Fuzzer(name).run(examples.map { Array($0.utf8) }) { input in
            guard let value = parse(String(decoding: input, as: UTF8.self)) else { return .refused }
            return parse(text(value)) == value ? .taken : .wrong("\(value) is written as \(text(value))")
        }
        #expect(report.finding == nil)
    }

    @Test func addresses() {
        check(
            "addresses", ["10.1.2.3", "fd00::1", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8"], IPAddress.init, \.description)
        check("cidrs", ["10.0.1.7/24", "fd00::1/64", "0.0.0.0/0"], CIDR.init, \.description)
        let report = Fuzzer("cidr-arithmetic").run(["10.0.1.7/24", "fd00::1/64", "::/0"].map { Array($0.utf8) }) {
            input in
            guard let block = CIDR(String(decoding: input, as: UTF8.self)) else { return .refused }
            _ = (block.count, block.last, block.netmask, block.host(1), block.host(.max), block.network)
            return block.contains(block.address) ? .taken : .wrong("\(block) does not contain its address")
        }
        #expect(report.finding == nil)
    }

    @Test func digests() {
        let hex = String(repeating: "0a", count: 32)
        check("digests", ["sha256:" + hex], { Digest(parsing: $0) }, \.description)
        check("hexadecimal", [hex, "00ff"], { Hex.decode($0) }, { Hex.encode($0) })
        check("base64", ["aGVsbG8=", "aGVsbG8", "AAAA"], { Base64.decode($0) }, { Base64.encode($0) })
    }

    @Test func times() {
        check(
            "times",
            [
                "2026-11-29T10:00:00Z", "1999-12-31T23:59:60.123456789+05:30", "1678-01-01T00:00:00-12:00",
                "2261-12-31T23:59:59.5+00:00",
            ], { Timestamp(rfc3339: $0) }, \.description)
        check("durations", ["1h2m3.5s", "-200ms", "0", "15us"], { GoDuration.nanoseconds($0) }, { "\($0)ns" })
        check("sizes", ["512m", "1.5GiB", "64kb", "100"], { ByteCount(parsing: $0)?.bytes }, { "\($0)" })
    }

    /// An offset takes a time out of the years that are written.
    @Test func timesThatCannotBeWrittenAreRefused() {
        #expect(Timestamp(rfc3339: "1678-01-01T00:00:00+00:01") == nil)
        #expect(Timestamp(rfc3339: "2261-12-31T23:59:59-00:01") == nil)
        #expect(Timestamp(rfc3339: "1678-01-01T00:00:00-00:01")?.description == "1678-01-01T00:01:00Z")
    }
}
