/// What `events --stats` tells of a group beyond `GroupStatistics`; reading it costs some twenty files more.
public struct GroupDetails: Hashable, Sendable {
    /// Nanoseconds of processor time on each processor, in the kernel and outside it; v1 only.
    public var cpuKernels: [Int64] = []
    public var cpuUsers: [Int64] = []
    public var cpuset: CpusetDetails?
    /// Memory and swap together, as v1 counts; v2's swap is added to its memory.
    public var memoryAndSwap = MemoryCounter()
    /// Swap by itself; v2 only.
    public var swap = MemoryCounter()
    public var kernelMemory = MemoryCounter()
    public var kernelTCPMemory = MemoryCounter()
    /// By the size of a page: `2MB`.
    public var hugepages: [String: MemoryCounter] = [:]
    /// v2 only; nil where the kernel does not measure it.
    public var cpuPressure: Pressure?
    public var memoryPressure: Pressure?
    public var blockPressure: Pressure?

    public init() {}
}

/// Bytes of one kind of memory; zero where the kernel does not count.
public struct MemoryCounter: Hashable, Sendable {
    public var usage: Int64 = 0
    public var maximum: Int64 = 0
    public var limit: Int64 = 0
    /// How often the limit was met.
    public var failures: Int64 = 0

    public init() {}
}

/// v1's cpuset controller (cpuset(7)).
public struct CpusetDetails: Hashable, Sendable {
    public var cpus: [UInt16] = []
    public var memoryNodes: [UInt16] = []
    /// The numbers of the other files by their names: `cpu_exclusive`, `memory_migrate`.
    public var flags: [String: Int64] = [:]

    public init() {}
}
