import JSON
import Testing

@Suite struct PlaceTests {
    private static func part(_ name: String, _ text: String) -> String? {
        let bytes = Array(text.utf8)
        return JSONValue.place(of: name, inObject: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
    }

    @Test("The value of a member of the object itself, wherever else its name stands")
    func places() {
        #expect(Self.part("a", #"{"a":1}"#) == "1")
        #expect(Self.part("a", #"{"b":{"a":2},"a":{"b":[3,"]}"]},"c":"a"}"#) == #"{"b":[3,"]}"]}"#)
        #expect(Self.part("a", #" { "x" : "a" , "a" : "y" } "#) == #" "y" "#)
        #expect(Self.part("a", #"{"x":"\"a\":1","a":"\\"}"#) == #""\\""#)
        #expect(Self.part("a", #"{"a":1,"a":2}"#) == "2", "of a repeated member the last one counts")
    }

    @Test("Nothing where there is none, or the text is no whole object")
    func none() {
        for text in ["", "{}", #"{"b":1}"#, #"["a",1]"#, #"{"a":1"#, #"{"a":{"#, #"{"a"#, #"{"x":"a"}"#, "\"a\\"] {
            #expect(Self.part("a", text) == nil, "\(text)")
        }
    }
}
