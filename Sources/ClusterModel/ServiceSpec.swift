import EngineModel
import JSON
import Values

/// What an operator wants of a service (Engine API: ServiceSpec). Durations are nanoseconds.
public struct ServiceSpec: Hashable, Sendable, Codable {
    public var name: String
    public var labels: [String: String]
    @SharedValue public var taskTemplate: TaskTemplate
    public var mode: ServiceMode?
    public var updateConfig: UpdateConfiguration?
    public var rollbackConfig: UpdateConfiguration?
    /// Older clients put the networks here and not into the task template.
    public var networks: [NetworkAttachmentConfiguration]?
    public var endpointSpec: EndpointSpec?

    public init(name: String, labels: [String: String] = [:], taskTemplate: TaskTemplate, mode: ServiceMode? = nil) {
        self.name = name
        self.labels = labels
        self.taskTemplate = taskTemplate
        self.mode = mode
    }

    /// The networks of its tasks, wherever the client wrote them.
    public var allNetworks: [NetworkAttachmentConfiguration] {
        if let networks = taskTemplate.networks, !networks.isEmpty { return networks }
        return networks ?? []
    }

    public var isGlobal: Bool { mode?.global != nil || mode?.globalJob != nil }
    public var replicas: UInt64 { isGlobal ? 0 : mode?.replicated?.replicas ?? 1 }
    public var ports: [PortConfiguration] { endpointSpec?.ports ?? [] }
    public var usesVirtualAddress: Bool { endpointSpec?.mode != "dnsrr" }
    public var effectiveUpdate: UpdateConfiguration { updateConfig ?? UpdateConfiguration() }
    public var effectiveRollback: UpdateConfiguration { rollbackConfig ?? UpdateConfiguration() }
}

/// How many tasks a service has (Engine API: ServiceSpec, Mode). One member is set; none means one replica.
public struct ServiceMode: Hashable, Sendable, Codable {
    public struct Replicated: Hashable, Sendable, Codable {
        public var replicas: UInt64?

        public init(replicas: UInt64?) { self.replicas = replicas }
    }

    public struct Empty: Hashable, Sendable, Codable {
        public init() {}
    }

    public var replicated: Replicated?
    public var global: Empty?
    public var replicatedJob: JSONValue?
    public var globalJob: JSONValue?

    public init(replicated: Replicated? = nil, global: Empty? = nil) {
        self.replicated = replicated
        self.global = global
    }

    public static func replicas(_ count: UInt64) -> ServiceMode { ServiceMode(replicated: Replicated(replicas: count)) }
}

/// How an update goes forward (Engine API: ServiceSpec, UpdateConfig).
public struct UpdateConfiguration: Hashable, Sendable, Codable {
    /// Tasks at once; 0 is all at once.
    public var parallelism: UInt64 = 1
    /// Between two batches.
    public var delay: Int64 = 0
    /// `pause`, `continue` or `rollback`; empty means `pause`.
    public var failureAction: String = "pause"
    /// How long a new task is watched for failure; 0 means 5 s.
    public var monitor: Int64 = 0
    /// Of the tasks updated, how many may fail: 0 to 1.
    public var maxFailureRatio: Double = 0
    /// `stop-first` or `start-first`; empty means `stop-first`.
    public var order: String = "stop-first"

    public init() {}

    public var effectiveMonitor: Int64 { monitor == 0 ? 5_000_000_000 : monitor }
    public var startsFirst: Bool { order == "start-first" }
}

/// How a service is reached (Engine API: EndpointSpec).
public struct EndpointSpec: Hashable, Sendable, Codable {
    /// `vip` or `dnsrr`; empty means `vip`.
    public var mode: String
    public var ports: [PortConfiguration]?

    public init(mode: String = "vip", ports: [PortConfiguration]? = nil) {
        self.mode = mode
        self.ports = ports
    }
}

/// A published port (Engine API: EndpointPortConfig).
public struct PortConfiguration: Hashable, Sendable, Codable {
    public var name: String?
    /// `tcp`, `udp` or `sctp`.
    public var `protocol`: String
    public var targetPort: UInt16
    /// 0 for one of the cluster's choice.
    public var publishedPort: UInt16
    /// `ingress` or `host`; empty means `ingress`.
    public var publishMode: String

    public init(`protocol`: String = "tcp", targetPort: UInt16, publishedPort: UInt16, publishMode: String = "ingress")
    {
        self.protocol = `protocol`
        self.targetPort = targetPort
        self.publishedPort = publishedPort
        self.publishMode = publishMode
    }

    public var isIngress: Bool { publishMode != "host" }
}

/// A network that tasks are attached to (Engine API: NetworkAttachmentConfig).
public struct NetworkAttachmentConfiguration: Hashable, Sendable, Codable {
    /// The network's identifier or, as clients send it, its name.
    public var target: String
    public var aliases: [String]?
    public var driverOpts: [String: String]?

    public init(target: String, aliases: [String]? = nil) {
        self.target = target
        self.aliases = aliases
    }
}
