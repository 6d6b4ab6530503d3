import JSON
import Testing
import Values

@Suite struct JSONTests {
    struct Inner: Codable, Equatable {
        var nanoCPUs: Int64
        var names: [String]
        var byName: [String: Int]
    }

    struct Outer: Codable, Equatable {
        var id: String
        var ipamConfig: Inner?
        var at: Timestamp?
        var flag: Bool
    }

    @Test func canonicalText() throws {
        let value = try JSONValue(parsing: #" {"b": [1, 2.5, -0, 1e2], "a":"x\u00e9\ud83d\ude00\n", "c": {}} "#)
        #expect(value.text == #"{"a":"xé😀\n","b":[1,2.5,0,100],"c":{}}"#)
        #expect(try JSONValue(parsing: value.text).text == value.text)
        // As a value, too: what was asked for and what is read of the log are the same.
        #expect(try JSONValue(parsing: value.text) == value)
        #expect(try JSONValue(parsing: "[1e3,-2.0,-0.0,1e19]") == [1_000, -2, 0, .number(1e19)])
    }

    @Test(
        "RFC 8259: what is not JSON",
        arguments: [
            "", "{", "[1,]", "{\"a\":}", "{a:1}", "01", "1.", "+1", "nul", "\"\u{01}\"", "\"\\x\"", "[1] 2", "1e999",
            "\"\\u12g4\"", "\"", "{\"a\" 1}", "'a'",
        ])
    func refused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test("Characters that need an escape, alone and at either end of a run of those that do not")
    func escapes() throws {
        let written = [
            ("", #""""#), ("\"", #""\"""#), ("a\\", #""a\\""#), ("\nb", #""\nb""#), ("a\tb\rc", #""a\tb\rc""#),
            ("\u{1}\u{1f}", #""\u0001\u001f""#), ("é\"日本😀", #""é\"日本😀""#), ("\u{7f}/", "\"\u{7f}/\""),
        ]
        for (text, expected) in written {
            #expect(JSONValue.string(text).text == expected)
            #expect(try JSONValue(parsing: expected) == .string(text))
            // The same behind a long run, and inside of an object.
            let long = String(repeating: "x", count: 1000) + text
            let value: JSONValue = [long: .string(long + "y")]
            #expect(try JSONValue(parsing: value.text) == value)
        }
        for text in ["\"a\u{1}\"", "\"a", "\"a\\\"", "\"\\"] {
            #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
        }
    }

    @Test("Numbers of every width, alone and as members, and what does not fit them")
    func numbers() throws {
        struct Widths: Codable, Equatable {
            var int: Int
            var small: Int8
            var signed: Int64
            var unsigned: UInt64
            var port: UInt16
            var ratio: Double
        }
        let largest = Widths(
            int: .min, small: -128, signed: .min, unsigned: .max, port: .max, ratio: 0.5)
        let text = try JSONCoding.encode(largest)
        #expect(try JSONCoding.decode(Widths.self, from: text) == largest)
        #expect(try JSONCoding.decode([UInt64].self, from: Array("[18446744073709551615,7.0]".utf8)) == [.max, 7])
        for (member, reason) in [
            ("unsigned", "unsigned: expected an integer of 64 bits, found a number"),
            ("port", "port: expected an integer of 16 bits, found a number"),
        ] {
            var value = try JSONValue(parsing: text)
            value[member] = -1
            let error = #expect(throws: JSONError.self) { try JSONCoding.verbatim.decode(Widths.self, from: value) }
            #expect(error?.description == reason)
        }
        struct Holder: Encodable {
            var inner = ["x": [Double.infinity]]
        }
        #expect(throws: JSONError("JSON has no infinities", path: "inner.x")) { try JSONCoding.encode(Holder()) }
    }

    @Test func depthIsBounded() {
        let text = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: "[1,2,3]", limits: JSONLimits(bytes: 4)) }
    }

    @Test func dockersNamesAndZeroValues() throws {
        let outer = Outer(
            id: "x", ipamConfig: Inner(nanoCPUs: 5, names: ["n"], byName: ["lower": 1]), at: .epoch, flag: true)
        let text = String(decoding: try JSONCoding.docker.encode(outer), as: UTF8.self)
        #expect(
            text == #"{"At":"1970-01-01T00:00:00Z","Flag":true,"ID":"x","IPAMConfig":{"ByName":{"lower":1},"#
                + #""Names":["n"],"NanoCPUs":5}}"#)
        #expect(try JSONCoding.docker.decode(Outer.self, from: Array(text.utf8)) == outer)
        let empty = try JSONCoding.docker.decode(Outer.self, from: Array(#"{"IPAMConfig":{"Names":null}}"#.utf8))
        #expect(
            empty == Outer(id: "", ipamConfig: Inner(nanoCPUs: 0, names: [], byName: [:]), at: nil, flag: false))
    }

    @Test func errorsNameThePlace() {
        do {
            _ = try JSONCoding.docker.decode(
                Outer.self, from: Array(#"{"IPAMConfig":{"Names":["a",3]}}"#.utf8))
            Issue.record("a number was taken for a string")
        } catch {
            #expect(error.description == "IPAMConfig.Names[1]: expected a string, found a number")
        }
        #expect(throws: JSONError("missing \"flag\"")) {
            try JSONCoding.decode(Outer.self, from: Array(#"{"id":"x"}"#.utf8))
        }
    }

    @Test func valuesInsideTypedDocuments() throws {
        struct Holder: Codable {
            var raw: JSONValue
            var list: [JSONValue]
        }
        let text = #"{"list":[1,"a",null],"raw":{"unknownField":[true]}}"#
        let holder = try JSONCoding.decode(Holder.self, from: Array(text.utf8))
        #expect(String(decoding: try JSONCoding.encode(holder), as: UTF8.self) == text)
    }

    @Test("What is decoded exactly is all that was written, at every depth, but for what may be passed over")
    func exactDecoding() throws {
        enum Choice: Codable, Equatable {
            case first([String: Inner], note: String?)
            case second
        }
        struct Holder: Codable, Equatable {
            var choices: [Choice]
            var raw: JSONValue
        }
        func decode(_ text: String) throws(JSONError) -> Holder {
            try JSONCoding.exact(ignoring: ["old"]).decode(Holder.self, from: Array(text.utf8))
        }
        let inner = #"{"nanoCPUs":1,"names":[],"byName":{"any name":2}}"#
        let good = #"{"choices":[{"first":{"_0":{"any":\#(inner)}}},{"second":{}}],"raw":{"x":{"y":1}},"old":5}"#
        let holder = try decode(good)
        #expect(holder.choices.count == 2 && holder.raw["x"]?["y"] == 1)
        #expect(try JSONCoding.decode(Holder.self, from: Array(good.utf8)) == holder)
        for (place, path) in [
            (#""raw":"#, ""), (#""_0":"#, "choices[0].first"), (#""nanoCPUs":"#, "choices[0].first._0.any"),
        ] {
            let text = good.replacing(place, with: #""new":[],"# + place)
            #expect(text != good)
            #expect(throws: JSONError("unknown member \"new\"", path: path)) { try decode(text) }
            #expect(try JSONCoding.decode(Holder.self, from: Array(text.utf8)) == holder)
        }
    }
}
