import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

extension ControlGroup {
    /// Sets limits; what is nil stays as it is, and so do devices: `restrictDevices`. The group exists.
    ///
    /// - Throws: the member that could not be set. Nothing is written where it can be told beforehand; where the kernel
    ///   refuses a value, those before it are in force.
    public func apply(_ resources: LinuxResources) throws(ResourceError) {
        let plan = try GroupPlan(resources, on: layout)
        for check in plan.checks {
            guard let usage = unifiedPath.flatMap({ Self.number($0 + "/" + check.file) }), check.limit <= usage else {
                continue
            }
            throw ResourceError(check.member, "\(check.limit) is not above the present use of \(usage)", errno: EBUSY)
        }
        var refused: [GroupWrite] = []
        for write in plan.writes {
            do {
                try carryOut(write)
            } catch {
                guard write.isRepeated, error.errno == EINVAL else { throw error }
                refused.append(write)
            }
        }
        for write in refused { try carryOut(write) }
    }

    private func carryOut(_ write: GroupWrite) throws(ResourceError) {
        guard let directory = write.controller.map({ path($0) }) ?? unifiedPath else { return }
        do {
            let file = directory + "/" + write.file
            guard write.absence == .fails || Files.exists(file) else {
                if case .replaced(let other, let text) = write.absence { try Files.set(directory + "/" + other, text) }
                return
            }
            try Files.set(file, write.text)
        } catch {
            var reason = "\"\(write.text)\" is refused: \(error)"
            if error.errno == EBUSY, write.file == "memory.limit_in_bytes" {
                let usage = Self.number(directory + "/memory.usage_in_bytes") ?? 0
                reason = "\(write.text) is below the present use of \(usage)"
            }
            throw ResourceError(write.member, reason, errno: error.errno, cause: error)
        }
    }

    /// The engine's limits; what is nil stays as it is. A limit whose controller is not there is an error, one of swap
    /// means nothing where the kernel does not count swap.
    public func apply(_ limits: ResourceLimits) throws(SystemError) {
        var resources = LinuxResources(limits)
        if !countsSwap || path("memory") == nil && limits.memoryBytes == nil { resources.memory?.swap = nil }
        do {
            try apply(resources)
        } catch {
            throw error.cause ?? SystemError("limit", "\(error)", errno: error.errno)
        }
    }

    private var countsSwap: Bool {
        if let path = path("memory") { return Files.exists(path + "/memory.memsw.limit_in_bytes") }
        return unifiedPath.map { Files.exists($0 + "/memory.swap.max") } ?? false
    }
}

extension LinuxResources {
    /// Any negative limit is none; shares are cut as v1's kernel cuts them.
    init(_ limits: ResourceLimits) {
        self.init()
        var memory = Memory()
        memory.limit = limits.memoryBytes.map { max(-1, $0) }
        memory.swap = limits.memoryAndSwapBytes.map { max(-1, $0) }
        memory.reservation = limits.memoryReservationBytes.map { max(-1, $0) }
        self.memory = memory
        var cpu = CPU()
        if limits.cpuQuota != nil || limits.cpuPeriod != nil {
            cpu.quota = limits.cpuQuota ?? -1
            cpu.period = UInt64(clamping: limits.cpuPeriod ?? 100_000)
        }
        cpu.shares = limits.cpuShares.map {
            max(GroupPlan.shares.lowerBound, min(GroupPlan.shares.upperBound, UInt64(clamping: $0)))
        }
        cpu.cpus = limits.cpus
        cpu.mems = limits.memoryNodes
        self.cpu = cpu
        if let limit = limits.pids {
            var pids = PIDs()
            pids.limit = limit > 0 ? limit : -1
            self.pids = pids
        }
    }
}
