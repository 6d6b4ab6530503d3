import JSON
import Values

/// How far a task has come; only later ones follow (Engine API: TaskState).
public enum TaskState: String, Sendable, Codable, Comparable, CaseIterable {
    case new, pending, assigned, accepted, preparing, ready, starting, running
    case complete, shutdown, failed, rejected, remove, orphaned

    var rank: Int { Self.allCases.firstIndex(of: self)! }

    public static func < (left: TaskState, right: TaskState) -> Bool { left.rank < right.rank }

    /// Nothing runs any more, or never will.
    public var isTerminal: Bool { self > .running }
}

/// What the managers want of a task; only later ones follow.
public enum DesiredTaskState: String, Sendable, Codable, Comparable, CaseIterable {
    /// Prepared, but not started: the restart delay runs, or a stop-first update waits.
    case ready
    case running
    /// Taken out of every map; still running.
    case withdrawn
    case shutdown
    /// Gone with its service.
    case remove

    var rank: Int { Self.allCases.firstIndex(of: self)! }

    public static func < (left: DesiredTaskState, right: DesiredTaskState) -> Bool { left.rank < right.rank }

    /// As Docker's clients know it.
    public var dockerState: TaskState {
        switch self {
        case .ready: .ready
        case .running: .running
        case .withdrawn, .shutdown: .shutdown
        case .remove: .remove
        }
    }
}

/// What an agent says of a task (Engine API: TaskStatus).
public struct TaskStatus: Hashable, Sendable, Codable {
    public struct Container: Hashable, Sendable, Codable {
        public var containerID: String
        public var pid: Int32
        public var exitCode: Int32

        enum CodingKeys: String, CodingKey {
            case containerID, exitCode
            case pid = "PID"
        }

        public init(containerID: String, pid: Int32 = 0, exitCode: Int32 = 0) {
            self.containerID = containerID
            self.pid = pid
            self.exitCode = exitCode
        }
    }

    public var timestamp: Timestamp
    public var state: TaskState
    public var message: String
    /// Why it failed, was rejected or cannot be placed.
    public var err: String?
    public var containerStatus: Container?
    /// Host-mode ports as they were taken.
    public var portStatus: [PortConfiguration]?

    public init(timestamp: Timestamp, state: TaskState, message: String, err: String? = nil) {
        self.timestamp = timestamp
        self.state = state
        self.message = message
        self.err = err
    }
}

/// A task's address on one network.
public struct TaskAttachment: Hashable, Sendable, Codable {
    public var networkID: String
    /// With the network's prefix length; for the ingress network the gateway address.
    public var address: CIDR
    public var aliases: [String]

    public init(networkID: String, address: CIDR, aliases: [String] = []) {
        self.networkID = networkID
        self.address = address
        self.aliases = aliases
    }
}

/// A place in a service on one host; replaced, never moved (Engine API: Task).
public struct TaskObject: Hashable, Sendable, Codable {
    public let id: String
    public var version = ObjectVersion.none
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    public let serviceID: String
    /// Counted from 1; 0 for a task of a global service.
    public var slot: UInt64
    /// Empty until it is placed.
    public var nodeID: String
    @SharedValue public var spec: TaskTemplate
    /// The service's `specVersion` from which it was made.
    public var specVersion: UInt64
    public var status: TaskStatus
    public var desiredState: DesiredTaskState
    /// When `desiredState` became `withdrawn`: the index that every host has to have applied before it is stopped.
    public var withdrawnAt: UInt64?
    /// When `desiredState` was last changed.
    public var desiredSince: Timestamp
    /// Not started before this moment: the restart delay.
    public var notBefore: Timestamp?
    public var attachments: [TaskAttachment]
    public var endpoint: ServiceEndpoint?
    /// Whether it answers, by its health check where it has one. Goes both ways; a counter of the agent orders it.
    public var isReady: Bool
    public var readinessCounter: UInt64
    /// When it was ready for the first time; nil where it never was.
    public var readyAt: Timestamp?

    public init(
        id: String, createdAt: Timestamp, serviceID: String, slot: UInt64, nodeID: String = "", spec: TaskTemplate,
        specVersion: UInt64, desiredState: DesiredTaskState = .running
    ) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        self.serviceID = serviceID
        self.slot = slot
        self.nodeID = nodeID
        self.spec = spec
        self.specVersion = specVersion
        status = TaskStatus(timestamp: createdAt, state: .new, message: "created")
        self.desiredState = desiredState
        desiredSince = createdAt
        attachments = []
        isReady = false
        readinessCounter = 0
    }

    /// Whether requests are sent to it.
    public var isServing: Bool { desiredState == .running && status.state == .running && isReady }

    /// Whether it still takes up its slot, its node's resources and its addresses.
    public var isLive: Bool { desiredState <= .withdrawn && !status.state.isTerminal }

    /// Whether a container of it may still run on its host.
    public var mayRun: Bool { !status.state.isTerminal && !nodeID.isEmpty }

    /// Its container's name: the service's, the slot or node, and its own identifier.
    public func containerName(service: String) -> String {
        "\(service).\(slot == 0 ? nodeID : String(slot)).\(id)"
    }
}
