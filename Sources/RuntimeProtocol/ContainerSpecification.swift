import RuntimeSpec

/// What a container is made of, as the daemon hands it to the runtime: OCI's words (runtime-spec, config.md), and what
/// the engine has beyond them.
public struct ContainerSpecification: Hashable, Sendable, Codable {
    /// The protocol's version; a shim refuses a newer one than it knows.
    public static let currentVersion = 2

    public var version = currentVersion
    public var id: String
    public var process: ProcessSpecification
    public var root: RootFilesystem
    public var hostname: String
    public var domainname = ""
    /// In the order in which they are made; see `ContainerMountList` for what is usual.
    public var mounts: [RuntimeConfiguration.Mount] = []
    /// Without limits and rules of devices: `resources` and `devices` have them.
    public var linux: LinuxConfiguration
    /// Devices by their paths on the host.
    public var devices: [DeviceNode] = []
    public var resources = ResourceLimits()
    /// The container's group beneath each hierarchy: `martlet/<id>`.
    public var cgroup: String
    public var log: LogSettings
    /// Whether the container gets a small process 1 of ours that reaps and passes signals on.
    public var hasInit = false
    /// Every device of the host. Capabilities, masked paths and the like are set separately.
    public var isPrivileged = false

    public init(
        id: String, process: ProcessSpecification, root: RootFilesystem, hostname: String, cgroup: String,
        log: LogSettings
    ) {
        self.id = id
        self.process = process
        self.root = root
        self.hostname = hostname
        self.cgroup = cgroup
        self.log = log
        linux = LinuxConfiguration()
        linux.namespaces = LinuxConfiguration.usualNamespaces
    }
}

/// A process inside a container: its first, or one of `exec`.
public struct ProcessSpecification: Hashable, Sendable, Codable {
    /// Its `user` is not looked at: names are in `user`.
    public var configuration: ProcessConfiguration
    public var user = UserIdentity()
    /// Whether somebody may write to its standard input; otherwise it reads /dev/null.
    public var hasInput = false
    /// Whether the input ends when the first client that was attached to it leaves.
    public var closesInputAfterFirstClient = false
    public var seccomp = SeccompChoice.dockerDefault

    public init(_ configuration: ProcessConfiguration) { self.configuration = configuration }

    public var hasTerminal: Bool { configuration.terminal ?? false }

    /// What Docker's default filter depends on.
    public var capabilities: UInt64 { CapabilitySets(configuration.capabilities).bounding }
}

/// Who a process is. Names are resolved in the container's own /etc/passwd and /etc/group by the runtime, beneath its
/// root.
public struct UserIdentity: Hashable, Sendable, Codable {
    /// As Docker writes it: empty, `user`, `uid`, `user:group`, `uid:gid`.
    public var name: String
    /// More groups, by name or number.
    public var additionalGroups: [String]

    public init(name: String = "", additionalGroups: [String] = []) {
        self.name = name
        self.additionalGroups = additionalGroups
    }
}

/// Where a container's root comes from.
public enum RootFilesystem: Hashable, Sendable, Codable {
    /// Image layers, topmost first, beneath a writable directory (overlayfs). Mounted in the container's mount
    /// namespace alone.
    case overlay(lower: [String], upper: String, work: String, isReadOnly: Bool)
    case directory(path: String, isReadOnly: Bool)

    public var isReadOnly: Bool {
        switch self {
        case .overlay(_, _, _, let isReadOnly), .directory(_, let isReadOnly): isReadOnly
        }
    }
}

/// A device node in the container's /dev.
public struct DeviceNode: Hashable, Sendable, Codable {
    public var hostPath: String
    public var path: String
    /// Of `r`, `w` and `m`.
    public var access: String

    public init(hostPath: String, path: String, access: String) {
        self.hostPath = hostPath
        self.path = path
        self.access = access
    }
}

/// Where the shim writes what the container writes, and how much is kept.
public struct LogSettings: Hashable, Sendable, Codable {
    /// One JSON object a line, as Docker's `json-file`; empty writes none.
    public var path: String
    /// The size at which a new file is begun.
    public var maximumBytes: Int64
    /// How many files are kept, the current one included.
    public var maximumFiles: Int

    public init(path: String, maximumBytes: Int64 = 20 << 20, maximumFiles: Int = 5) {
        self.path = path
        self.maximumBytes = maximumBytes
        self.maximumFiles = maximumFiles
    }
}

/// What a container may use (cgroups(7)); nil is without limit.
public struct ResourceLimits: Hashable, Sendable, Codable {
    public var memoryBytes: Int64?
    /// Memory and swap together.
    public var memoryAndSwapBytes: Int64?
    public var memoryReservationBytes: Int64?
    /// Microseconds of processor time in each period.
    public var cpuQuota: Int64?
    public var cpuPeriod: Int64?
    public var cpuShares: Int64?
    /// Lists such as `0-2,4`.
    public var cpus: String?
    public var memoryNodes: String?
    public var pids: Int64?
    /// Rules of the devices controller beyond the default ones, `c 10:200 rwm`. Those of the container's `devices` are
    /// added by the runtime.
    public var deviceRules: [String] = []
    public var allowsAllDevices = false

    public init() {}
}
