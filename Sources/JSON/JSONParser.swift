/// What a JSON text from outside may cost.
public struct JSONLimits: Sendable {
    /// The longest text in bytes.
    public var bytes: Int
    /// The deepest nesting of arrays and objects.
    public var depth: Int

    public init(bytes: Int = 16 << 20, depth: Int = 128) {
        self.bytes = bytes
        self.depth = depth
    }
}

extension JSONValue {
    /// Parses one JSON text with nothing but white space around it (RFC 8259). Of a repeated member the last one
    /// counts.
    public init(parsing text: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        guard text.count <= limits.bytes else { throw JSONError("longer than \(limits.bytes) bytes") }
        var parser = JSONParser(text: text[...], limits: limits)
        self = try parser.document()
    }

    /// Parses one JSON text.
    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }
}

/// A recursive-descent parser over UTF-8 bytes.
struct JSONParser {
    /// Room for so many members is made at once.
    private static let expectedMembers = 4
    let text: ArraySlice<UInt8>
    let limits: JSONLimits
    var index = 0
    var depth = 0

    init(text: ArraySlice<UInt8>, limits: JSONLimits) {
        self.text = text
        self.limits = limits
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value()
        skipSpace()
        guard index == text.endIndex else { throw failure("unexpected text after the value") }
        return value
    }

    private func failure(_ reason: String) -> JSONError { JSONError(reason, offset: index) }

    private mutating func skipSpace() {
        while index < text.endIndex, text[index] <= 0x20 {
            let byte = text[index]
            guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
            index += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard index < text.endIndex, text[index] == byte else { return false }
        index += 1
        return true
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        guard index < text.endIndex else { throw failure("unexpected end of JSON input") }
        switch text[index] {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), 0x30...0x39: return try number()
        default: throw failure("invalid character")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let bytes = Array(word.description.utf8)
        guard text[index...].starts(with: bytes) else { throw failure("invalid literal") }
        index += bytes.count
        return value
    }

    private mutating func enter() throws(JSONError) {
        depth += 1
        guard depth <= limits.depth else { throw failure("nested deeper than \(limits.depth)") }
        index += 1
        skipSpace()
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        try enter()
        defer { depth -= 1 }
        if take(UInt8(ascii: "}")) { return .object([:]) }
        var members: [String: JSONValue] = Dictionary(minimumCapacity: Self.expectedMembers)
        while true {
            skipSpace()
            guard index < text.endIndex, text[index] == UInt8(ascii: "\"") else { throw failure("expected a name") }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw failure("expected ':'") }
            members[name] = try value()
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "}")) else { throw failure("expected ',' or '}'") }
            return .object(members)
        }
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        try enter()
        defer { depth -= 1 }
        var elements: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try value())
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "]")) else { throw failure("expected ',' or ']'") }
            return .array(elements)
        }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = index
        var isIntegral = true
        func digits(_ index: inout Int) -> Int {
            let first = index
            while index < text.endIndex, (0x30...0x39).contains(text[index]) { index += 1 }
            return index - first
        }
        _ = take(UInt8(ascii: "-"))
        let leading = index
        let count = digits(&index)
        guard count > 0, count == 1 || text[leading] != 0x30 else { throw failure("invalid number") }
        if take(UInt8(ascii: ".")) {
            isIntegral = false
            guard digits(&index) > 0 else { throw failure("invalid number") }
        }
        if index < text.endIndex, text[index] | 0x20 == UInt8(ascii: "e") {
            isIntegral = false
            index += 1
            if !take(UInt8(ascii: "-")) { _ = take(UInt8(ascii: "+")) }
            guard digits(&index) > 0 else { throw failure("invalid number") }
        }
        let characters = String(decoding: text[start..<index], as: UTF8.self)
        if isIntegral, let value = Int64(characters) { return .integer(value) }
        if isIntegral, let value = UInt64(characters) { return .unsigned(value) }
        guard let value = Double(characters), value.isFinite else { throw failure("number out of range") }
        // As it is written again.
        if let value = Int64(exactly: value) { return .integer(value) }
        return .number(value)
    }

    private mutating func string() throws(JSONError) -> String {
        index += 1
        var bytes: [UInt8] = []
        var start = index
        while true {
            index = text.withUnsafeBufferPointer { Self.endOfPlainRun($0, from: index) }
            guard index < text.endIndex else { break }
            let byte = text[index]
            if byte == UInt8(ascii: "\"") {
                let end = index
                index += 1
                // Most have no escapes.
                if bytes.isEmpty {
                    let string = text[start..<end].withUnsafeBufferPointer(Self.string)
                    guard let string else { throw failure("invalid UTF-8") }
                    return string
                }
                bytes.append(contentsOf: text[start..<end])
                guard let string = String(validating: bytes, as: UTF8.self) else { throw failure("invalid UTF-8") }
                return string
            }
            guard byte >= 0x20 else { throw failure("control character in a string") }
            bytes.append(contentsOf: text[start..<index])
            index += 1
            bytes.append(contentsOf: try escape())
            start = index
        }
        throw failure("unexpected end of JSON input")
    }

    /// Where the bytes that stand for themselves end: at a quotation mark, a backslash, a control character or the end.
    private static func endOfPlainRun(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var index = start
        while index < text.count, text[index] >= 0x20, text[index] != UInt8(ascii: "\""),
            text[index] != UInt8(ascii: "\\")
        {
            index += 1
        }
        return index
    }

    /// A text that is ASCII alone, as most are, is made without generic code.
    private static func string(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        if bytes.allSatisfy({ $0 < 0x80 }) { return String(decoding: bytes, as: UTF8.self) }
        return String(validating: bytes, as: UTF8.self)
    }

    private mutating func escape() throws(JSONError) -> [UInt8] {
        guard index < text.endIndex else { throw failure("unexpected end of JSON input") }
        let character = text[index]
        index += 1
        switch character {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [character]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            let first = try codeUnit()
            var scalar = UInt32(first)
            if (0xd800..<0xdc00).contains(first), index + 1 < text.endIndex, text[index] == UInt8(ascii: "\\"),
                text[index + 1] == UInt8(ascii: "u")
            {
                let mark = index
                index += 2
                let second = try codeUnit()
                if (0xdc00..<0xe000).contains(second) {
                    scalar = 0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00)
                } else {
                    index = mark
                }
            }
            return Array(String(Character(Unicode.Scalar(scalar) ?? "\u{fffd}")).utf8)
        default: throw failure("invalid escape")
        }
    }

    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        guard index + 4 <= text.endIndex,
            text[index..<index + 4].allSatisfy({ character in
                (0x30...0x39).contains(character) || (0x61...0x66).contains(character | 0x20)
            }),
            let value = UInt16(String(decoding: text[index..<index + 4], as: UTF8.self), radix: 16)
        else { throw failure("invalid escape") }
        index += 4
        return value
    }
}
