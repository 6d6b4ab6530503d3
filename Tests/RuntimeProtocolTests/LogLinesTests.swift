import JSON
import RuntimeProtocol
import Testing
import Values

/// Docker's json-file format.
@Suite struct LogLinesTests {
    static let time = Timestamp(secondsSinceEpoch: 1_700_000_000, nanoseconds: 5)

    private func entries(_ pieces: [[UInt8]], finish: Bool = true) throws -> [String] {
        var lines = LogLines(stream: "stdout")
        var text: [UInt8] = []
        for piece in pieces { piece.withUnsafeBytes { lines.take($0, time: Self.time, into: &text) } }
        if finish { lines.finish(time: Self.time, into: &text) }
        return try text.split(separator: 0x0a).map { line in
            let value = try JSONValue(parsing: Array(line))
            #expect(value["stream"]?.string == "stdout")
            #expect(value["time"]?.string == "2023-11-14T22:13:20.000000005Z")
            return try #require(value["log"]?.string)
        }
    }

    @Test func oneEntryALine() throws {
        #expect(try entries([Array("a\nb\n\n".utf8)]) == ["a\n", "b\n", "\n"])
    }

    @Test func linesComeInPieces() throws {
        #expect(try entries([Array("he".utf8), Array("llo\nwor".utf8), Array("ld\n".utf8)]) == ["hello\n", "world\n"])
    }

    @Test func theRestEndsWithANewline() throws {
        #expect(try entries([Array("rest".utf8)]) == ["rest\n"])
        #expect(try entries([Array("rest".utf8)], finish: false) == [])
    }

    @Test func longLinesAreSplitWithoutNewlines() throws {
        let line = [UInt8](repeating: 0x78, count: 2 * LogLines.longest + 10) + [0x0a]
        let found = try entries([line])
        #expect(found.map(\.utf8.count) == [LogLines.longest, LogLines.longest, 11])
        #expect(found.map { $0.hasSuffix("\n") } == [false, false, true])
    }

    @Test func escapesAndReplacesWhatIsNoText() throws {
        #expect(try entries([Array("\"\\\t\r\u{1}\u{1b}[0m".utf8)]) == ["\"\\\t\r\u{1}\u{1b}[0m\n"])
        #expect(try entries([[0xff, 0x61, 0xc3, 0x0a]]) == ["\u{fffd}a\u{fffd}\n"])
        #expect(try entries([Array("grün 🐦\n".utf8)]) == ["grün 🐦\n"])
        // Overlong forms and surrogates (RFC 3629 section 3).
        #expect(try entries([[0xc0, 0x80, 0x0a]]) == ["\u{fffd}\u{fffd}\n"])
        #expect(try entries([[0xed, 0xa0, 0x80, 0x0a]]) == ["\u{fffd}\u{fffd}\u{fffd}\n"])
    }
}
