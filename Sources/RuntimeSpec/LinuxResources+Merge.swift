extension LinuxResources {
    /// What is in force after an `update`, to be stored: each member that `update` gives replaces the one here, lists
    /// as a whole, `rdma` and `unified` name by name, `hugepageLimits` size by size. As in runc zero asks for nothing
    /// where it cannot be meant (limits, shares, quota, period, weight, empty sets of processors), and rules of devices
    /// are not changed by an update.
    public func merged(with update: LinuxResources) -> LinuxResources {
        var result = self
        if let given = update.memory { result.memory = (memory ?? Memory()).merged(with: given) }
        if let given = update.cpu { result.cpu = (cpu ?? CPU()).merged(with: given) }
        if let limit = meant(update.pids?.limit) {
            result.pids = pids ?? PIDs()
            result.pids?.limit = limit
        }
        if let given = update.blockIO { result.blockIO = (blockIO ?? BlockIO()).merged(with: given) }
        if let given = update.hugepageLimits {
            let kept = (hugepageLimits ?? []).filter { old in !given.contains { $0.pageSize == old.pageSize } }
            result.hugepageLimits = kept + given
        }
        if let given = update.network {
            result.network = network ?? Network()
            if let id = meant(given.classID) { result.network?.classID = id }
            if let priorities = given.priorities { result.network?.priorities = priorities }
        }
        if let given = update.rdma { result.rdma = (rdma ?? [:]).merging(given) { $1 } }
        if let given = update.unified { result.unified = (unified ?? [:]).merging(given) { $1 } }
        return result
    }

    /// What an `update` is to write: itself, and those values here that the kernel takes together with one that it
    /// gives: quota and period, memory and swap, the check that belongs to the limit. Without rules of devices.
    public func completing(_ update: LinuxResources) -> LinuxResources {
        var result = update
        result.devices = nil
        if update.pids?.limit == 0 { result.pids = nil }
        if let given = update.cpu {
            if meant(given.quota) != nil, meant(given.period) == nil { result.cpu?.period = cpu?.period }
            if meant(given.period) != nil, meant(given.quota) == nil { result.cpu?.quota = cpu?.quota }
        }
        if let given = update.memory {
            if meant(given.swap) != nil, meant(given.limit) == nil { result.memory?.limit = memory?.limit }
            if given.checkBeforeUpdate == nil { result.memory?.checkBeforeUpdate = memory?.checkBeforeUpdate }
        }
        return result
    }
}

/// Nil where nothing is asked for.
private func meant<Number: BinaryInteger>(_ value: Number?) -> Number? { value == 0 ? nil : value }

extension LinuxResources.Memory {
    fileprivate func merged(with update: Self) -> Self {
        var result = self
        result.limit = meant(update.limit) ?? limit
        result.reservation = meant(update.reservation) ?? reservation
        result.swap = meant(update.swap) ?? swap
        result.kernel = meant(update.kernel) ?? kernel
        result.kernelTCP = meant(update.kernelTCP) ?? kernelTCP
        result.swappiness = update.swappiness ?? swappiness
        result.disableOOMKiller = update.disableOOMKiller ?? disableOOMKiller
        result.useHierarchy = update.useHierarchy ?? useHierarchy
        result.checkBeforeUpdate = update.checkBeforeUpdate ?? checkBeforeUpdate
        return result
    }
}

extension LinuxResources.CPU {
    fileprivate func merged(with update: Self) -> Self {
        var result = self
        result.shares = meant(update.shares) ?? shares
        result.quota = meant(update.quota) ?? quota
        result.burst = update.burst ?? burst
        result.period = meant(update.period) ?? period
        result.realtimeRuntime = meant(update.realtimeRuntime) ?? realtimeRuntime
        result.realtimePeriod = meant(update.realtimePeriod) ?? realtimePeriod
        result.cpus = update.cpus.flatMap { $0.isEmpty ? nil : $0 } ?? cpus
        result.mems = update.mems.flatMap { $0.isEmpty ? nil : $0 } ?? mems
        result.idle = update.idle ?? idle
        return result
    }
}

extension LinuxResources.BlockIO {
    fileprivate func merged(with update: Self) -> Self {
        var result = self
        result.weight = meant(update.weight) ?? weight
        result.leafWeight = meant(update.leafWeight) ?? leafWeight
        result.weightDevice = update.weightDevice ?? weightDevice
        result.throttleReadBpsDevice = update.throttleReadBpsDevice ?? throttleReadBpsDevice
        result.throttleWriteBpsDevice = update.throttleWriteBpsDevice ?? throttleWriteBpsDevice
        result.throttleReadIOPSDevice = update.throttleReadIOPSDevice ?? throttleReadIOPSDevice
        result.throttleWriteIOPSDevice = update.throttleWriteIOPSDevice ?? throttleWriteIOPSDevice
        return result
    }
}
