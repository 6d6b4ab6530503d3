import JSON

/// Notes which members types read when they are decoded, at every depth.
final class MemberRecorder {
    /// Members by type.
    private(set) var members: [String: Set<String>] = [:]
    /// Which case is decoded of an enumeration whose cases hold values.
    private var chosen: [String: String] = [:]

    /// What a text is tried as, one after the other.
    private static let texts = [
        "", "1970-01-01T00:00:00Z", "10.0.0.0/8", "10.0.0.1", "worker", "active", "ready", "running", "new", "updating",
        "cluster", "volume",
    ]

    /// Decodes a type, or one case of it.
    func record<T: Decodable>(_ type: T.Type, case name: String? = nil) throws {
        chosen[Self.name(type)] = name
        _ = try make(type)
    }

    private static func name(_ type: any Any.Type) -> String {
        var name = String(reflecting: type)
        // It is written as what it holds.
        let shared = "ClusterModel.SharedValue<"
        if name.hasPrefix(shared) { name = String(name.dropFirst(shared.count).dropLast()) }
        return name.firstIndex(of: ".").map { String(name[name.index(after: $0)...]) } ?? name
    }

    fileprivate func make<T: Decodable>(_ type: T.Type) throws -> T {
        if type == JSONValue.self { return JSONValue.null as! T }
        for text in Self.texts {
            let attempt = Attempt(text: text)
            do { return try T(from: Recording(recorder: self, type: Self.name(type), attempt: attempt)) } catch {
                // Another text may do where it read one itself.
                if !attempt.isRead { throw error }
            }
        }
        throw Refused(type: Self.name(type))
    }

    fileprivate func note(_ member: String, of type: String) {
        // A dictionary's keys are data.
        if !type.hasPrefix("Dictionary<") { members[type, default: []].insert(member) }
    }

    fileprivate func choice(of type: String) -> String { chosen[type] ?? "key" }

    /// A line for each type.
    var lines: [String] {
        members.map { type, members in "\(type): \(members.sorted().joined(separator: " "))" }.sorted()
    }
}

private struct Refused: Error {
    var type = ""
}

/// A text that a type may read.
private final class Attempt {
    let text: String
    var isRead = false

    init(text: String) { self.text = text }
}

private struct Recording: Decoder {
    let recorder: MemberRecorder
    let type: String
    let attempt: Attempt
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    func container<Key: CodingKey>(keyedBy key: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Members(recorder: recorder, type: type))
    }

    func unkeyedContainer() -> any UnkeyedDecodingContainer { Elements(recorder: recorder) }

    func singleValueContainer() -> any SingleValueDecodingContainer {
        Single(recorder: recorder, type: type, attempt: attempt)
    }
}

private struct Members<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let recorder: MemberRecorder
    let type: String
    let codingPath: [any CodingKey] = []

    var allKeys: [Key] { Key(stringValue: recorder.choice(of: type)).map { [$0] } ?? [] }
    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) -> Bool { false }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        recorder.note(key.stringValue, of: self.type)
        return try recorder.make(type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy nested: Nested.Type, forKey key: Key
    ) -> KeyedDecodingContainer<Nested> {
        recorder.note(key.stringValue, of: type)
        return KeyedDecodingContainer(Members<Nested>(recorder: recorder, type: "\(type).\(key.stringValue)"))
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw Refused() }
    func superDecoder() throws -> any Decoder { throw Refused() }
    func superDecoder(forKey key: Key) throws -> any Decoder { throw Refused() }
}

/// One element.
private struct Elements: UnkeyedDecodingContainer {
    let recorder: MemberRecorder
    let codingPath: [any CodingKey] = []
    let count: Int? = 1
    var currentIndex = 0
    var isAtEnd: Bool { currentIndex == 1 }

    mutating func decodeNil() -> Bool { false }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        currentIndex = 1
        return try recorder.make(type)
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        throw Refused()
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Refused() }
    mutating func superDecoder() throws -> any Decoder { throw Refused() }
}

private struct Single: SingleValueDecodingContainer {
    let recorder: MemberRecorder
    let type: String
    let attempt: Attempt
    let codingPath: [any CodingKey] = []

    func decodeNil() -> Bool { false }

    func decode(_ type: String.Type) throws -> String {
        // Of what was not sealed yet; its members are asked for then.
        if self.type == "SealedValue" { throw Refused() }
        attempt.isRead = true
        return attempt.text
    }

    func decode(_ type: Bool.Type) -> Bool { false }
    func decode(_ type: Double.Type) -> Double { 0 }
    func decode(_ type: Float.Type) -> Float { 0 }
    func decode(_ type: Int.Type) -> Int { 1 }
    func decode(_ type: Int8.Type) -> Int8 { 1 }
    func decode(_ type: Int16.Type) -> Int16 { 1 }
    func decode(_ type: Int32.Type) -> Int32 { 1 }
    func decode(_ type: Int64.Type) -> Int64 { 1 }
    func decode(_ type: UInt.Type) -> UInt { 1 }
    func decode(_ type: UInt8.Type) -> UInt8 { 1 }
    func decode(_ type: UInt16.Type) -> UInt16 { 1 }
    func decode(_ type: UInt32.Type) -> UInt32 { 1 }
    func decode(_ type: UInt64.Type) -> UInt64 { 1 }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try recorder.make(type) }
}
