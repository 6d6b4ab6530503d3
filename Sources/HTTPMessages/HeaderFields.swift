/// The header fields of a message in their order; names compare without regard to case (RFC 9110 section 5.1).
public struct HeaderFields: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    public struct Field: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public private(set) var fields: [Field] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { Field(name: $0.0, value: $0.1) }
    }

    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

    /// The first value of that name; setting replaces all of that name.
    public subscript(name: String) -> String? {
        get { fields.first { Self.areSame($0.name, name) }?.value }
        set {
            fields.removeAll { Self.areSame($0.name, name) }
            if let newValue { add(name, newValue) }
        }
    }

    /// Every value of that name.
    public func all(_ name: String) -> [String] {
        fields.filter { Self.areSame($0.name, name) }.map(\.value)
    }

    /// Whether two names differ in the case of their letters at most. Names are ASCII.
    private static func areSame(_ left: String, _ right: String) -> Bool {
        func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
        return left.utf8.count == right.utf8.count
            && left.utf8.elementsEqual(right.utf8) { lower($0) == lower($1) }
    }

    /// Whether a comma-separated list of that name holds `token`, whatever its case.
    public func contains(_ name: String, token: String) -> Bool {
        fields.contains { Self.areSame($0.name, name) } && tokens(name).contains(token.lowercased())
    }

    /// The elements of the comma-separated lists of that name, in lower case.
    public func tokens(_ name: String) -> [String] {
        all(name).flatMap { value in
            value.split(separator: ",").map { HeaderFields.trimmed($0).lowercased() }.filter { !$0.isEmpty }
        }
    }

    /// Parses the lines between the first line and the empty one (RFC 9112 section 5); no line folding.
    init(parsing lines: some Sequence<ArraySlice<UInt8>>) throws(HTTPError) {
        for line in lines {
            guard let colon = line.firstIndex(of: 0x3a), colon > line.startIndex,
                line[..<colon].allSatisfy(HeaderFields.isToken)
            else { throw .malformed("malformed header field") }
            let value = line[(colon + 1)...]
            guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                throw .malformed("invalid character in header field")
            }
            add(
                String(decoding: line[..<colon], as: UTF8.self),
                HeaderFields.trimmed(String(decoding: value, as: UTF8.self)[...]))
        }
    }

    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e: true
        default: false
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while let first = text.utf8.first, first == 0x20 || first == 0x09 { text.removeFirst() }
        while let last = text.utf8.last, last == 0x20 || last == 0x09 { text.removeLast() }
        return String(text)
    }
}
