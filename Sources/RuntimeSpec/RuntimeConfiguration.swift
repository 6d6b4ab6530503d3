/// A container as a bundle's `config.json` describes it (OCI runtime-spec 1.2, config.md and config-linux.md). Names
/// are the specification's; what it leaves out is nil.
public struct RuntimeConfiguration: Hashable, Sendable, Encodable {
    public var ociVersion: String
    public var root: Root?
    public var mounts: [Mount]?
    /// Needed by `start` only.
    public var process: ProcessConfiguration?
    public var hostname: String?
    public var domainname: String?
    public var hooks: Hooks?
    public var annotations: [String: String]?
    public var linux: LinuxConfiguration?

    public init(ociVersion: String = RuntimeConfiguration.version) { self.ociVersion = ociVersion }

    /// The version of the specification that this follows.
    public static let version = "1.2.1"

    /// Where the container's root lies.
    public struct Root: Hashable, Sendable, Encodable {
        /// Absolute, or beneath the bundle.
        public var path: String
        public var readonly: Bool?

        public init(path: String, readonly: Bool? = nil) {
            self.path = path
            self.readonly = readonly
        }
    }

    /// Something to be mounted at `destination`.
    public struct Mount: Hashable, Sendable, Encodable {
        public var destination: String
        public var type: String?
        public var source: String?
        /// As mount(8) takes them; see `MountWords`.
        public var options: [String]?
        public var uidMappings: [IDMapping]?
        public var gidMappings: [IDMapping]?

        public init(destination: String, type: String? = nil, source: String? = nil, options: [String]? = nil) {
            self.destination = destination
            self.type = type
            self.source = source
            self.options = options
        }
    }

    /// Programs that run at points of a container's life; each gets the container's state on its standard input.
    public struct Hooks: Hashable, Sendable, Encodable {
        public var prestart: [Hook]?
        public var createRuntime: [Hook]?
        public var createContainer: [Hook]?
        public var startContainer: [Hook]?
        public var poststart: [Hook]?
        public var poststop: [Hook]?

        public init() {}
    }

    public struct Hook: Hashable, Sendable, Encodable {
        public var path: String
        public var args: [String]?
        public var env: [String]?
        /// Seconds.
        public var timeout: Int?

        public init(path: String, args: [String]? = nil) {
            self.path = path
            self.args = args
        }
    }
}

/// A range of identifiers of a user namespace (user_namespaces(7)).
public struct IDMapping: Hashable, Sendable, Encodable {
    public var containerID: UInt32
    public var hostID: UInt32
    public var size: UInt32

    public init(containerID: UInt32, hostID: UInt32, size: UInt32) {
        self.containerID = containerID
        self.hostID = hostID
        self.size = size
    }
}
