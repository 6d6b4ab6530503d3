import LinuxSystem

/// What a group and those below it have used until now.
public struct GroupStatistics: Hashable, Sendable {
    /// True where v2 alone counts.
    public var isUnified = false
    /// Nanoseconds of processor time, in all and in the kernel and outside it.
    public var cpuTotal: Int64 = 0
    public var cpuKernel: Int64 = 0
    public var cpuUser: Int64 = 0
    /// Nanoseconds of processor time on each processor; v1 only.
    public var cpuTotals: [Int64] = []
    /// Periods of the quota, how many of them were cut short, and the nanoseconds that were waited for.
    public var cpuPeriods: Int64 = 0
    public var cpuThrottledPeriods: Int64 = 0
    public var cpuThrottledTime: Int64 = 0
    /// Bytes.
    public var memoryUsage: Int64 = 0
    public var memoryMaximum: Int64 = 0
    public var memoryLimit: Int64 = 0
    /// How often memory was wanted that the limit did not allow.
    public var memoryFailures: Int64 = 0
    /// How often nothing could be freed for it either; v2 only.
    public var memoryExhaustions: Int64 = 0
    /// The lines of memory.stat.
    public var memoryDetails: [String: Int64] = [:]
    public var pids: Int64 = 0
    public var pidsLimit: Int64 = 0
    public var blockCounters: [BlockCounter.Kind: [BlockCounter]] = [:]

    public init() {}
}

extension ControlGroup {
    /// The group's figures; zero where the controller is not there.
    public func statistics() -> GroupStatistics {
        var result = GroupStatistics()
        result.isUnified = directories.flatMap(\.controllers).allSatisfy { $0.hasPrefix("name=") }
        readProcessor(into: &result)
        readMemory(into: &result)
        if let path = path("pids") ?? unifiedPath {
            result.pids = Self.number(path + "/pids.current") ?? Int64(processes().count)
            result.pidsLimit = Self.number(path + "/pids.max") ?? 0
        }
        if let path = path("blkio") {
            result.blockCounters = BlockCounter.legacyGroup(path)
        } else if let path = unifiedPath, let text = try? Files.text(path + "/io.stat") {
            result.blockCounters = BlockCounter.unified(text)
        }
        return result
    }

    private func readProcessor(into result: inout GroupStatistics) {
        if let path = path("cpuacct") {
            result.cpuTotal = Self.number(path + "/cpuacct.usage") ?? 0
            // In ticks of 1/100 s.
            let ticks = Self.fields(of: path + "/cpuacct.stat")
            result.cpuUser = (ticks["user"] ?? 0) * 10_000_000
            result.cpuKernel = (ticks["system"] ?? 0) * 10_000_000
            let totals = (try? Files.text(path + "/cpuacct.usage_percpu")) ?? ""
            result.cpuTotals = totals.split(whereSeparator: \.isWhitespace).compactMap { Int64($0) }
        }
        if let path = path("cpu") {
            let fields = Self.fields(of: path + "/cpu.stat")
            result.cpuPeriods = fields["nr_periods"] ?? 0
            result.cpuThrottledPeriods = fields["nr_throttled"] ?? 0
            result.cpuThrottledTime = fields["throttled_time"] ?? 0
        }
        guard self.path("cpuacct") == nil, let path = unifiedPath else { return }
        let fields = Self.fields(of: path + "/cpu.stat")
        result.cpuTotal = (fields["usage_usec"] ?? 0) * 1000
        result.cpuUser = (fields["user_usec"] ?? 0) * 1000
        result.cpuKernel = (fields["system_usec"] ?? 0) * 1000
        result.cpuPeriods = fields["nr_periods"] ?? 0
        result.cpuThrottledPeriods = fields["nr_throttled"] ?? 0
        result.cpuThrottledTime = (fields["throttled_usec"] ?? 0) * 1000
    }

    private func readMemory(into result: inout GroupStatistics) {
        if let path = path("memory") {
            result.memoryUsage = Self.number(path + "/memory.usage_in_bytes") ?? 0
            result.memoryMaximum = Self.number(path + "/memory.max_usage_in_bytes") ?? 0
            result.memoryLimit = Self.number(path + "/memory.limit_in_bytes") ?? 0
            result.memoryFailures = Self.number(path + "/memory.failcnt") ?? 0
            result.memoryDetails = Self.fields(of: path + "/memory.stat")
        } else if let path = unifiedPath {
            result.memoryUsage = Self.number(path + "/memory.current") ?? 0
            result.memoryMaximum = Self.number(path + "/memory.peak") ?? 0
            result.memoryLimit = Self.number(path + "/memory.max") ?? 0
            let events = Self.fields(of: path + "/memory.events")
            result.memoryFailures = events["max"] ?? 0
            result.memoryExhaustions = events["oom"] ?? 0
            result.memoryDetails = Self.fields(of: path + "/memory.stat")
        }
    }
}
