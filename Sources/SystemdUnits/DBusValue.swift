/// A value of D-Bus with its type (D-Bus specification: Type System).
public indirect enum DBusValue: Hashable, Sendable {
    case byte(UInt8)
    case bool(Bool)
    case int16(Int16)
    case uint16(UInt16)
    case int32(Int32)
    case uint32(UInt32)
    case int64(Int64)
    case uint64(UInt64)
    case double(Double)
    case string(String)
    case objectPath(String)
    case signature(String)
    /// The number of a descriptor beside the message.
    case descriptor(UInt32)
    /// An array of bytes, `ay`.
    case bytes([UInt8])
    /// An array of another type; the elements have all this one type.
    case array(DBusType, [DBusValue])
    case structure([DBusValue])
    /// An element of a dictionary; the key is of a basic type.
    case entry(DBusValue, DBusValue)
    case variant(DBusValue)

    /// An array of text, `as`.
    public static func strings(_ values: [String]) -> DBusValue { .array(.basic(.string), values.map(Self.string)) }

    public var type: DBusType {
        switch self {
        case .byte: .basic(.byte)
        case .bool: .basic(.boolean)
        case .int16: .basic(.int16)
        case .uint16: .basic(.uint16)
        case .int32: .basic(.int32)
        case .uint32: .basic(.uint32)
        case .int64: .basic(.int64)
        case .uint64: .basic(.uint64)
        case .double: .basic(.double)
        case .string: .basic(.string)
        case .objectPath: .basic(.objectPath)
        case .signature: .basic(.signature)
        case .descriptor: .basic(.descriptor)
        case .bytes: .array(.basic(.byte))
        case .array(let element, _): .array(element)
        case .structure(let members): .structure(members.map(\.type))
        case .entry(let key, let value): .entry(key.basicType, value.type)
        case .variant: .variant
        }
    }

    private var basicType: DBusType.Basic {
        guard case .basic(let basic) = type else { preconditionFailure("a dictionary's key has a basic type") }
        return basic
    }

    /// The text of a string, object path or signature.
    public var text: String? {
        switch self {
        case .string(let text), .objectPath(let text), .signature(let text): text
        default: nil
        }
    }

    /// Whether `path` is an object's: `/`, or elements of letters, digits and `_`, each behind a slash.
    static func isObjectPath(_ path: String) -> Bool {
        guard path.utf8.first == UInt8(ascii: "/") else { return false }
        if path.utf8.count == 1 { return true }
        return path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && $0.allSatisfy(isNameByte)
        }
    }

    /// A letter, a digit or `_`.
    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
