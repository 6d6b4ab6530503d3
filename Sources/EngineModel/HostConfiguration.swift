import JSON

/// A published port's place on the host (Engine API: PortBinding).
public struct PortBinding: Hashable, Sendable, Codable {
    /// Empty for every address.
    public var hostIp: String
    /// Empty for one of the engine's choice; a range `8000-8010` for one of these.
    public var hostPort: String

    public init(hostIp: String = "", hostPort: String = "") {
        self.hostIp = hostIp
        self.hostPort = hostPort
    }
}

/// When an engine starts a container that ended again (Engine API: RestartPolicy).
public struct RestartPolicy: Hashable, Sendable, Codable {
    public enum Name: String, Sendable, Codable {
        case unset = ""
        case no
        case always
        case unlessStopped = "unless-stopped"
        case onFailure = "on-failure"
    }

    public var name: Name
    /// For `on-failure`: how often at most; 0 is without limit.
    public var maximumRetryCount: Int

    public init(name: Name = .no, maximumRetryCount: Int = 0) {
        self.name = name
        self.maximumRetryCount = maximumRetryCount
    }
}

/// What a container sees at a path (Engine API: Mount).
public struct MountSpecification: Hashable, Sendable, Codable {
    public enum Kind: String, Sendable, Codable {
        case bind, volume, tmpfs
    }

    public struct BindOptions: Hashable, Sendable, Codable {
        public var propagation: String?
        public var nonRecursive: Bool?
        public var createMountpoint: Bool?
    }

    public struct VolumeOptions: Hashable, Sendable, Codable {
        public struct DriverConfiguration: Hashable, Sendable, Codable {
            public var name: String
            public var options: [String: String]
        }

        public var noCopy: Bool?
        public var labels: [String: String]?
        public var driverConfig: DriverConfiguration?
        public var subpath: String?
    }

    public struct TmpfsOptions: Hashable, Sendable, Codable {
        public var sizeBytes: Int64?
        public var mode: Int?
    }

    public var type: Kind
    /// A host path, a volume's name, or empty for a new anonymous volume or a tmpfs.
    public var source: String
    public var target: String
    public var readOnly: Bool
    public var bindOptions: BindOptions?
    public var volumeOptions: VolumeOptions?
    public var tmpfsOptions: TmpfsOptions?

    public init(type: Kind, source: String, target: String, readOnly: Bool = false) {
        self.type = type
        self.source = source
        self.target = target
        self.readOnly = readOnly
    }
}

/// A resource limit of processes (Engine API: Resources, Ulimits).
public struct Ulimit: Hashable, Sendable, Codable {
    public var name: String
    public var soft: Int64
    public var hard: Int64
}

/// A device that a container may use (Engine API: DeviceMapping).
public struct DeviceMapping: Hashable, Sendable, Codable {
    public var pathOnHost: String
    public var pathInContainer: String
    public var cgroupPermissions: String
}

/// Where a container's output goes (Engine API: LogConfig).
public struct LogConfiguration: Hashable, Sendable, Codable {
    public var type: String
    public var config: [String: String]

    public init(type: String = "json-file", config: [String: String] = [:]) {
        self.type = type
        self.config = config
    }
}

/// How a container is tied to this host (Engine API: HostConfig). `UnsupportedSettings` refuses what is not here.
public struct HostConfiguration: Hashable, Sendable, Codable {
    public var binds: [String]?
    public var networkMode = ""
    /// Bindings by container port, `80/tcp`.
    public var portBindings: [String: [PortBinding]?]?
    public var restartPolicy: RestartPolicy?
    public var autoRemove = false
    public var mounts: [MountSpecification]?
    public var volumesFrom: [String]?
    public var capAdd: [String]?
    public var capDrop: [String]?
    public var dns: [String]?
    public var dnsOptions: [String]?
    public var dnsSearch: [String]?
    public var extraHosts: [String]?
    public var groupAdd: [String]?
    public var cgroupnsMode = ""
    public var ipcMode = ""
    public var pidMode = ""
    public var utsMode = ""
    public var privileged = false
    public var publishAllPorts = false
    public var readonlyRootfs = false
    public var securityOpt: [String]?
    public var tmpfs: [String: String]?
    public var shmSize: Int64 = 0
    public var sysctls: [String: String]?
    public var ulimits: [Ulimit]?
    public var logConfig: LogConfiguration?
    public var devices: [DeviceMapping]?
    public var deviceCgroupRules: [String]?
    /// Bytes; 0 is without limit.
    public var memory: Int64 = 0
    public var memoryReservation: Int64 = 0
    /// Bytes of memory and swap; -1 is without limit, 0 twice the memory.
    public var memorySwap: Int64 = 0
    public var nanoCpus: Int64 = 0
    public var cpuShares: Int64 = 0
    public var cpuPeriod: Int64 = 0
    public var cpuQuota: Int64 = 0
    public var cpusetCpus = ""
    public var cpusetMems = ""
    public var pidsLimit: Int64?
    public var oomScoreAdj = 0
    public var `init`: Bool?
    public var maskedPaths: [String]?
    public var readonlyPaths: [String]?
    /// Rows and columns of the terminal at its start.
    public var consoleSize: [UInt16]?

    public init() {}
}

/// How a container is attached to one network (Engine API: EndpointSettings).
public struct EndpointSettings: Hashable, Sendable, Codable {
    public struct Addressing: Hashable, Sendable, Codable {
        public var ipv4Address: String?

        enum CodingKeys: String, CodingKey { case ipv4Address = "IPv4Address" }

        public init(ipv4Address: String? = nil) { self.ipv4Address = ipv4Address }
    }

    public var ipamConfig: Addressing?
    public var aliases: [String]?
    public var driverOpts: [String: String]?
    public var networkID = ""
    public var endpointID = ""
    public var gateway = ""
    public var ipAddress = ""
    public var ipPrefixLen = 0
    /// In a request the address that the interface is to have; in a record the one that it has while it is there.
    public var macAddress = ""
    public var dnsNames: [String]?
    /// What a client chose for `macAddress`. Kept in records, never shown.
    public var chosenMACAddress: String?

    enum CodingKeys: String, CodingKey {
        case ipamConfig, aliases, driverOpts, networkID, endpointID, gateway, ipAddress, ipPrefixLen, macAddress
        case dnsNames = "DNSNames"
        case chosenMACAddress = "ChosenMACAddress"
    }

    public init() {}
}

/// Networks to attach at creation, by name or identifier (Engine API: NetworkingConfig).
public struct NetworkingConfiguration: Hashable, Sendable, Codable {
    public var endpointsConfig: [String: EndpointSettings?]?

    public init() {}
}

/// The body of `POST /containers/create`: a configuration with the host's and the networks' beside it.
public struct ContainerCreation: Sendable {
    public var configuration: ContainerConfiguration
    public var host: HostConfiguration
    public var networking: NetworkingConfiguration

    public init(configuration: ContainerConfiguration, host: HostConfiguration, networking: NetworkingConfiguration) {
        self.configuration = configuration
        self.host = host
        self.networking = networking
    }

    /// Reads the request's body; what it asks for and Martlet does not have is refused.
    public init(_ document: JSONValue) throws {
        try UnsupportedSettings.check(creation: document)
        let beside = try JSONCoding.docker.decode(Beside.self, from: document)
        configuration = try JSONCoding.docker.decode(ContainerConfiguration.self, from: document)
        host = beside.hostConfig ?? HostConfiguration()
        networking = beside.networkingConfig ?? NetworkingConfiguration()
    }

    private struct Beside: Decodable {
        var hostConfig: HostConfiguration?
        var networkingConfig: NetworkingConfiguration?
    }
}
