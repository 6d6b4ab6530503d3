/// Reads values from bytes that somebody else wrote: each length is checked before it is believed, and padding, text,
/// paths and booleans are what the specification says (D-Bus specification: Marshaling).
struct DBusReader {
    private let bytes: [UInt8]
    private(set) var position: Int
    private let end: Int
    private let isBigEndian: Bool

    /// How deep values may nest, variants included.
    static let depthLimit = 64

    /// - Parameter range: what is read of `bytes`; alignment counts from the beginning of `bytes`.
    init(_ bytes: [UInt8], in range: Range<Int>, isBigEndian: Bool) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
        self.isBigEndian = isBigEndian
    }

    var isAtEnd: Bool { position == end }

    mutating func align(_ alignment: Int) throws(SystemdError) {
        while position % alignment != 0 {
            guard try take(1).first == 0 else { throw .malformed("padding that is not zero") }
        }
    }

    private mutating func take(_ count: Int) throws(SystemdError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= end - position else {
            throw .malformed("ends at byte \(end), \(count) more at \(position) are claimed")
        }
        position += count
        return bytes[(position - count)..<position]
    }

    mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) throws(SystemdError) -> Number {
        let size = MemoryLayout<Number>.size
        try align(size)
        var number: UInt64 = 0
        for (index, byte) in try take(size).enumerated() {
            number |= UInt64(byte) << UInt64(8 * (isBigEndian ? size - 1 - index : index))
        }
        return Number(truncatingIfNeeded: number)
    }

    private mutating func text(length: Int) throws(SystemdError) -> String {
        let content = try take(length)
        guard try take(1).first == 0, !content.contains(0) else { throw .malformed("text that does not end with zero") }
        guard let text = String(validating: content, as: UTF8.self) else { throw .malformed("text that is not UTF-8") }
        return text
    }

    private mutating func objectPath() throws(SystemdError) -> String {
        let path = try text(length: Int(try number(UInt32.self)))
        guard DBusValue.isObjectPath(path) else { throw .malformed("\"\(path.prefix(100))\" is no object path") }
        return path
    }

    private mutating func signature() throws(SystemdError) -> String {
        let text = try text(length: Int(try number(UInt8.self)))
        _ = try DBusType.parse(text)
        return text
    }

    mutating func values(_ types: [DBusType]) throws(SystemdError) -> [DBusValue] {
        var values: [DBusValue] = []
        for type in types { values.append(try value(type)) }
        return values
    }

    mutating func value(_ type: DBusType, depth: Int = 0) throws(SystemdError) -> DBusValue {
        guard depth <= Self.depthLimit else { throw .malformed("nests deeper than \(Self.depthLimit)") }
        switch type {
        case .basic(let basic): return try value(basic)
        case .variant:
            let types = try DBusType.parse(try signature())
            guard types.count == 1 else { throw .malformed("a variant of \(types.count) types") }
            return .variant(try value(types[0], depth: depth + 1))
        case .array(let element): return try array(element, depth: depth)
        case .structure(let members):
            try align(8)
            var values: [DBusValue] = []
            for member in members { values.append(try value(member, depth: depth + 1)) }
            return .structure(values)
        case .entry(let key, let type):
            try align(8)
            let key = try value(key)
            return .entry(key, try value(type, depth: depth + 1))
        }
    }

    private mutating func value(_ type: DBusType.Basic) throws(SystemdError) -> DBusValue {
        switch type {
        case .byte: return .byte(try number(UInt8.self))
        case .boolean:
            let number = try number(UInt32.self)
            guard number <= 1 else { throw .malformed("a boolean of \(number)") }
            return .bool(number == 1)
        case .int16: return .int16(try number(Int16.self))
        case .uint16: return .uint16(try number(UInt16.self))
        case .int32: return .int32(try number(Int32.self))
        case .uint32: return .uint32(try number(UInt32.self))
        case .int64: return .int64(try number(Int64.self))
        case .uint64: return .uint64(try number(UInt64.self))
        case .double: return .double(Double(bitPattern: try number(UInt64.self)))
        case .string: return .string(try text(length: Int(try number(UInt32.self))))
        case .objectPath: return .objectPath(try objectPath())
        case .signature: return .signature(try signature())
        case .descriptor: return .descriptor(try number(UInt32.self))
        }
    }

    private mutating func array(_ element: DBusType, depth: Int) throws(SystemdError) -> DBusValue {
        let length = Int(try number(UInt32.self))
        try align(element.alignment)
        guard length <= end - position else {
            throw .malformed("an array of \(length) bytes, \(end - position) are left")
        }
        if element == .basic(.byte) { return .bytes(Array(try take(length))) }
        let last = position + length
        var elements: [DBusValue] = []
        while position < last { elements.append(try value(element, depth: depth + 1)) }
        guard position == last else { throw .malformed("an array whose last element goes beyond it") }
        return .array(element, elements)
    }
}
