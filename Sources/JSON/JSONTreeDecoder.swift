/// Decodes `Decodable` types from a parsed JSON value.
final class JSONTreeDecoder: Decoder {
    let coding: JSONCoding
    let value: JSONValue
    private let parent: JSONTreeDecoder?
    private let key: JSONKey?
    /// Put together when somebody asks, which nobody does but for errors.
    var codingPath: [any CodingKey] { (parent?.codingPath ?? []) + (key.map { [$0] } ?? []) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    init(coding: JSONCoding, value: JSONValue, in parent: JSONTreeDecoder? = nil, at key: JSONKey? = nil) {
        self.coding = coding
        self.value = value
        self.parent = parent
        self.key = key
    }

    /// True where null and missing members stand for zero values.
    var nullIsZero: Bool { coding.flavour == .docker && value.isNull }

    func mismatch(_ expected: String) -> JSONError {
        value.mismatch(expected, path: JSONError.text(codingPath))
    }

    func unbox<T: Decodable>(_ type: T.Type) throws -> T {
        if type == JSONValue.self { return value as! T }
        return try T(from: self)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        if nullIsZero { return KeyedDecodingContainer(Keyed(decoder: self, members: [:])) }
        guard let members = value.object else { throw mismatch("an object") }
        try coding.check(members, type, in: self)
        return KeyedDecodingContainer(Keyed(decoder: self, members: members))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        if nullIsZero { return Unkeyed(decoder: self, elements: []) }
        guard let elements = value.array else { throw mismatch("an array") }
        return Unkeyed(decoder: self, elements: elements)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { Single(decoder: self) }

    func nested(_ value: JSONValue, _ key: JSONKey) -> JSONTreeDecoder {
        JSONTreeDecoder(coding: coding, value: value, in: self, at: key)
    }

    struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let decoder: JSONTreeDecoder
        let members: [String: JSONValue]
        var codingPath: [any CodingKey] { decoder.codingPath }
        var allKeys: [Key] { members.keys.compactMap { Key(stringValue: $0) } }

        func contains(_ key: Key) -> Bool { members[decoder.coding.name(key)] != nil }

        private func nested(_ key: Key) throws -> JSONTreeDecoder {
            let name = decoder.coding.name(key)
            guard let value = members[name] else {
                guard decoder.coding.flavour == .docker else {
                    throw JSONError("missing \"\(name)\"", path: JSONError.text(codingPath))
                }
                return decoder.nested(.null, JSONKey(name))
            }
            return decoder.nested(value, JSONKey(name))
        }

        func decodeNil(forKey key: Key) throws -> Bool { members[decoder.coding.name(key)]?.isNull ?? true }

        // Most members are of these types: they need no decoder of their own unless something is wrong with them.
        func decode(_ type: String.Type, forKey key: Key) throws -> String {
            try value(key)?.string ?? nested(key).unbox(type)
        }

        func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool {
            try value(key)?.bool ?? nested(key).unbox(type)
        }

        func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 {
            try value(key)?.integer ?? nested(key).unbox(type)
        }

        func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 {
            try value(key)?.integer.flatMap(UInt64.init(exactly:)) ?? nested(key).unbox(type)
        }

        func decode(_ type: Int.Type, forKey key: Key) throws -> Int {
            try value(key)?.integer.flatMap(Int.init(exactly:)) ?? nested(key).unbox(type)
        }

        private func value(_ key: Key) -> JSONValue? { members[decoder.coding.name(key)] }

        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try nested(key).unbox(type) }

        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<Nested> {
            try nested(key).container(keyedBy: type)
        }

        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
            try nested(key).unkeyedContainer()
        }

        func superDecoder() throws -> any Decoder { decoder }
        func superDecoder(forKey key: Key) throws -> any Decoder { try nested(key) }
    }

    struct Unkeyed: UnkeyedDecodingContainer {
        let decoder: JSONTreeDecoder
        let elements: [JSONValue]
        var currentIndex = 0
        var codingPath: [any CodingKey] { decoder.codingPath }
        var count: Int? { elements.count }
        var isAtEnd: Bool { currentIndex == elements.count }

        init(decoder: JSONTreeDecoder, elements: [JSONValue]) {
            self.decoder = decoder
            self.elements = elements
        }

        private mutating func next() throws -> JSONTreeDecoder {
            guard !isAtEnd else { throw JSONError("too few elements", path: JSONError.text(codingPath)) }
            defer { currentIndex += 1 }
            return decoder.nested(elements[currentIndex], JSONKey(currentIndex))
        }

        mutating func decodeNil() throws -> Bool {
            guard !isAtEnd, elements[currentIndex].isNull else { return false }
            currentIndex += 1
            return true
        }

        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().unbox(type) }

        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type
        ) throws -> KeyedDecodingContainer<Nested> {
            try next().container(keyedBy: type)
        }

        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
            try next().unkeyedContainer()
        }

        mutating func superDecoder() throws -> any Decoder { try next() }
    }

    struct Single: SingleValueDecodingContainer {
        let decoder: JSONTreeDecoder
        var codingPath: [any CodingKey] { decoder.codingPath }

        func decodeNil() -> Bool { decoder.value.isNull }

        func decode(_ type: Bool.Type) throws -> Bool {
            if decoder.nullIsZero { return false }
            guard let flag = decoder.value.bool else { throw decoder.mismatch("a boolean") }
            return flag
        }

        func decode(_ type: String.Type) throws -> String {
            if decoder.nullIsZero { return "" }
            guard let text = decoder.value.string else { throw decoder.mismatch("a string") }
            return text
        }

        func decode(_ type: Double.Type) throws -> Double {
            if decoder.nullIsZero { return 0 }
            guard let number = decoder.value.number else { throw decoder.mismatch("a number") }
            return number
        }

        func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
        func decode(_ type: Int.Type) throws -> Int { try integer(type) }
        func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
        func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
        func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
        func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
        func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
        func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
        func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
        func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
        func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

        private func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
            if decoder.nullIsZero { return 0 }
            if let value = decoder.value.integer.flatMap({ T(exactly: $0) }) { return value }
            if case .unsigned(let number) = decoder.value, let value = T(exactly: number) { return value }
            if case .number(let number) = decoder.value, let value = T(exactly: number) { return value }
            throw decoder.mismatch("an integer of \(T.bitWidth) bits")
        }

        func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.unbox(type) }
    }
}
