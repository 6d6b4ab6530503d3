import Fuzzing
import JSON
import Testing

@Suite struct JSONFuzzTests {
    private static let examples = [
        #"{"a":[1,-2,3.5,1e3,18446744073709551615,true,false,null,{"b":{}}],"c":"x\n\u00e9\ud83d\ude00","":[]}"#,
        #"[[["deep"]],{"e":"é","é":1,"e\u0301":2}]"#, #""text""#, "0", " { } ",
    ].map { Array($0.utf8) }

    @Test func values() {
        let report = Fuzzer("json").run(
            Self.examples, decode: { try JSONValue(parsing: $0) }, encode: { $0.serialized() })
        #expect(report.finding == nil)
    }

    private enum Choice: Hashable, Codable {
        case empty
        case some(Int, name: String)
        indirect case other([String: Choice])
    }

    private struct Everything: Hashable, Codable {
        enum Kind: String, Codable { case one, two }
        var flag: Bool
        var small: UInt8
        var number: Int
        var large: UInt64
        var fraction: Double
        var text: String
        var kind: Kind
        var missing: Int?
        var list: [Int32]
        var members: [String: [Double]]
        var document: JSONValue
    }

    private func check<Value: Codable & Equatable>(_ name: String, _ value: Value, _ coding: JSONCoding) throws {
        let report = Fuzzer(name).run(
            [try coding.encode(value)], decode: { try coding.decode(Value.self, from: $0) },
            encode: { try coding.encode($0) })
        #expect(report.finding == nil)
    }

    /// Every way in which a type reads its members, with names as they are and as Docker writes them.
    @Test func types() throws {
        let value = Everything(
            flag: true, small: 200, number: -5, large: .max, fraction: 0.25, text: "x", kind: .two, missing: nil,
            list: [1, -2], members: ["a": [0.5]], document: ["k": [1, 2.5]])
        try check("json-verbatim", value, .verbatim)
        try check("json-docker", value, .docker)
        // Docker's API has no such thing.
        try check("json-choices", [Choice.empty, .some(1, name: "n"), .other(["x": .empty])], .verbatim)
    }
}
