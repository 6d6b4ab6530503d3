/// A Swift value that can be bound to a parameter of a statement; `nil` binds NULL.
///
/// `Int64`, `Int`, `Bool`, `Double`, `String` and `[UInt8]` are. A `UInt64` is stored by its bit pattern:
/// `Int64(bitPattern:)`, read back with `Row.unsigned(_:)`.
public protocol DatabaseValue: Sendable {
    /// The value in one of SQLite's storage classes.
    var stored: StoredValue { get }
}

/// SQLite's storage classes (SQLite: Datatypes, section 2).
public enum StoredValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}

extension StoredValue: DatabaseValue {
    public var stored: StoredValue { self }
}

extension Int64: DatabaseValue {
    public var stored: StoredValue { .integer(self) }
}

extension Int: DatabaseValue {
    public var stored: StoredValue { .integer(Int64(self)) }
}

extension UInt64: DatabaseValue {
    /// The bit pattern, since SQLite's integers are signed.
    public var stored: StoredValue { .integer(Int64(bitPattern: self)) }
}

extension Bool: DatabaseValue {
    public var stored: StoredValue { .integer(self ? 1 : 0) }
}

extension Double: DatabaseValue {
    public var stored: StoredValue { .real(self) }
}

extension String: DatabaseValue {
    public var stored: StoredValue { .text(self) }
}

extension [UInt8]: DatabaseValue {
    public var stored: StoredValue { .blob(self) }
}
