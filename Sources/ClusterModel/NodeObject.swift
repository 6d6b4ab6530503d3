import JSON
import Values

/// What an operator wants of a node (Engine API: NodeSpec).
public struct NodeSpec: Hashable, Sendable, Codable {
    public enum Role: String, Sendable, Codable {
        case worker, manager
    }

    public enum Availability: String, Sendable, Codable {
        case active, pause, drain
    }

    public var name: String?
    public var labels: [String: String]
    public var role: Role
    public var availability: Availability

    public init(
        name: String? = nil, labels: [String: String] = [:], role: Role, availability: Availability = .active
    ) {
        self.name = name
        self.labels = labels
        self.role = role
        self.availability = availability
    }
}

/// What a node says of itself (Engine API: NodeDescription).
public struct NodeDescription: Hashable, Sendable, Codable {
    public struct Platform: Hashable, Sendable, Codable {
        /// As `uname -m` says it.
        public var architecture: String
        public var os: String

        enum CodingKeys: String, CodingKey {
            case architecture
            case os = "OS"
        }

        public init(architecture: String, os: String = "linux") {
            self.architecture = architecture
            self.os = os
        }
    }

    /// Billionths of a processor and bytes.
    public struct Resources: Hashable, Sendable, Codable {
        public var nanoCPUs: Int64
        public var memoryBytes: Int64

        public init(nanoCPUs: Int64, memoryBytes: Int64) {
            self.nanoCPUs = nanoCPUs
            self.memoryBytes = memoryBytes
        }
    }

    public struct Engine: Hashable, Sendable, Codable {
        public var engineVersion: String
        public var labels: [String: String]

        public init(engineVersion: String, labels: [String: String] = [:]) {
            self.engineVersion = engineVersion
            self.labels = labels
        }
    }

    public var hostname: String
    public var platform: Platform
    public var resources: Resources
    public var engine: Engine

    public init(hostname: String, platform: Platform, resources: Resources, engine: Engine) {
        self.hostname = hostname
        self.platform = platform
        self.resources = resources
        self.engine = engine
    }
}

/// Whether the managers hear from a node (Engine API: NodeStatus).
public struct NodeStatus: Hashable, Sendable, Codable {
    public enum State: String, Sendable, Codable {
        case unknown, down, ready, disconnected
    }

    public var state: State
    public var message: String
    /// The address at which its peers reach it, without a port.
    public var addr: String

    public init(state: State, message: String = "", addr: String) {
        self.state = state
        self.message = message
        self.addr = addr
    }
}

/// A host of the cluster (Engine API: Node).
public struct NodeObject: Hashable, Sendable, Codable {
    public let id: String
    public var version = ObjectVersion.none
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    public var spec: NodeSpec
    public var description: NodeDescription?
    public var status: NodeStatus
    /// `address:port` of its cluster listener; where raft and sessions reach it.
    public var clusterAddress: String
    /// The node's membership in raft; nil for a worker. New at every promotion.
    public var raftMember: UInt64?
    /// This node's block of the ingress gateway pool; nil until allocated.
    public var gatewayBlock: CIDR?
    /// The node's last session with a manager; nil where none has begun since the cluster came to the version that
    /// names them. Does not change with the version that clients see.
    public var session: String?

    public init(
        id: String, createdAt: Timestamp, spec: NodeSpec, description: NodeDescription?, status: NodeStatus,
        clusterAddress: String
    ) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        self.spec = spec
        self.description = description
        self.status = status
        self.clusterAddress = clusterAddress
    }

    /// The name that people see: the host's.
    public var hostname: String { description?.hostname ?? spec.name ?? id }

    /// Whether new tasks may be placed here.
    public var acceptsTasks: Bool { status.state == .ready && spec.availability == .active }
}
