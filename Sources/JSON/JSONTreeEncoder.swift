/// Encodes `Encodable` types as a JSON value.
final class JSONTreeEncoder: Encoder {
    let coding: JSONCoding
    /// Outlives this one, which it made for a part of what it encodes.
    private unowned let parent: JSONTreeEncoder?
    private let key: JSONKey?
    /// Put together when somebody asks, which nobody does but for errors.
    var codingPath: [any CodingKey] { (parent?.codingPath ?? []) + (key.map { [$0] } ?? []) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }
    /// What was encoded; nil until something was.
    var result: JSONValue?
    /// Room for so many members is made at once.
    private static let expectedMembers = 8
    /// Filled by containers, which are values and share their encoder.
    private var members: [String: JSONValue]?
    private var elements: [JSONValue]?
    /// Encoders handed out for nested containers; they are read when this one is finished.
    private var nestedMembers: [(String, JSONTreeEncoder)] = []
    private var nestedElements: [(Int, JSONTreeEncoder)] = []

    init(coding: JSONCoding, in parent: JSONTreeEncoder? = nil, at key: JSONKey? = nil) {
        self.coding = coding
        self.parent = parent
        self.key = key
    }

    func box<T: Encodable>(_ value: T, at key: JSONKey? = nil) throws -> JSONValue {
        if T.self == JSONValue.self { return value as! JSONValue }
        let encoder = JSONTreeEncoder(coding: coding, in: self, at: key)
        try value.encode(to: encoder)
        return encoder.finished()
    }

    static func integer(_ value: some FixedWidthInteger) -> JSONValue {
        Int64(exactly: value).map { .integer($0) } ?? .unsigned(UInt64(value))
    }

    func finished() -> JSONValue {
        if let result { return result }
        for (name, encoder) in nestedMembers { members![name] = encoder.finished() }
        if let members { return .object(members) }
        for (index, encoder) in nestedElements { elements![index] = encoder.finished() }
        return elements.map { .array($0) } ?? .object([:])
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if members == nil { members = Dictionary(minimumCapacity: Self.expectedMembers) }
        return KeyedEncodingContainer(Keyed(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if elements == nil { elements = [] }
        return Unkeyed(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(encoder: self) }

    struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let encoder: JSONTreeEncoder
        var codingPath: [any CodingKey] { encoder.codingPath }

        mutating func encodeNil(forKey key: Key) throws { encoder.members![encoder.coding.name(key)] = .null }

        // Most members are of these types: they need no encoder of their own.
        mutating func encode(_ value: String, forKey key: Key) throws { set(key, .string(value)) }
        mutating func encode(_ value: Bool, forKey key: Key) throws { set(key, .bool(value)) }
        mutating func encode(_ value: Int, forKey key: Key) throws { set(key, JSONTreeEncoder.integer(value)) }
        mutating func encode(_ value: Int64, forKey key: Key) throws { set(key, .integer(value)) }
        mutating func encode(_ value: UInt64, forKey key: Key) throws { set(key, JSONTreeEncoder.integer(value)) }

        mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
            let name = encoder.coding.name(key)
            encoder.members![name] = try encoder.box(value, at: JSONKey(name))
        }

        private func set(_ key: Key, _ value: JSONValue) { encoder.members![encoder.coding.name(key)] = value }

        private func nested(_ key: String) -> JSONTreeEncoder {
            let nested = JSONTreeEncoder(coding: encoder.coding, in: encoder, at: JSONKey(key))
            encoder.nestedMembers.append((key, nested))
            return nested
        }

        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) -> KeyedEncodingContainer<Nested> {
            nested(encoder.coding.name(key)).container(keyedBy: type)
        }

        mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            nested(encoder.coding.name(key)).unkeyedContainer()
        }

        mutating func superEncoder() -> any Encoder { encoder }
        mutating func superEncoder(forKey key: Key) -> any Encoder { nested(encoder.coding.name(key)) }
    }

    struct Unkeyed: UnkeyedEncodingContainer {
        let encoder: JSONTreeEncoder
        var codingPath: [any CodingKey] { encoder.codingPath }
        var count: Int { encoder.elements!.count }

        mutating func encodeNil() throws { encoder.elements!.append(.null) }
        mutating func encode<T: Encodable>(_ value: T) throws { encoder.elements!.append(try encoder.box(value)) }

        private func nested() -> JSONTreeEncoder {
            let nested = JSONTreeEncoder(coding: encoder.coding, in: encoder, at: JSONKey(count))
            encoder.nestedElements.append((count, nested))
            encoder.elements!.append(.null)
            return nested
        }

        mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
            nested().container(keyedBy: type)
        }

        mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested().unkeyedContainer() }
        mutating func superEncoder() -> any Encoder { nested() }
    }

    struct Single: SingleValueEncodingContainer {
        let encoder: JSONTreeEncoder
        var codingPath: [any CodingKey] { encoder.codingPath }

        mutating func encodeNil() throws { encoder.result = .null }
        mutating func encode(_ value: Bool) throws { encoder.result = .bool(value) }
        mutating func encode(_ value: String) throws { encoder.result = .string(value) }
        mutating func encode(_ value: Double) throws {
            guard value.isFinite else { throw JSONError("JSON has no infinities", path: JSONError.text(codingPath)) }
            encoder.result = .number(value)
        }
        mutating func encode(_ value: Float) throws { try encode(Double(value)) }
        mutating func encode(_ value: Int) throws { integer(value) }
        mutating func encode(_ value: Int8) throws { integer(value) }
        mutating func encode(_ value: Int16) throws { integer(value) }
        mutating func encode(_ value: Int32) throws { integer(value) }
        mutating func encode(_ value: Int64) throws { integer(value) }
        mutating func encode(_ value: UInt) throws { integer(value) }
        mutating func encode(_ value: UInt8) throws { integer(value) }
        mutating func encode(_ value: UInt16) throws { integer(value) }
        mutating func encode(_ value: UInt32) throws { integer(value) }
        mutating func encode(_ value: UInt64) throws { integer(value) }

        private func integer(_ value: some FixedWidthInteger) { encoder.result = JSONTreeEncoder.integer(value) }

        mutating func encode<T: Encodable>(_ value: T) throws { encoder.result = try encoder.box(value) }
    }
}
