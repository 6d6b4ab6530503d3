extension JSONValue {
    /// Where the value of a member stands in the text of an object, without reading the rest; nil where there is no
    /// such member, or the text is not one. Of a repeated member it is the last one.
    ///
    /// It trusts the text: whether that is JSON is for a parser to say. A name is found as it is, not in escapes.
    public static func place(of name: String, inObject text: [UInt8]) -> Range<Int>? {
        let name = Array(name.utf8)
        return text.withUnsafeBufferPointer { text in
            var found: Range<Int>?
            var depth = 0
            // Of the last string in the object itself, and of the value that follows it.
            var key = 0..<0
            var value: Int?
            var index = 0
            while index < text.count {
                switch text[index] {
                case UInt8(ascii: "\""):
                    let start = index + 1
                    index = start
                    while index < text.count, text[index] != UInt8(ascii: "\"") {
                        index += text[index] == UInt8(ascii: "\\") ? 2 : 1
                    }
                    if depth == 1, value == nil { key = start..<min(index, text.count) }
                case UInt8(ascii: ":") where depth == 1: value = index + 1
                case UInt8(ascii: ",") where depth == 1, UInt8(ascii: "}") where depth == 1:
                    if let start = value, text[key].elementsEqual(name) { found = start..<index }
                    value = nil
                    if text[index] == UInt8(ascii: "}") { depth = 0 }
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
                index += 1
            }
            return depth == 0 ? found : nil
        }
    }
}
