import Glibc
import RuntimeSpec

extension GroupPlan {
    /// v1's shares; the kernel cuts others.
    static let shares: ClosedRange<UInt64> = 2...262_144

    /// v2's weight for v1's shares, 1...10000: the curve through 2, 1024 and 262144 on which runc and crun have agreed
    /// (opencontainers/runc pull request 4785).
    public static func weight(shares: UInt64) -> UInt64 {
        if shares <= Self.shares.lowerBound { return 1 }
        if shares >= Self.shares.upperBound { return 10_000 }
        let magnitude = log2(Double(shares))
        let exponent = (magnitude * magnitude + 125 * magnitude) / 612 - 7.0 / 34
        return UInt64(pow(10, exponent).rounded(.up))
    }

    mutating func addProcessor(_ cpu: LinuxResources.CPU) throws(ResourceError) {
        // An idle group has no weight: it is set before the group becomes idle and after it has been.
        if cpu.idle == 0 { try addIdle(0) }
        if let shares = cpu.shares, shares != 0 { try addShares(shares) }
        try addBandwidth(cpu)
        if let idle = cpu.idle, idle != 0 { try addIdle(idle) }
        try addRealtime(cpu)
        for (value, member) in [(cpu.cpus, "cpu.cpus"), (cpu.mems, "cpu.mems")] {
            guard let value, !value.isEmpty else { continue }
            add(try home("cpuset", member), "cpuset." + member.dropFirst(4), value, member)
        }
    }

    private mutating func addIdle(_ idle: Int64) throws(ResourceError) {
        add(try home("cpu", "cpu.idle"), "cpu.idle", "\(idle)", "cpu.idle")
    }

    private mutating func addShares(_ shares: UInt64) throws(ResourceError) {
        let home = try home("cpu", "cpu.shares")
        if home == .unified {
            add(home, "cpu.weight", "\(Self.weight(shares: shares))", "cpu.shares")
        } else {
            try check(Self.shares.contains(shares), "cpu.shares", "\(shares) is not of 2 to 262144")
            add(home, "cpu.shares", "\(shares)", "cpu.shares")
        }
    }

    private mutating func addBandwidth(_ cpu: LinuxResources.CPU) throws(ResourceError) {
        let quota = cpu.quota == 0 ? nil : cpu.quota
        let period = cpu.period == 0 ? nil : cpu.period
        guard quota != nil || period != nil || cpu.burst != nil else { return }
        let member = quota != nil ? "cpu.quota" : period != nil ? "cpu.period" : "cpu.burst"
        let home = try home("cpu", member)
        // Each is measured by the kernel against the others in force.
        let isRepeated = quota != nil
        guard home == .unified else {
            if let period { add(home, "cpu.cfs_period_us", "\(period)", isRepeated: isRepeated, "cpu.period") }
            if let burst = cpu.burst {
                add(home, "cpu.cfs_burst_us", "\(burst)", absence: .isSkipped, isRepeated: isRepeated, "cpu.burst")
            }
            if let quota { add(home, "cpu.cfs_quota_us", "\(quota)", "cpu.quota") }
            return
        }
        if let burst = cpu.burst { add(home, "cpu.max.burst", "\(burst)", isRepeated: isRepeated, "cpu.burst") }
        if quota != nil || period != nil {
            // One file for both: a period without a quota takes away the one in force.
            let text = quota.map { $0 > 0 ? "\($0)" : "max" } ?? "max"
            add(home, "cpu.max", "\(text) \(period ?? 100_000)", member)
        }
    }

    private mutating func addRealtime(_ cpu: LinuxResources.CPU) throws(ResourceError) {
        let hasRuntime = cpu.realtimeRuntime ?? 0 != 0
        if let period = cpu.realtimePeriod, period != 0 {
            let home = try legacyHome("cpu", "cpu.realtimePeriod")
            add(home, "cpu.rt_period_us", "\(period)", isRepeated: hasRuntime, "cpu.realtimePeriod")
        }
        if let runtime = cpu.realtimeRuntime, runtime != 0 {
            let home = try legacyHome("cpu", "cpu.realtimeRuntime")
            add(home, "cpu.rt_runtime_us", "\(runtime)", "cpu.realtimeRuntime")
        }
    }
}
