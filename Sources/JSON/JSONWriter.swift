extension JSONValue {
    /// The canonical text: no white space, members in the order of their names' UTF-8, one way to write each value.
    ///
    /// The same value gives the same bytes on every host and in every run, so that it can be compared, hashed and
    /// logged.
    public func serialized() -> [UInt8] {
        var text: [UInt8] = []
        write(to: &text, indent: nil)
        return text
    }

    /// The canonical text as a string.
    public var text: String { String(decoding: serialized(), as: UTF8.self) }

    /// Text for people, indented by four spaces as `docker inspect` does.
    public func pretty() -> String {
        var text: [UInt8] = []
        write(to: &text, indent: 0)
        return String(decoding: text, as: UTF8.self)
    }

    private func write(to text: inout [UInt8], indent: Int?) {
        switch self {
        case .null: text.append(contentsOf: "null".utf8)
        case .bool(let flag): text.append(contentsOf: (flag ? "true" : "false").utf8)
        case .integer(let value): text.append(contentsOf: String(value).utf8)
        case .unsigned(let value): text.append(contentsOf: String(value).utf8)
        case .number(let value):
            precondition(value.isFinite, "JSON has no infinities")
            text.append(contentsOf: (Int64(exactly: value).map(String.init) ?? "\(value)").utf8)
        case .string(let string): Self.write(string, to: &text)
        case .array(let elements):
            text.append(UInt8(ascii: "["))
            for (position, element) in elements.enumerated() {
                if position > 0 { text.append(UInt8(ascii: ",")) }
                Self.newLine(to: &text, indent: indent.map { $0 + 1 })
                element.write(to: &text, indent: indent.map { $0 + 1 })
            }
            if !elements.isEmpty { Self.newLine(to: &text, indent: indent) }
            text.append(UInt8(ascii: "]"))
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (position, name) in members.keys.sorted().enumerated() {
                if position > 0 { text.append(UInt8(ascii: ",")) }
                Self.newLine(to: &text, indent: indent.map { $0 + 1 })
                Self.write(name, to: &text)
                text.append(UInt8(ascii: ":"))
                if indent != nil { text.append(0x20) }
                members[name]!.write(to: &text, indent: indent.map { $0 + 1 })
            }
            if !members.isEmpty { Self.newLine(to: &text, indent: indent) }
            text.append(UInt8(ascii: "}"))
        }
    }

    private static func newLine(to text: inout [UInt8], indent: Int?) {
        guard let indent else { return }
        text.append(0x0a)
        text.append(contentsOf: repeatElement(0x20, count: indent * 4))
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    private static func write(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        var string = string
        string.withUTF8 { bytes in
            var start = 0
            while let index = bytes[start...].firstIndex(where: isSpecial) {
                text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start..<index]))
                write(special: bytes[index], to: &text)
                start = index + 1
            }
            text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start...]))
        }
        text.append(UInt8(ascii: "\""))
    }

    private static func isSpecial(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func write(special byte: UInt8, to text: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(contentsOf: [0x5c, byte])
        case 0x0a: text.append(contentsOf: "\\n".utf8)
        case 0x0d: text.append(contentsOf: "\\r".utf8)
        case 0x09: text.append(contentsOf: "\\t".utf8)
        default:
            text.append(contentsOf: "\\u00".utf8)
            text.append(hexDigits[Int(byte >> 4)])
            text.append(hexDigits[Int(byte & 15)])
        }
    }
}
