import LinuxSystem

/// What a group has used until now.
public struct GroupStatistics: Hashable, Sendable {
    /// Nanoseconds of processor time, in all and in the kernel and outside it.
    public var cpuTotal: Int64 = 0
    public var cpuKernel: Int64 = 0
    public var cpuUser: Int64 = 0
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
    public var memoryInactiveFile: Int64 = 0
    /// The lines of memory.stat.
    public var memoryDetails: [String: Int64] = [:]
    public var pids: Int64 = 0
    public var pidsLimit: Int64 = 0
    public var blockTransfers: [BlockTransfer] = []

    public init() {}
}

/// What a group moved to and from one device.
public struct BlockTransfer: Hashable, Sendable {
    public var major: Int64
    public var minor: Int64
    /// Bytes and operations.
    public var readBytes: Int64 = 0
    public var writtenBytes: Int64 = 0
    public var reads: Int64 = 0
    public var writes: Int64 = 0
}

extension ControlGroup {
    /// The group's figures; zero where the controller is not there.
    public func statistics() -> GroupStatistics {
        var result = GroupStatistics()
        readProcessor(into: &result)
        readMemory(into: &result)
        if let path = path("pids") ?? unifiedPath {
            result.pids = Self.number(path + "/pids.current") ?? Int64(processes().count)
            result.pidsLimit = Self.number(path + "/pids.max") ?? 0
        }
        result.blockTransfers = readBlocks()
        return result
    }

    private func readProcessor(into result: inout GroupStatistics) {
        if let path = path("cpuacct") {
            result.cpuTotal = Self.number(path + "/cpuacct.usage") ?? 0
            // In ticks of 1/100 s.
            let ticks = Self.fields(of: path + "/cpuacct.stat")
            result.cpuUser = (ticks["user"] ?? 0) * 10_000_000
            result.cpuKernel = (ticks["system"] ?? 0) * 10_000_000
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
            result.memoryInactiveFile = result.memoryDetails["total_inactive_file"] ?? 0
        } else if let path = unifiedPath {
            result.memoryUsage = Self.number(path + "/memory.current") ?? 0
            result.memoryMaximum = Self.number(path + "/memory.peak") ?? 0
            result.memoryLimit = Self.number(path + "/memory.max") ?? 0
            result.memoryFailures = Self.field("max", in: path + "/memory.events")
            result.memoryDetails = Self.fields(of: path + "/memory.stat")
            result.memoryInactiveFile = result.memoryDetails["inactive_file"] ?? 0
        }
    }

    private func readBlocks() -> [BlockTransfer] {
        var found: [String: BlockTransfer] = [:]
        func add(_ device: Substring, _ change: (inout BlockTransfer) -> Void) {
            let numbers = device.split(separator: ":").compactMap { Int64($0) }
            guard numbers.count == 2 else { return }
            change(&found[String(device), default: BlockTransfer(major: numbers[0], minor: numbers[1])])
        }
        func lines(_ file: String) -> [[Substring]] {
            ((try? Files.text(file)) ?? "").split(separator: "\n").map { $0.split(separator: " ") }
        }
        if let path = path("blkio") {
            for words in lines(path + "/blkio.throttle.io_service_bytes") where words.count == 3 {
                guard let value = Int64(words[2]) else { continue }
                if words[1] == "Read" { add(words[0]) { $0.readBytes = value } }
                if words[1] == "Write" { add(words[0]) { $0.writtenBytes = value } }
            }
            for words in lines(path + "/blkio.throttle.io_serviced") where words.count == 3 {
                guard let value = Int64(words[2]) else { continue }
                if words[1] == "Read" { add(words[0]) { $0.reads = value } }
                if words[1] == "Write" { add(words[0]) { $0.writes = value } }
            }
        } else if let path = unifiedPath {
            for words in lines(path + "/io.stat") {
                for word in words.dropFirst() {
                    let pair = word.split(separator: "=")
                    guard pair.count == 2, let value = Int64(pair[1]) else { continue }
                    switch pair[0] {
                    case "rbytes": add(words[0]) { $0.readBytes = value }
                    case "wbytes": add(words[0]) { $0.writtenBytes = value }
                    case "rios": add(words[0]) { $0.reads = value }
                    case "wios": add(words[0]) { $0.writes = value }
                    default: continue
                    }
                }
            }
        }
        return found.values.sorted { ($0.major, $0.minor) < ($1.major, $1.minor) }
    }
}
