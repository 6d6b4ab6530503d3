import Values

/// Translates between `Codable` types and JSON, without Foundation and with the same bytes on every run.
public struct JSONCoding: Sendable {
    /// How a property's name becomes a member's, and what a missing member means.
    public enum Flavour: Sendable {
        /// Names as they are; a missing member of a property that is not optional is an error.
        case verbatim
        /// Docker's Engine API: `nanoCPUs` is `NanoCPUs`, `id` is `ID`, and what is missing or null is the zero value
        /// (an empty string, 0, false, an empty list).
        case docker
    }

    public let flavour: Flavour
    /// Where given, members that a type does not know are an error, but for these.
    let ignoredMembers: Set<String>?

    private init(flavour: Flavour, ignoredMembers: Set<String>? = nil) {
        self.flavour = flavour
        self.ignoredMembers = ignoredMembers
    }

    public static let verbatim = JSONCoding(flavour: .verbatim)
    public static let docker = JSONCoding(flavour: .docker)

    /// Names as they are, and none that a type does not know, so that what is decoded is all that was written. Types
    /// that read a `JSONValue` take any.
    ///
    /// - Parameter ignored: what may be there and is passed over.
    public static func exact(ignoring ignored: Set<String> = []) -> JSONCoding {
        JSONCoding(flavour: .verbatim, ignoredMembers: ignored)
    }

    public func value(of value: some Encodable) throws -> JSONValue {
        try JSONTreeEncoder(coding: self).box(value)
    }

    public func encode(_ value: some Encodable) throws -> [UInt8] {
        try self.value(of: value).serialized()
    }

    public func decode<T: Decodable>(
        _ type: T.Type, from text: [UInt8], limits: JSONLimits = JSONLimits()
    ) throws(JSONError) -> T {
        try decode(type, from: JSONValue(parsing: text, limits: limits))
    }

    public func decode<T: Decodable>(_ type: T.Type, from value: JSONValue) throws(JSONError) -> T {
        do {
            return try JSONTreeDecoder(coding: self, value: value).unbox(type)
        } catch let error as JSONError {
            throw error
        } catch let error as DecodingError {
            throw JSONError(error)
        } catch {
            throw JSONError("\(error)")
        }
    }

    /// Encodes with names as they are.
    public static func encode(_ value: some Encodable) throws -> [UInt8] { try verbatim.encode(value) }

    /// Decodes with names as they are.
    public static func decode<T: Decodable>(_ type: T.Type, from text: [UInt8]) throws(JSONError) -> T {
        try verbatim.decode(type, from: text)
    }

    /// The member's name for a property's.
    func memberName(_ property: String) -> String {
        guard flavour == .docker, let first = property.utf8.first, (0x61...0x7a).contains(first) else {
            return property
        }
        if let exception = Self.exceptions[property] { return exception }
        let word = property[..<(property.utf8.firstIndex { !(0x61...0x7a).contains($0) } ?? property.endIndex)]
        if word.utf8.count <= 4, Self.initialisms.contains(String(word)) {
            return word.uppercased() + property[word.endIndex...]
        }
        return String(decoding: [first - 0x20], as: UTF8.self) + property.dropFirst()
    }

    /// Leading words that Docker writes in capitals.
    private static let initialisms: Set<String> = ["id", "ip", "ipam", "tls", "ca"]
    private static let exceptions = ["dnsConfig": "DNSConfig", "pid": "PID", "tty": "TTY", "utsMode": "UTSMode"]

    /// The key type with which `Dictionary` encodes itself: its keys are data and never renamed.
    static let dictionaryKey: ObjectIdentifier = {
        final class Found { var key: ObjectIdentifier? }
        struct Probe: Encoder {
            let found: Found
            var codingPath: [any CodingKey] { [] }
            var userInfo: [CodingUserInfoKey: Any] { [:] }
            func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
                found.key = ObjectIdentifier(Key.self)
                return JSONTreeEncoder(coding: .verbatim).container(keyedBy: type)
            }
            func unkeyedContainer() -> any UnkeyedEncodingContainer { preconditionFailure("a dictionary has keys") }
            func singleValueContainer() -> any SingleValueEncodingContainer {
                preconditionFailure("a dictionary has keys")
            }
        }
        let found = Found()
        try? [String: Int]().encode(to: Probe(found: found))
        return found.key ?? ObjectIdentifier(Found.self)
    }()

    /// Throws where an object has a member that `Key` does not know and that may not be passed over.
    func check<Key: CodingKey>(_ members: [String: JSONValue], _ type: Key.Type, in decoder: JSONTreeDecoder) throws {
        guard let ignoredMembers else { return }
        for name in members.keys where Key(stringValue: name) == nil && !ignoredMembers.contains(name) {
            throw JSONError("unknown member \"\(name)\"", path: JSONError.text(decoder.codingPath))
        }
    }

    func name<Key: CodingKey>(_ key: Key) -> String {
        ObjectIdentifier(Key.self) == Self.dictionaryKey ? key.stringValue : memberName(key.stringValue)
    }
}

extension JSONError {
    init(_ error: DecodingError) {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            self.init(context.debugDescription, path: Self.text(context.codingPath))
        case .keyNotFound(let key, let context):
            self.init("missing \"\(key.stringValue)\"", path: Self.text(context.codingPath))
        @unknown default:
            self.init("\(error)")
        }
    }

    static func text(_ path: [any CodingKey]) -> String {
        path.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
    }
}

/// A place in a JSON value: a member's name or an element's index.
struct JSONKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(_ name: String) {
        stringValue = name
        intValue = nil
    }

    init(_ index: Int) {
        stringValue = String(index)
        intValue = index
    }

    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { self.init(intValue) }
}

extension JSONValue: Codable {
    public init(from decoder: any Decoder) throws {
        guard let decoder = decoder as? JSONTreeDecoder else {
            throw JSONError("a JSON value can be decoded from JSON alone")
        }
        self = decoder.value
    }

    public func encode(to encoder: any Encoder) throws {
        guard let encoder = encoder as? JSONTreeEncoder else {
            throw JSONError("a JSON value can be encoded as JSON alone")
        }
        encoder.result = self
    }
}
