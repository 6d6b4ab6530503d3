/// A line of `events` (runc-events(8)): what a container uses, or that it ran out of memory.
public struct ContainerEvent: Hashable, Sendable, Codable {
    public enum Kind: String, Hashable, Sendable, Codable {
        case stats, oom
    }

    public var type: Kind
    public var id: String
    /// With `stats` only.
    public var data: ContainerStatistics?

    /// An event `stats`.
    public init(id: String, statistics: ContainerStatistics) {
        type = .stats
        self.id = id
        data = statistics
    }

    /// An event `oom`.
    public init(outOfMemory id: String) {
        type = .oom
        self.id = id
    }
}
