/// What a container may use (config-linux.md: Control groups). Bytes, microseconds and counts as the specification has
/// them; a negative limit is none.
public struct LinuxResources: Hashable, Sendable, Encodable {
    public var devices: [DeviceRule]?
    public var memory: Memory?
    public var cpu: CPU?
    public var pids: PIDs?
    public var blockIO: BlockIO?
    public var hugepageLimits: [HugepageLimit]?
    public var network: Network?
    public var rdma: [String: RDMA]?
    /// Files of cgroup v2 and what is written into them.
    public var unified: [String: String]?

    public init() {}

    public struct DeviceRule: Hashable, Sendable, Encodable {
        public var allow: Bool
        /// `a`, `c` or `b`; all where nil.
        public var type: String?
        public var major: Int64?
        public var minor: Int64?
        /// Of `r`, `w` and `m`; all where nil.
        public var access: String?

        public init(allow: Bool) { self.allow = allow }
    }

    public struct Memory: Hashable, Sendable, Encodable {
        public var limit: Int64?
        public var reservation: Int64?
        /// Memory and swap together.
        public var swap: Int64?
        public var kernel: Int64?
        public var kernelTCP: Int64?
        public var swappiness: UInt64?
        public var disableOOMKiller: Bool?
        public var useHierarchy: Bool?
        public var checkBeforeUpdate: Bool?

        public init() {}
    }

    public struct CPU: Hashable, Sendable, Encodable {
        public var shares: UInt64?
        public var quota: Int64?
        public var burst: UInt64?
        public var period: UInt64?
        public var realtimeRuntime: Int64?
        public var realtimePeriod: UInt64?
        public var cpus: String?
        public var mems: String?
        public var idle: Int64?

        public init() {}
    }

    public struct PIDs: Hashable, Sendable, Encodable {
        public var limit: Int64?

        public init() {}
    }

    public struct BlockIO: Hashable, Sendable, Encodable {
        public var weight: UInt16?
        public var leafWeight: UInt16?
        public var weightDevice: [WeightDevice]?
        public var throttleReadBpsDevice: [ThrottleDevice]?
        public var throttleWriteBpsDevice: [ThrottleDevice]?
        public var throttleReadIOPSDevice: [ThrottleDevice]?
        public var throttleWriteIOPSDevice: [ThrottleDevice]?

        public init() {}
    }

    public struct WeightDevice: Hashable, Sendable, Encodable {
        public var major: Int64
        public var minor: Int64
        public var weight: UInt16?
        public var leafWeight: UInt16?

        public init(major: Int64, minor: Int64) {
            self.major = major
            self.minor = minor
        }
    }

    public struct ThrottleDevice: Hashable, Sendable, Encodable {
        public var major: Int64
        public var minor: Int64
        public var rate: UInt64

        public init(major: Int64, minor: Int64, rate: UInt64) {
            self.major = major
            self.minor = minor
            self.rate = rate
        }
    }

    public struct HugepageLimit: Hashable, Sendable, Encodable {
        /// `2MB` and the like.
        public var pageSize: String
        public var limit: UInt64

        public init(pageSize: String, limit: UInt64) {
            self.pageSize = pageSize
            self.limit = limit
        }
    }

    public struct Network: Hashable, Sendable, Encodable {
        public var classID: UInt32?
        public var priorities: [InterfacePriority]?

        public init() {}
    }

    public struct InterfacePriority: Hashable, Sendable, Encodable {
        public var name: String
        public var priority: UInt32

        public init(name: String, priority: UInt32) {
            self.name = name
            self.priority = priority
        }
    }

    public struct RDMA: Hashable, Sendable, Encodable {
        public var hcaHandles: UInt32?
        public var hcaObjects: UInt32?

        public init() {}
    }
}
