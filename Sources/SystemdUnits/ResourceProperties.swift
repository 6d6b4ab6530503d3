import RuntimeSpec

/// `linux.resources` as properties of a unit, so that systemd does not set what the runtime wrote into the group's
/// files back to what it knows itself (systemd.resource-control(5)).
///
/// What systemd has no property for (swappiness, huge pages, bursts, throttles) is left to the group's files.
public struct ResourceProperties {
    public let hierarchy: SystemdHierarchy
    /// ``SystemdManager/version()``: older ones know fewer properties.
    public let version: Int
    private let weight: (UInt64) -> UInt64
    private var list: [UnitProperty] = []

    /// systemd 242 has CPUQuotaPeriodUSec, 244 AllowedCPUs and AllowedMemoryNodes, 252 idle groups.
    static let (quotaPeriodVersion, processorSetVersion, idleVersion) = (242, 244, 252)

    /// - Parameter weight: v2's weight for v1's shares, the same as is written into the group's file.
    public init(hierarchy: SystemdHierarchy, version: Int, weight: @escaping (_ shares: UInt64) -> UInt64) {
        self.hierarchy = hierarchy
        self.version = version
        self.weight = weight
    }

    /// The properties of these resources, without devices (``DeviceProperties``).
    ///
    /// - Throws: ``SystemdError/invalidProperty(_:reason:)`` with the member's path.
    public func properties(_ resources: LinuxResources) throws(SystemdError) -> [UnitProperty] {
        var copy = self
        if let memory = resources.memory { try copy.addMemory(memory) }
        if let cpu = resources.cpu { try copy.addProcessor(cpu) }
        if let limit = resources.pids?.limit { copy.add("TasksMax", Self.orInfinity(limit == 0 ? 1 : limit)) }
        if hierarchy == .legacy, let weight = resources.blockIO?.weight, weight != 0 {
            copy.add("BlockIOWeight", UInt64(weight))
        }
        for (file, text) in (resources.unified ?? [:]).sorted(by: { $0.key < $1.key }) {
            try copy.addUnified(file, text, idle: resources.unified?["cpu.idle"])
        }
        return copy.list
    }

    private mutating func add(_ name: String, _ number: UInt64) { list.append(UnitProperty(name, .uint64(number))) }

    private static func orInfinity(_ limit: Int64) -> UInt64 { UInt64(exactly: limit) ?? UnitProperty.infinity }

    private func failure(_ member: String, _ reason: String) -> SystemdError {
        .invalidProperty("linux.resources." + member, reason: reason)
    }

    private mutating func addMemory(_ memory: LinuxResources.Memory) throws(SystemdError) {
        let limit = memory.limit == 0 ? nil : memory.limit
        if let limit { add(hierarchy == .unified ? "MemoryMax" : "MemoryLimit", Self.orInfinity(limit)) }
        guard hierarchy == .unified else { return }
        if let reservation = memory.reservation, reservation != 0 { add("MemoryLow", Self.orInfinity(reservation)) }
        // v2 limits swap by itself, the specification memory and swap together.
        guard let total = memory.swap, total != 0 else {
            if let limit, limit < 0 { add("MemorySwapMax", UnitProperty.infinity) }
            return
        }
        if total < 0 || limit ?? 0 < 0 { return add("MemorySwapMax", UnitProperty.infinity) }
        guard let limit else { throw failure("memory.swap", "needs memory.limit in cgroup v2") }
        guard total >= limit else {
            throw failure("memory.swap", "\(total) is less than memory.limit, which it includes")
        }
        add("MemorySwapMax", UInt64(total - limit))
    }

    private mutating func addProcessor(_ cpu: LinuxResources.CPU) throws(SystemdError) {
        if hierarchy == .unified, cpu.idle == 1, version >= Self.idleVersion {
            add("CPUWeight", 0)
        } else if let shares = cpu.shares, shares != 0 {
            if hierarchy == .unified { add("CPUWeight", weight(shares)) } else { add("CPUShares", shares) }
        }
        try addQuota(cpu.quota ?? 0, period: cpu.period ?? 0, "cpu.quota")
        try addSet("AllowedCPUs", cpu.cpus, "cpu.cpus")
        try addSet("AllowedMemoryNodes", cpu.mems, "cpu.mems")
    }

    /// The kernel's period where none is given, in microseconds.
    static let defaultPeriod: UInt64 = 100_000
    /// systemd rounds down to hundredths of a processor; rounding up lets groups below have what was asked for.
    static let quotaStep: UInt64 = 10_000

    private mutating func addQuota(_ quota: Int64, period: UInt64, _ member: String) throws(SystemdError) {
        guard quota != 0 || period != 0 else { return }
        if period != 0, version >= Self.quotaPeriodVersion { add("CPUQuotaPeriodUSec", period) }
        guard quota > 0 else { return add("CPUQuotaPerSecUSec", UnitProperty.infinity) }
        let period = period == 0 ? Self.defaultPeriod : period
        let (high, low) = UInt64(quota).multipliedFullWidth(by: 1_000_000)
        guard high < period, case let perSecond = period.dividingFullWidth((high, low)).quotient,
            perSecond <= UInt64.max - Self.quotaStep
        else { throw failure(member, "\(quota) of \(period) microseconds is more than systemd can say") }
        add("CPUQuotaPerSecUSec", (perSecond + Self.quotaStep - 1) / Self.quotaStep * Self.quotaStep)
    }

    private mutating func addSet(_ name: String, _ text: String?, _ member: String) throws(SystemdError) {
        guard let text, !text.isEmpty else { return }
        guard let bits = Self.bits(text) else {
            throw failure(member, "\"\(text)\" is no list such as 0-3,7 with numbers below \(Self.setLimit)")
        }
        if version >= Self.processorSetVersion { list.append(UnitProperty(name, .bytes(bits))) }
    }

    /// The most processors or memory nodes (the kernel's NR_CPUS).
    static let setLimit = 8192

    /// `0-3,7` as a set of bits, the first byte for 0 to 7, its least significant bit for 0; nil for what is no list.
    static func bits(_ text: String) -> [UInt8]? {
        var bits: [UInt8] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = item.trimmed.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first <= last, last < setLimit
            else { return nil }
            let missing = Int(last) / 8 + 1 - bits.count
            if missing > 0 { bits += [UInt8](repeating: 0, count: missing) }
            for number in first...last { bits[Int(number) / 8] |= 1 << (number % 8) }
        }
        return bits
    }

    /// A file of cgroup v2 that has a property; others are left to the file.
    private mutating func addUnified(_ file: String, _ text: String, idle: String?) throws(SystemdError) {
        guard hierarchy == .unified else { throw failure("unified", "needs cgroup v2") }
        let member = "unified[\(file)]"
        let text = String(text[...].trimmed)
        let words = text.split(separator: " ")
        let isIdle = idle.map { $0[...].trimmed == "1" } == true && version >= Self.idleVersion
        func number(_ word: Substring) throws(SystemdError) -> UInt64 {
            if word == "max" { return UnitProperty.infinity }
            guard let number = UInt64(word) else { throw failure(member, "\"\(word)\" is no number") }
            return number
        }
        let limits = [
            "memory.high": "MemoryHigh", "memory.low": "MemoryLow", "memory.min": "MemoryMin",
            "memory.max": "MemoryMax", "memory.swap.max": "MemorySwapMax", "pids.max": "TasksMax",
        ]
        switch file {
        case "cpu.idle": if isIdle { add("CPUWeight", 0) }
        case "cpu.weight": if !isIdle { add("CPUWeight", try number(text[...])) }
        case "cpu.max":
            guard (1...2).contains(words.count) else { throw failure(member, "\"\(text)\" is no quota and period") }
            let quota = words[0] == "max" ? 0 : Int64(exactly: try number(words[0]))
            guard let quota else { throw failure(member, "\(words[0]) is too large") }
            try addQuota(quota, period: words.count == 2 ? try number(words[1]) : Self.defaultPeriod, member)
        case "cpuset.cpus": try addSet("AllowedCPUs", text, member)
        case "cpuset.mems": try addSet("AllowedMemoryNodes", text, member)
        default: if let name = limits[file] { add(name, try number(text[...])) }
        }
    }
}

extension Substring {
    /// Without blanks and line ends around it.
    var trimmed: Substring {
        var rest = self.drop { $0.isWhitespace }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }
}
