import JSON
import Values

/// Where a container is in its life (Engine API: ContainerState, Status).
public enum ContainerStatus: String, Sendable, Codable {
    case created, running, paused, restarting, removing, exited, dead
}

/// What an engine knows of a container's process.
public struct ContainerState: Hashable, Sendable, Codable {
    public var status: ContainerStatus = .created
    /// The process in the host's numbering; 0 while none runs.
    public var pid: Int32 = 0
    public var exitCode: Int32 = 0
    /// Why the container could not be started; empty otherwise.
    public var error = ""
    public var oomKilled = false
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    /// Whether a client asked for the end, so that no restart policy undoes it.
    public var isStoppedByUser = false
    public var restartCount = 0
    public var health: HealthState?

    public init() {}

    public var isRunning: Bool { status == .running || status == .paused }
}

/// A path of the container and what stands behind it (Engine API: MountPoint).
public struct MountPoint: Hashable, Sendable, Codable {
    public var type: MountSpecification.Kind
    /// The volume's name; nil for the other kinds.
    public var name: String?
    public var source: String
    public var destination: String
    public var driver: String?
    public var mode: String
    public var rw: Bool
    public var propagation: String
    /// Whether the volume was made for this container alone and goes with it.
    public var isAnonymous: Bool
    /// Options of a tmpfs.
    public var tmpfsOptions: String?

    enum CodingKeys: String, CodingKey {
        case type, name, source, destination, driver, mode
        case rw = "RW"
        case propagation, isAnonymous, tmpfsOptions
    }

    public init(
        type: MountSpecification.Kind, name: String? = nil, source: String, destination: String, mode: String = "",
        isReadOnly: Bool = false, propagation: String = "", isAnonymous: Bool = false, tmpfsOptions: String? = nil
    ) {
        self.type = type
        self.name = name
        self.source = source
        self.destination = destination
        driver = type == .volume ? "local" : nil
        self.mode = mode
        rw = !isReadOnly
        self.propagation = propagation
        self.isAnonymous = isAnonymous
        self.tmpfsOptions = tmpfsOptions
    }
}

/// A container as an engine keeps it: what was asked for and what became of it.
public struct ContainerRecord: Hashable, Sendable, Codable {
    /// 64 hexadecimal digits.
    public let id: String
    /// Without the slash that the API writes before it.
    public var name: String
    public let createdAt: Timestamp
    public var configuration: ContainerConfiguration
    public var host: HostConfiguration
    /// The image's configuration digest.
    public let imageID: String
    /// The lower directories of the root, topmost first.
    public var layers: [String]
    /// Attachments by the network's name.
    public var endpoints: [String: EndpointSettings]
    public var mounts: [MountPoint]
    public var state: ContainerState
    /// The cluster's task that this container carries out; nil for a container of this host's own.
    public var taskID: String?
    /// Places in overlay networks: those that a manager gave at creation, and those asked for at the start.
    public var clusterAttachments: [ClusterAttachment] = []
    /// Ports of the host that lead here while it runs.
    public var ports: [PublishedBinding] = []
    /// The program that runs and what it gets, as found at creation.
    public var command: [String] { (configuration.entrypoint?.words ?? []) + (configuration.cmd?.words ?? []) }

    public init(
        id: String, name: String, createdAt: Timestamp, configuration: ContainerConfiguration,
        host: HostConfiguration, imageID: String, layers: [String], endpoints: [String: EndpointSettings] = [:],
        mounts: [MountPoint] = [], taskID: String? = nil
    ) {
        self.id = id
        self.name = name
        self.createdAt = createdAt
        self.configuration = configuration
        self.host = host
        self.imageID = imageID
        self.layers = layers
        self.endpoints = endpoints
        self.mounts = mounts
        self.taskID = taskID
        state = ContainerState()
    }
}
