import Glibc
import LinuxSystem
import RuntimeProtocol

extension ControlGroup {
    /// True where v2 has the controller `name` for this group.
    private func unifiedHas(_ name: String) -> Bool {
        guard let path = unifiedPath, let text = try? Files.text(path + "/cgroup.controllers") else { return false }
        return text.split(whereSeparator: \.isWhitespace).contains(Substring(name))
    }

    /// Sets limits; what is nil stays as it is. A limit whose controller is not there is an error. Devices are another
    /// matter: `restrictDevices`.
    public func apply(_ limits: ResourceLimits) throws(SystemError) {
        try applyMemory(limits)
        try applyProcessor(limits)
        if let pids = limits.pids {
            let value = pids > 0 ? "\(pids)" : "max"
            try set("pids", "pids.max", value, unified: "pids.max", value)
        }
    }

    private func set(
        _ controller: String, _ file: String, _ value: String, unified: String, _ unifiedValue: String
    ) throws(SystemError) {
        if let path = path(controller) {
            try Files.set(path + "/" + file, value)
        } else if let path = unifiedPath, unifiedHas(controller) {
            try Files.set(path + "/" + unified, unifiedValue)
        } else {
            throw SystemError("limit \(controller)", "no cgroup controller", errno: ENOTSUP)
        }
    }

    private func applyMemory(_ limits: ResourceLimits) throws(SystemError) {
        if let path = path("memory") {
            try applyMemory(limits, at: path)
        } else if let bytes = limits.memoryBytes {
            try set("memory", "", "", unified: "memory.max", bytes < 0 ? "max" : "\(bytes)")
            if let total = limits.memoryAndSwapBytes, let path = unifiedPath, Files.exists(path + "/memory.swap.max") {
                try Files.set(path + "/memory.swap.max", total < 0 ? "max" : "\(max(0, total - bytes))")
            }
        }
        if let bytes = limits.memoryReservationBytes {
            try set("memory", "memory.soft_limit_in_bytes", "\(bytes)", unified: "memory.low", "\(max(0, bytes))")
        }
    }

    /// v1: memory may never be more than memory and swap together, so the order depends on the direction.
    private func applyMemory(_ limits: ResourceLimits, at path: String) throws(SystemError) {
        let file = path + "/memory.limit_in_bytes"
        let totalFile = path + "/memory.memsw.limit_in_bytes"
        let total = Files.exists(totalFile) ? limits.memoryAndSwapBytes : nil
        if let total, let bytes = limits.memoryBytes, let present = Self.number(totalFile),
            total < 0 || bytes > present
        {
            try Files.set(totalFile, "\(total)")
            try Files.set(file, "\(bytes)")
            return
        }
        if let bytes = limits.memoryBytes { try Files.set(file, "\(bytes)") }
        if let total { try Files.set(totalFile, "\(total)") }
    }

    private func applyProcessor(_ limits: ResourceLimits) throws(SystemError) {
        if limits.cpuQuota != nil || limits.cpuPeriod != nil {
            let period = limits.cpuPeriod ?? 100_000
            let quota = limits.cpuQuota ?? -1
            if let path = path("cpu") {
                // A larger quota than the old period allows comes after the period, a smaller one before.
                let isSet = (try? Files.set(path + "/cpu.cfs_period_us", "\(period)")) != nil
                try Files.set(path + "/cpu.cfs_quota_us", "\(quota)")
                if !isSet { try Files.set(path + "/cpu.cfs_period_us", "\(period)") }
            } else {
                try set("cpu", "", "", unified: "cpu.max", "\(quota < 0 ? "max" : "\(quota)") \(period)")
            }
        }
        if let shares = limits.cpuShares {
            // The conversion that runc and systemd agreed on: 2...262144 to 1...10000.
            let weight = 1 + ((max(2, min(262_144, shares)) - 2) * 9999) / 262_142
            try set("cpu", "cpu.shares", "\(shares)", unified: "cpu.weight", "\(weight)")
        }
        if let cpus = limits.cpus { try set("cpuset", "cpuset.cpus", cpus, unified: "cpuset.cpus", cpus) }
        if let nodes = limits.memoryNodes { try set("cpuset", "cpuset.mems", nodes, unified: "cpuset.mems", nodes) }
    }
}
