import LinuxSystem
import RuntimeSpec

extension ControlGroup {
    /// The group's figures as `events --stats` prints them.
    public func containerStatistics() -> ContainerStatistics {
        var result = ContainerStatistics(statistics(), details())
        guard path("memory") == nil, let path = unifiedPath, Files.exists(path + "/memory.max") else { return result }
        // v2's `max` is the largest number in runc's output.
        if Self.number(path + "/memory.max") == nil { result.memory.usage.limit = .max }
        if Self.number(path + "/memory.max") == nil || Self.number(path + "/memory.swap.max") == nil {
            result.memory.swap.limit = .max
        }
        return result
    }
}

extension ContainerStatistics {
    /// From a group's figures.
    public init(_ figures: GroupStatistics, _ details: GroupDetails) {
        self.init()
        cpu = CPU(figures, details)
        if let details = details.cpuset { cpuset = Cpuset(details) }
        memory = Memory(figures, details)
        pids.current = figures.pids.nonZero
        pids.limit = figures.pidsLimit.nonZero
        blkio = BlockIO(figures, details)
        hugetlb = details.hugepages.mapValues { counter in
            var result = Hugepages()
            result.usage = counter.usage.nonZero
            result.max = counter.maximum.nonZero
            result.failcnt = UInt64(clamping: counter.failures)
            return result
        }
    }
}

extension Int64 {
    /// Nil for zero, which runc leaves out; the kernel's figures are not negative.
    fileprivate var nonZero: UInt64? { self == 0 ? nil : UInt64(clamping: self) }
}

extension Collection {
    fileprivate var nonEmpty: Self? { isEmpty ? nil : self }
}

extension ContainerStatistics.CPU {
    fileprivate init(_ figures: GroupStatistics, _ details: GroupDetails) {
        self.init()
        usage.total = figures.cpuTotal.nonZero
        usage.kernel = UInt64(clamping: figures.cpuKernel)
        usage.user = UInt64(clamping: figures.cpuUser)
        usage.percpu = figures.cpuTotals.map { UInt64(clamping: $0) }.nonEmpty
        usage.percpuKernel = details.cpuKernels.map { UInt64(clamping: $0) }.nonEmpty
        usage.percpuUser = details.cpuUsers.map { UInt64(clamping: $0) }.nonEmpty
        throttling.periods = figures.cpuPeriods.nonZero
        throttling.throttledPeriods = figures.cpuThrottledPeriods.nonZero
        throttling.throttledTime = figures.cpuThrottledTime.nonZero
        psi = details.cpuPressure.map { ContainerStatistics.Pressure($0) }
    }
}

extension ContainerStatistics.Cpuset {
    fileprivate init(_ details: CpusetDetails) {
        self.init()
        func flag(_ name: String) -> UInt64 { UInt64(clamping: details.flags[name] ?? 0) }
        cpus = details.cpus.nonEmpty
        mems = details.memoryNodes.nonEmpty
        cpuExclusive = flag("cpu_exclusive")
        memExclusive = flag("mem_exclusive")
        memHardwall = flag("mem_hardwall")
        memoryMigrate = flag("memory_migrate")
        memoryPressure = flag("memory_pressure")
        memorySpreadPage = flag("memory_spread_page")
        memorySpreadSlab = flag("memory_spread_slab")
        schedLoadBalance = flag("sched_load_balance")
        schedRelaxDomainLevel = details.flags["sched_relax_domain_level"] ?? 0
    }
}

extension ContainerStatistics.Memory {
    fileprivate init(_ figures: GroupStatistics, _ details: GroupDetails) {
        self.init()
        // v1's name and v2's.
        cache = (figures.memoryDetails["cache"] ?? figures.memoryDetails["file"] ?? 0).nonZero
        var counter = MemoryCounter()
        counter.limit = figures.memoryLimit
        counter.usage = figures.memoryUsage
        counter.maximum = figures.memoryMaximum
        counter.failures = figures.memoryFailures
        usage = Entry(counter)
        swap = Entry(details.memoryAndSwap)
        kernel = Entry(details.kernelMemory)
        kernelTCP = Entry(details.kernelTCPMemory)
        raw = figures.memoryDetails.mapValues { UInt64(clamping: $0) }.nonEmpty
        psi = details.memoryPressure.map { ContainerStatistics.Pressure($0) }
    }
}

extension ContainerStatistics.Memory.Entry {
    fileprivate init(_ counter: MemoryCounter) {
        self.init()
        limit = UInt64(clamping: counter.limit)
        usage = counter.usage.nonZero
        max = counter.maximum.nonZero
        failcnt = UInt64(clamping: counter.failures)
    }
}

extension ContainerStatistics.BlockIO {
    fileprivate init(_ figures: GroupStatistics, _ details: GroupDetails) {
        self.init()
        func entries(_ kind: BlockCounter.Kind) -> [Entry]? {
            (figures.blockCounters[kind] ?? []).map { counter in
                var result = Entry()
                result.major = counter.major.nonZero
                result.minor = counter.minor.nonZero
                result.op = counter.operation.nonEmpty
                result.value = counter.value.nonZero
                return result
            }.nonEmpty
        }
        ioServiceBytesRecursive = entries(.serviceBytes)
        ioServicedRecursive = entries(.serviced)
        ioQueueRecursive = entries(.queued)
        ioServiceTimeRecursive = entries(.serviceTime)
        ioWaitTimeRecursive = entries(.waitTime)
        ioMergedRecursive = entries(.merged)
        ioTimeRecursive = entries(.time)
        sectorsRecursive = entries(.sectors)
        psi = details.blockPressure.map { ContainerStatistics.Pressure($0) }
    }
}

extension ContainerStatistics.Pressure {
    fileprivate init(_ pressure: Pressure) {
        self.init()
        some = Share(pressure.some)
        full = Share(pressure.full)
    }
}

extension ContainerStatistics.Pressure.Share {
    fileprivate init(_ share: Pressure.Share) {
        self.init()
        avg10 = share.average10
        avg60 = share.average60
        avg300 = share.average300
        total = share.total
    }
}
