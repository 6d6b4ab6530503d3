import Cgroups
import ContainerRuntime
import EngineModel
import Glibc
import LinuxSystem
import Values

extension Engine {
    /// The figures of now; of a container that does not run all are zero.
    public func statistics(of reference: String) async throws -> EngineModel.ContainerStatistics {
        let record = try record(reference)
        var result = EngineModel.ContainerStatistics(time: Clock.now())
        guard record.state.isRunning else { return result }
        guard let read = try await running({ try await self.runtime.statistics(record.id) }) else { return result }
        result.add(read.group)
        result.add(read.networks)
        result.onlineCPUs = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        let memory = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        if result.memoryLimit <= 0 || result.memoryLimit > memory { result.memoryLimit = memory }
        result.systemCPU = await files.run { Self.systemCPU() }
        return result
    }

    /// What the runtime answers; nil where the container has just ended.
    private func running<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value? {
        do { return try await body() } catch let error as RuntimeError
            where error.kind == .notRunning || error.kind == .notFound
        { return nil }
    }

    /// Nanoseconds that all processors have spent (proc(5), /proc/stat: seven fields in ticks of 1/100 s).
    private static func systemCPU() -> Int64 {
        let line = ((try? Files.text("/proc/stat")) ?? "").prefix { $0 != "\n" }
        let fields = line.split(separator: " ").dropFirst().prefix(7).compactMap { Int64($0) }
        return fields.reduce(0, +) * 10_000_000
    }
}

extension EngineModel.ContainerStatistics {
    /// A group's figures as Docker's daemon shows them (moby's daemon/stats_unix.go).
    mutating func add(_ group: GroupStatistics) {
        cpuTotal = group.cpuTotal
        cpuKernel = group.cpuKernel
        cpuUser = group.cpuUser
        cpuTotals = group.cpuTotals
        cpuPeriods = group.cpuPeriods
        cpuThrottledPeriods = group.cpuThrottledPeriods
        cpuThrottledTime = group.cpuThrottledTime
        memoryUsage = group.memoryUsage
        memoryMaximum = group.isUnified ? 0 : group.memoryMaximum
        memoryLimit = group.memoryLimit
        memoryFailures = group.isUnified ? group.memoryExhaustions : group.memoryFailures
        memoryDetails = group.memoryDetails
        pids = group.pids
        pidsLimit = group.pidsLimit
        for (kind, counters) in group.blockCounters { addBlocks(kind, counters, isUnified: group.isUnified) }
    }

    /// In v2 Docker shows the bytes that were read and written, and nothing else.
    private mutating func addBlocks(_ kind: BlockCounter.Kind, _ counters: [BlockCounter], isUnified: Bool) {
        let shown = isUnified ? counters.filter { ["Read", "Write"].contains($0.operation) } : counters
        if isUnified, kind != .serviceBytes { return }
        blockEntries[BlockFigure(kind)] = shown.map { counter in
            BlockEntry(
                major: counter.major, minor: counter.minor,
                operation: isUnified ? counter.operation.lowercased() : counter.operation, value: counter.value)
        }
    }

    /// The interfaces but the loopback, in the order of their names.
    mutating func add(_ networks: [String: InterfaceCounters]) {
        for (name, counters) in networks.sorted(by: { $0.key < $1.key }) where name != "lo" {
            var interface = Interface(name: name)
            interface.receivedBytes = UInt64(clamping: counters.receivedBytes)
            interface.receivedPackets = UInt64(clamping: counters.receivedPackets)
            interface.receiveErrors = UInt64(clamping: counters.receiveErrors)
            interface.receiveDropped = UInt64(clamping: counters.receiveDrops)
            interface.sentBytes = UInt64(clamping: counters.sentBytes)
            interface.sentPackets = UInt64(clamping: counters.sentPackets)
            interface.sendErrors = UInt64(clamping: counters.sendErrors)
            interface.sendDropped = UInt64(clamping: counters.sendDrops)
            interfaces.append(interface)
        }
    }
}

extension EngineModel.ContainerStatistics.BlockFigure {
    fileprivate init(_ kind: BlockCounter.Kind) {
        self =
            switch kind {
            case .serviceBytes: .serviceBytes
            case .serviced: .serviced
            case .queued: .queued
            case .serviceTime: .serviceTime
            case .waitTime: .waitTime
            case .merged: .merged
            case .time: .time
            case .sectors: .sectors
            }
    }
}
