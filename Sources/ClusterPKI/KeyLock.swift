/// What locks a host's keys, and as of when.
public struct KeyLock: Hashable, Sendable {
    /// nil leaves them readable for root.
    public var key: UnlockKey?
    /// The version of the cluster's row that said so: an older one, as a host sees them again that catches up, says
    /// nothing any more.
    public var version: UInt64

    public init(key: UnlockKey? = nil, version: UInt64 = 0) {
        self.key = key
        self.version = version
    }

    /// Takes what a version of the cluster's row wants; whether that is another lock than before.
    public mutating func follow(_ wanted: UnlockKey?, version: UInt64) -> Bool {
        guard version > self.version else { return false }
        self.version = version
        guard key != wanted else { return false }
        key = wanted
        return true
    }
}
