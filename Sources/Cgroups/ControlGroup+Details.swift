import LinuxSystem

extension ControlGroup {
    /// The group's further figures; zero, nil or empty where the controller is not there.
    public func details() -> GroupDetails {
        var result = GroupDetails()
        readProcessors(into: &result)
        result.cpuset = path("cpuset").map(Self.cpuset)
        readMemory(into: &result)
        readHugepages(into: &result)
        if let path = unifiedPath {
            result.cpuPressure = (try? Files.text(path + "/cpu.pressure")).flatMap { Pressure($0) }
            result.memoryPressure = (try? Files.text(path + "/memory.pressure")).flatMap { Pressure($0) }
            result.blockPressure = (try? Files.text(path + "/io.pressure")).flatMap { Pressure($0) }
        }
        return result
    }

    private func readProcessors(into result: inout GroupDetails) {
        guard let path = path("cpuacct") else { return }
        // `cpu user system`, then a line for each processor.
        for line in ((try? Files.text(path + "/cpuacct.usage_all")) ?? "").split(separator: "\n").dropFirst() {
            let numbers = line.split(separator: " ").compactMap { Int64($0) }
            guard numbers.count == 3 else { continue }
            result.cpuUsers.append(numbers[1])
            result.cpuKernels.append(numbers[2])
        }
    }

    private static func cpuset(_ path: String) -> CpusetDetails {
        var result = CpusetDetails()
        result.cpus = numbers(inRanges: (try? Files.text(path + "/cpuset.cpus")) ?? "")
        result.memoryNodes = numbers(inRanges: (try? Files.text(path + "/cpuset.mems")) ?? "")
        for name in [
            "cpu_exclusive", "mem_exclusive", "mem_hardwall", "memory_migrate", "memory_pressure",
            "memory_spread_page", "memory_spread_slab", "sched_load_balance", "sched_relax_domain_level",
        ] {
            result.flags[name] = number("\(path)/cpuset.\(name)")
        }
        return result
    }

    /// `0-2,4` (cpuset(7): List format).
    static func numbers(inRanges text: String) -> [UInt16] {
        text.split { $0 == "," || $0.isWhitespace }.flatMap { piece -> [UInt16] in
            let ends = piece.split(separator: "-").compactMap { UInt16($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }

    private func readMemory(into result: inout GroupDetails) {
        if let path = path("memory") {
            result.memoryAndSwap = Self.counter(path + "/memory.memsw")
            result.kernelMemory = Self.counter(path + "/memory.kmem")
            result.kernelTCPMemory = Self.counter(path + "/memory.kmem.tcp")
        } else if let path = unifiedPath {
            result.swap.usage = Self.number(path + "/memory.swap.current") ?? 0
            result.swap.maximum = Self.number(path + "/memory.swap.peak") ?? 0
            result.swap.limit = Self.number(path + "/memory.swap.max") ?? 0
            result.swap.failures = Self.field("max", in: path + "/memory.swap.events")
            let limit = Self.number(path + "/memory.max") ?? 0
            result.memoryAndSwap.usage = result.swap.usage + (Self.number(path + "/memory.current") ?? 0)
            // No limit of one is none of both.
            let isLimited = limit > 0 && Self.number(path + "/memory.swap.max") != nil
            result.memoryAndSwap.limit = isLimited ? limit.addingReportingOverflow(result.swap.limit).partialValue : 0
        }
    }

    private func readHugepages(into result: inout GroupDetails) {
        guard let path = path("hugetlb") ?? unifiedPath, let names = try? Files.list(path) else { return }
        for name in names where name.hasPrefix("hugetlb.") {
            let words = name.split(separator: ".")
            guard words.count == 3, words[2] == "limit_in_bytes" || words[2] == "max" else { continue }
            let prefix = "\(path)/hugetlb.\(words[1])"
            var counter: MemoryCounter
            if words[2] == "max" {
                counter = MemoryCounter()
                counter.usage = Self.number(prefix + ".rsvd.current") ?? Self.number(prefix + ".current") ?? 0
                counter.limit = Self.number(prefix + ".max") ?? 0
                counter.failures = Self.field("max", in: prefix + ".events")
            } else {
                let isReserved = Files.exists(prefix + ".rsvd.usage_in_bytes")
                counter = Self.counter(isReserved ? prefix + ".rsvd" : prefix)
            }
            result.hugepages[String(words[1])] = counter
        }
    }

    private static func counter(_ prefix: String) -> MemoryCounter {
        var result = MemoryCounter()
        result.usage = number(prefix + ".usage_in_bytes") ?? 0
        result.maximum = number(prefix + ".max_usage_in_bytes") ?? 0
        result.limit = number(prefix + ".limit_in_bytes") ?? 0
        result.failures = number(prefix + ".failcnt") ?? 0
        return result
    }
}
