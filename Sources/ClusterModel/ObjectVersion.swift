/// An object's version: the index of the log entry that wrote it last (Engine API: ObjectVersion).
public struct ObjectVersion: Hashable, Sendable, Codable, Comparable {
    public var index: UInt64

    public init(index: UInt64) { self.index = index }

    /// The version of an object that does not exist yet.
    public static let none = ObjectVersion(index: 0)

    public static func < (left: ObjectVersion, right: ObjectVersion) -> Bool { left.index < right.index }
}
