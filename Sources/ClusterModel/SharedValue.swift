/// A large value that many objects hold alike: copies of it are one place in memory.
///
/// It is encoded, compared and hashed as the value itself.
@propertyWrapper
public struct SharedValue<Value: Hashable & Sendable & Codable>: Hashable, Sendable, Codable {
    @usableFromInline final class Holder: Sendable {
        @usableFromInline let value: Value

        @inlinable init(_ value: Value) { self.value = value }
    }

    @usableFromInline var holder: Holder

    @inlinable public init(wrappedValue: Value) { holder = Holder(wrappedValue) }

    @inlinable public var wrappedValue: Value {
        _read { yield holder.value }
        set { holder = Holder(newValue) }
    }

    /// The place, for `share`.
    @inlinable public var projectedValue: Self {
        get { self }
        set { self = newValue }
    }

    /// Takes over another's place where the values are equal; whether they are.
    public mutating func share(_ other: Self) -> Bool {
        guard self == other else { return false }
        holder = other.holder
        return true
    }

    /// Whether both are one place.
    public func isShared(with other: Self) -> Bool { holder === other.holder }

    public init(from decoder: any Decoder) throws { self.init(wrappedValue: try Value(from: decoder)) }

    public func encode(to encoder: any Encoder) throws { try holder.value.encode(to: encoder) }

    public static func == (one: Self, other: Self) -> Bool {
        one.holder === other.holder || one.holder.value == other.holder.value
    }

    public func hash(into hasher: inout Hasher) { holder.value.hash(into: &hasher) }
}
