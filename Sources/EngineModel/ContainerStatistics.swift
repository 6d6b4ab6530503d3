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

    public var time: Timestamp
    /// Nanoseconds of processor time: in all, in the kernel, outside it.
    public var cpuTotal: Int64 = 0
    public var cpuKernel: Int64 = 0
    public var cpuUser: Int64 = 0
    /// Nanoseconds of processor time that the whole machine has spent, all processors together.
    public var systemCPU: Int64 = 0
    public var onlineCPUs: Int = 1
    /// Bytes.
    public var memoryUsage: Int64 = 0
    public var memoryLimit: Int64 = 0
    public var memoryInactiveFile: Int64 = 0
    public var pids: Int64 = 0
    public var pidsLimit: Int64 = 0
    public var interfaces: [Interface] = []

    public init(time: Timestamp) { self.time = time }
}
