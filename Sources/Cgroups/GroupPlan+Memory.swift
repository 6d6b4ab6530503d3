import Glibc
import RuntimeSpec

extension GroupPlan {
    mutating func addMemory(_ memory: LinuxResources.Memory) throws(ResourceError) {
        let limit = try bytes(memory.limit, "memory.limit")
        let total = try bytes(memory.swap, "memory.swap")
        let reservation = try bytes(memory.reservation, "memory.reservation")
        if let member = limit.map({ _ in "memory.limit" }) ?? total.map({ _ in "memory.swap" })
            ?? reservation.map({ _ in "memory.reservation" })
        {
            let home = try home("memory", member)
            if home == .unified {
                if memory.checkBeforeUpdate == true {
                    if let total, total > 0 { addCheck(total, "memory.swap") }
                    if let limit, limit > 0 { addCheck(limit, "memory.limit") }
                }
                try addUnifiedMemory(limit, total)
            } else {
                addLegacyMemory(home, limit, total)
            }
            if let reservation {
                let file = home == .unified ? "memory.low" : "memory.soft_limit_in_bytes"
                add(home, file, home == .unified ? orMax(reservation) : "\(reservation)", "memory.reservation")
            }
        }
        if let buffers = try bytes(memory.kernelTCP, "memory.kernelTCP"), let home = try? home("memory", ""),
            home != .unified
        {
            // Of v1 alone, and not of every kernel; runc too passes over it in v2, and over the kernel's own memory,
            // which no kernel limits any more.
            add(home, "memory.kmem.tcp.limit_in_bytes", "\(buffers)", absence: .isSkipped, "memory.kernelTCP")
        }
        if memory.disableOOMKiller == true {
            let home = try legacyHome("memory", "memory.disableOOMKiller")
            add(home, "memory.oom_control", "1", "memory.disableOOMKiller")
        }
        if let swappiness = memory.swappiness {
            let home = try legacyHome("memory", "memory.swappiness")
            try check(swappiness <= 100, "memory.swappiness", "\(swappiness) is not of 0 to 100")
            add(home, "memory.swappiness", "\(swappiness)", "memory.swappiness")
        }
    }

    /// Without a limit of memory there is none of memory and swap either, which may not be below.
    private mutating func addLegacyMemory(_ home: Home, _ limit: Int64?, _ total: Int64?) {
        let file = "memory.memsw.limit_in_bytes"
        if let limit {
            let isRepeated = total != nil || limit == -1
            add(home, "memory.limit_in_bytes", "\(limit)", isRepeated: isRepeated, "memory.limit")
        }
        if let total {
            add(home, file, "\(total)", "memory.swap")
        } else if limit == -1 {
            add(home, file, "-1", absence: .isSkipped, "memory.limit")
        }
    }

    private mutating func addUnifiedMemory(_ limit: Int64?, _ total: Int64?) throws(ResourceError) {
        if let swap = try swap(of: total, beyond: limit) {
            // Without swap there is nothing to forbid and nothing to allow.
            let absence: GroupWrite.Absence = swap <= 0 ? .isSkipped : .fails
            add(
                .unified, "memory.swap.max", orMax(swap), absence: absence,
                total == nil ? "memory.limit" : "memory.swap")
        }
        if let limit { add(.unified, "memory.max", orMax(limit), "memory.limit") }
    }

    /// v2 limits swap by itself, the specification memory and swap together.
    private func swap(of total: Int64?, beyond limit: Int64?) throws(ResourceError) -> Int64? {
        guard let total else { return limit == -1 ? -1 : nil }
        if total == -1 || limit == -1 { return total }
        guard let limit else { throw ResourceError("memory.swap", "needs memory.limit in cgroup v2", errno: EINVAL) }
        try check(total >= limit, "memory.swap", "\(total) is less than memory.limit, which it includes")
        return total - limit
    }

    /// -1 for no limit; nil for zero, which asks for nothing.
    private func bytes(_ value: Int64?, _ member: String) throws(ResourceError) -> Int64? {
        guard let value, value != 0 else { return nil }
        try check(value >= -1, member, "\(value) is neither a number of bytes nor -1")
        return value
    }

    private func orMax(_ value: Int64) -> String { value < 0 ? "max" : "\(value)" }
}

extension GroupPlan {
    /// Zero is one, as in runc: systemd knows no zero.
    mutating func addPIDs(_ pids: LinuxResources.PIDs?) throws(ResourceError) {
        guard let limit = pids?.limit else { return }
        add(try home("pids", "pids.limit"), "pids.max", limit < 0 ? "max" : "\(max(1, limit))", "pids.limit")
    }
}
