/// A property of a unit (org.freedesktop.systemd1(5), systemd.resource-control(5)): `MemoryMax` and a `uint64`.
public struct UnitProperty: Hashable, Sendable {
    public let name: String
    public let value: DBusValue

    public init(_ name: String, _ value: DBusValue) {
        self.name = name
        self.value = value
    }

    /// What systemd takes for "no limit" where it wants a `uint64`.
    public static let infinity = UInt64.max

    /// `a(sv)`.
    static func array(_ properties: [UnitProperty]) -> DBusValue {
        .array(
            .structure([.basic(.string), .variant]),
            properties.map { .structure([.string($0.name), .variant($0.value)]) })
    }
}
