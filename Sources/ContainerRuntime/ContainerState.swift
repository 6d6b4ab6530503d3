import Cgroups
import Glibc
import RuntimeProtocol

/// A container's end, as the stream of all ends tells it.
public struct ContainerExit: Hashable, Sendable {
    public var id: String
    public var record: ExitRecord

    public init(id: String, record: ExitRecord) {
        self.id = id
        self.record = record
    }
}

/// Where a container stands.
public enum ContainerState: Hashable, Sendable {
    /// Its first process waits to be started.
    case created(pid: pid_t)
    case running(pid: pid_t)
    /// Its shim lives but does not answer now. It counts as running: nobody knows better.
    case unreachable(pid: pid_t?)
    case ended(ExitRecord)
}

/// What was found of a container when the daemon came back.
public struct RecoveredContainer: Hashable, Sendable {
    public var id: String
    public var state: ContainerState

    public init(id: String, state: ContainerState) {
        self.id = id
        self.state = state
    }
}

/// What a container has used until now.
public struct ContainerStatistics: Hashable, Sendable {
    public var group: GroupStatistics
    /// Counters by interface name, of the container's network namespace.
    public var networks: [String: InterfaceCounters]

    public init(group: GroupStatistics, networks: [String: InterfaceCounters]) {
        self.group = group
        self.networks = networks
    }
}

/// An interface's counters since it was made (/proc/net/dev).
public struct InterfaceCounters: Hashable, Sendable {
    public var receivedBytes: Int64 = 0
    public var receivedPackets: Int64 = 0
    public var receiveErrors: Int64 = 0
    public var receiveDrops: Int64 = 0
    public var sentBytes: Int64 = 0
    public var sentPackets: Int64 = 0
    public var sendErrors: Int64 = 0
    public var sendDrops: Int64 = 0

    public init() {}
}
