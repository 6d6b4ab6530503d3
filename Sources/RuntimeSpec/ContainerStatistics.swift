/// What `events --stats` prints of a container (runc's types/events.go), with its names. Times are nanoseconds, sizes
/// bytes. As there, members that are optional are left out where they are zero or empty.
public struct ContainerStatistics: Hashable, Sendable, Codable {
    public var cpu = CPU()
    public var cpuset = Cpuset()
    public var memory = Memory()
    public var pids = PIDs()
    public var blkio = BlockIO()
    /// By the size of a page: `2MB`.
    public var hugetlb: [String: Hugepages] = [:]
    /// Intel's resource director is not used; always empty.
    public var intelRDT: [String: UInt64] = [:]
    /// runc fills this for networks of its own only, which no caller asks for.
    public var networkInterfaces: [NetworkInterface]?

    public init() {}

    enum CodingKeys: String, CodingKey {
        case cpu, cpuset, memory, pids, blkio, hugetlb
        case intelRDT = "intel_rdt"
        case networkInterfaces = "network_interfaces"
    }

    /// Writes `network_interfaces` as null where there are none.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(cpu, forKey: .cpu)
        try container.encode(cpuset, forKey: .cpuset)
        try container.encode(memory, forKey: .memory)
        try container.encode(pids, forKey: .pids)
        try container.encode(blkio, forKey: .blkio)
        try container.encode(hugetlb, forKey: .hugetlb)
        try container.encode(intelRDT, forKey: .intelRDT)
        if let networkInterfaces {
            try container.encode(networkInterfaces, forKey: .networkInterfaces)
        } else {
            try container.encodeNil(forKey: .networkInterfaces)
        }
    }

    public struct CPU: Hashable, Sendable, Codable {
        public var usage = Usage()
        public var throttling = Throttling()
        public var psi: Pressure?

        public init() {}

        public struct Usage: Hashable, Sendable, Codable {
            public var total: UInt64?
            public var percpu: [UInt64]?
            public var percpuKernel: [UInt64]?
            public var percpuUser: [UInt64]?
            public var kernel: UInt64 = 0
            public var user: UInt64 = 0

            enum CodingKeys: String, CodingKey {
                case total, percpu, kernel, user
                case percpuKernel = "percpu_kernel"
                case percpuUser = "percpu_user"
            }
        }

        public struct Throttling: Hashable, Sendable, Codable {
            public var periods: UInt64?
            public var throttledPeriods: UInt64?
            public var throttledTime: UInt64?
        }
    }

    public struct Cpuset: Hashable, Sendable, Codable {
        public var cpus: [UInt16]?
        public var cpuExclusive: UInt64 = 0
        public var mems: [UInt16]?
        public var memHardwall: UInt64 = 0
        public var memExclusive: UInt64 = 0
        public var memoryMigrate: UInt64 = 0
        public var memorySpreadPage: UInt64 = 0
        public var memorySpreadSlab: UInt64 = 0
        public var memoryPressure: UInt64 = 0
        public var schedLoadBalance: UInt64 = 0
        public var schedRelaxDomainLevel: Int64 = 0

        public init() {}

        enum CodingKeys: String, CodingKey {
            case cpus, mems
            case cpuExclusive = "cpu_exclusive"
            case memHardwall = "mem_hardwall"
            case memExclusive = "mem_exclusive"
            case memoryMigrate = "memory_migrate"
            case memorySpreadPage = "memory_spread_page"
            case memorySpreadSlab = "memory_spread_slab"
            case memoryPressure = "memory_pressure"
            case schedLoadBalance = "sched_load_balance"
            case schedRelaxDomainLevel = "sched_relax_domain_level"
        }
    }

    public struct Memory: Hashable, Sendable, Codable {
        public var cache: UInt64?
        public var usage = Entry()
        /// Memory and swap together.
        public var swap = Entry()
        public var kernel = Entry()
        public var kernelTCP = Entry()
        /// The lines of memory.stat.
        public var raw: [String: UInt64]?
        public var psi: Pressure?

        public init() {}

        public struct Entry: Hashable, Sendable, Codable {
            public var limit: UInt64 = 0
            public var usage: UInt64?
            public var max: UInt64?
            public var failcnt: UInt64 = 0

            public init() {}
        }
    }

    public struct PIDs: Hashable, Sendable, Codable {
        public var current: UInt64?
        /// Left out where there is none.
        public var limit: UInt64?

        public init() {}
    }

    public struct BlockIO: Hashable, Sendable, Codable {
        public var ioServiceBytesRecursive: [Entry]?
        public var ioServicedRecursive: [Entry]?
        public var ioQueueRecursive: [Entry]?
        public var ioServiceTimeRecursive: [Entry]?
        public var ioWaitTimeRecursive: [Entry]?
        public var ioMergedRecursive: [Entry]?
        public var ioTimeRecursive: [Entry]?
        public var sectorsRecursive: [Entry]?
        public var psi: Pressure?

        public init() {}

        public struct Entry: Hashable, Sendable, Codable {
            public var major: UInt64?
            public var minor: UInt64?
            /// `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total`.
            public var op: String?
            public var value: UInt64?

            public init() {}
        }
    }

    public struct Hugepages: Hashable, Sendable, Codable {
        public var usage: UInt64?
        public var max: UInt64?
        public var failcnt: UInt64 = 0

        public init() {}
    }

    /// The kernel's Documentation/accounting/psi.rst: percent of the last 10, 60 and 300 seconds; `total` microseconds.
    public struct Pressure: Hashable, Sendable, Codable {
        public var some = Share()
        public var full = Share()

        public init() {}

        public struct Share: Hashable, Sendable, Codable {
            public var avg10: Double = 0
            public var avg60: Double = 0
            public var avg300: Double = 0
            public var total: UInt64 = 0

            public init() {}
        }
    }

    public struct NetworkInterface: Hashable, Sendable, Codable {
        public var name: String

        enum CodingKeys: String, CodingKey { case name = "Name" }
    }
}
