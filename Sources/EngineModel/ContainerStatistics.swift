import Values

/// What a container has used until a moment (Engine API: ContainerStatsResponse).
public struct ContainerStatistics: Hashable, Sendable {
    /// Bytes and packets of one of the container's interfaces, as the container sees them.
    public struct Interface: Hashable, Sendable {
        public var name: String
        public var receivedBytes: UInt64 = 0
        public var receivedPackets: UInt64 = 0
        public var receiveErrors: UInt64 = 0
        public var receiveDropped: UInt64 = 0
        public var sentBytes: UInt64 = 0
        public var sentPackets: UInt64 = 0
        public var sendErrors: UInt64 = 0
        public var sendDropped: UInt64 = 0

        public init(name: String) { self.name = name }
    }

    /// The members of `blkio_stats` (Engine API: ContainerBlkioStats).
    public enum BlockFigure: String, Hashable, Sendable, CaseIterable {
        case serviceBytes = "io_service_bytes_recursive"
        case serviced = "io_serviced_recursive"
        case queued = "io_queue_recursive"
        case serviceTime = "io_service_time_recursive"
        case waitTime = "io_wait_time_recursive"
        case merged = "io_merged_recursive"
        case time = "io_time_recursive"
        case sectors = "sectors_recursive"
    }

    /// A figure of one device and one kind of operation: `Read` in cgroup v1, `read` in v2.
    public struct BlockEntry: Hashable, Sendable {
        public var major: Int64
        public var minor: Int64
        public var operation: String
        public var value: Int64

        public init(major: Int64, minor: Int64, operation: String, value: Int64) {
            self.major = major
            self.minor = minor
            self.operation = operation
            self.value = value
        }
    }

    public var time: Timestamp
    /// Nanoseconds of processor time: in all, in the kernel, outside it.
    public var cpuTotal: Int64 = 0
    public var cpuKernel: Int64 = 0
    public var cpuUser: Int64 = 0
    /// The same on each processor; empty in cgroup v2.
    public var cpuTotals: [Int64] = []
    /// Periods of the quota, how many of them were cut short, and the nanoseconds that were waited for.
    public var cpuPeriods: Int64 = 0
    public var cpuThrottledPeriods: Int64 = 0
    public var cpuThrottledTime: Int64 = 0
    /// Nanoseconds of processor time that the whole machine has spent, all processors together.
    public var systemCPU: Int64 = 0
    public var onlineCPUs: Int = 1
    /// Bytes.
    public var memoryUsage: Int64 = 0
    /// Zero in cgroup v2.
    public var memoryMaximum: Int64 = 0
    public var memoryLimit: Int64 = 0
    /// How often the limit was met; in cgroup v2, how often memory ran out.
    public var memoryFailures: Int64 = 0
    /// The lines of memory.stat.
    public var memoryDetails: [String: Int64] = [:]
    public var pids: Int64 = 0
    public var pidsLimit: Int64 = 0
    public var blockEntries: [BlockFigure: [BlockEntry]] = [:]
    public var interfaces: [Interface] = []

    public init(time: Timestamp) { self.time = time }
}
