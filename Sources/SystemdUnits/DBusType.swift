/// A complete type of D-Bus (D-Bus specification: Type System).
public indirect enum DBusType: Hashable, Sendable {
    /// The types that are one letter of a signature and may be a dictionary's key.
    public enum Basic: UInt8, Sendable {
        case byte = 0x79
        case boolean = 0x62
        case int16 = 0x6e
        case uint16 = 0x71
        case int32 = 0x69
        case uint32 = 0x75
        case int64 = 0x78
        case uint64 = 0x74
        case double = 0x64
        case string = 0x73
        case objectPath = 0x6f
        case signature = 0x67
        case descriptor = 0x68
    }

    case basic(Basic)
    case variant
    case array(DBusType)
    case structure([DBusType])
    /// An element of a dictionary, which is an array of them.
    case entry(Basic, DBusType)

    /// The longest signature, in bytes.
    static let signatureLimit = 255
    /// How deep arrays may nest, and how deep structures may.
    static let depthLimit = 32

    /// The type's signature.
    public var signature: String {
        switch self {
        case .basic(let basic): String(UnicodeScalar(basic.rawValue))
        case .variant: "v"
        case .array(let element): "a" + element.signature
        case .structure(let members): "(" + members.map(\.signature).joined() + ")"
        case .entry(let key, let value): "{" + DBusType.basic(key).signature + value.signature + "}"
        }
    }

    /// Where a value may begin: a multiple of so many bytes after the message's beginning.
    var alignment: Int {
        switch self {
        case .variant, .basic(.byte), .basic(.signature): 1
        case .basic(.int16), .basic(.uint16): 2
        case .basic(.int64), .basic(.uint64), .basic(.double), .structure, .entry: 8
        case .basic, .array: 4
        }
    }

    /// The complete types of a signature, none for an empty one.
    public static func parse(_ signature: String) throws(SystemdError) -> [DBusType] {
        let letters = Array(signature.utf8)
        guard letters.count <= signatureLimit else { throw .malformed("signature of \(letters.count) bytes") }
        var parser = Parser(rest: letters[...], text: signature)
        var types: [DBusType] = []
        while !parser.rest.isEmpty { types.append(try parser.type(arrays: 0, structures: 0)) }
        return types
    }

    private struct Parser {
        var rest: ArraySlice<UInt8>
        let text: String

        mutating func type(arrays: Int, structures: Int) throws(SystemdError) -> DBusType {
            guard arrays <= depthLimit, structures <= depthLimit else { throw failure("nests too deep") }
            guard let letter = rest.popFirst() else { throw failure("ends too early") }
            if let basic = Basic(rawValue: letter) { return .basic(basic) }
            switch letter {
            case UInt8(ascii: "v"): return .variant
            case UInt8(ascii: "a"):
                guard rest.first == UInt8(ascii: "{") else {
                    return .array(try type(arrays: arrays + 1, structures: structures))
                }
                rest.removeFirst()
                guard let first = rest.popFirst(), let key = Basic(rawValue: first) else {
                    throw failure("has a dictionary whose key is no basic type")
                }
                let value = try type(arrays: arrays + 1, structures: structures + 1)
                guard rest.popFirst() == UInt8(ascii: "}") else { throw failure("has an entry without end") }
                return .array(.entry(key, value))
            case UInt8(ascii: "("):
                var members: [DBusType] = []
                while rest.first != UInt8(ascii: ")") {
                    members.append(try type(arrays: arrays, structures: structures + 1))
                }
                rest.removeFirst()
                guard !members.isEmpty else { throw failure("has an empty structure") }
                return .structure(members)
            default: throw failure("has an unknown type")
            }
        }

        func failure(_ reason: String) -> SystemdError { .malformed("signature \"\(text)\" \(reason)") }
    }
}
