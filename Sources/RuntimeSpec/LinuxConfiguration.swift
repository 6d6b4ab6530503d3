/// What only Linux has (config-linux.md).
public struct LinuxConfiguration: Hashable, Sendable, Encodable {
    public var namespaces: [Namespace]?
    public var uidMappings: [IDMapping]?
    public var gidMappings: [IDMapping]?
    public var timeOffsets: [String: TimeOffset]?
    public var devices: [Device]?
    public var cgroupsPath: String?
    public var resources: LinuxResources?
    public var intelRdt: IntelRDT?
    public var sysctl: [String: String]?
    public var seccomp: SeccompConfiguration?
    public var rootfsPropagation: String?
    public var maskedPaths: [String]?
    public var readonlyPaths: [String]?
    public var mountLabel: String?
    public var personality: Personality?

    public init() {}

    public struct Namespace: Hashable, Sendable, Encodable {
        public var type: NamespaceType
        /// One to be joined; nil makes a new one.
        public var path: String?

        public init(_ type: NamespaceType, path: String? = nil) {
            self.type = type
            self.path = path
        }
    }

    public enum NamespaceType: String, Hashable, Sendable, Codable, CaseIterable {
        case pid, network, mount, ipc, uts, user, cgroup, time
    }

    /// How far a clock of a time namespace is ahead (time_namespaces(7)).
    public struct TimeOffset: Hashable, Sendable, Encodable {
        public var secs: Int64?
        public var nanosecs: UInt32?
    }

    public struct Device: Hashable, Sendable, Encodable {
        /// `c`, `u`, `b` or `p` (mknod(1)).
        public var type: String
        public var path: String
        public var major: Int64?
        public var minor: Int64?
        public var fileMode: UInt32?
        public var uid: UInt32?
        public var gid: UInt32?

        public init(type: String, path: String, major: Int64? = nil, minor: Int64? = nil) {
            self.type = type
            self.path = path
            self.major = major
            self.minor = minor
        }
    }

    public struct IntelRDT: Hashable, Sendable, Encodable {
        public var closID: String?
        public var l3CacheSchema: String?
        public var memBwSchema: String?
    }

    /// personality(2).
    public struct Personality: Hashable, Sendable, Encodable {
        public var domain: String
        public var flags: [String]?
    }

    /// The namespace of a type; nil where the host's is kept.
    public func namespace(_ type: NamespaceType) -> Namespace? { namespaces?.first { $0.type == type } }
}
