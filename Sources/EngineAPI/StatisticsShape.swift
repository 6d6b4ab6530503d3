import EngineModel
import JSON
import Values

/// Figures as `docker stats` reads them.
enum StatisticsShape {
    /// Engine API: ContainerStatsResponse.
    static func value(
        _ now: ContainerStatistics, previous: ContainerStatistics?, _ record: ContainerRecord
    ) -> JSONValue {
        var value: JSONValue = [
            "name": .string("/" + record.name), "id": .string(record.id), "read": .string(now.time.description),
            "preread": .string(previous?.time.description ?? Timestamp.zeroText),
            "pids_stats": ["current": .integer(now.pids), "limit": .integer(now.pidsLimit)],
            "blkio_stats": blocks(now), "num_procs": 0, "storage_stats": [:], "cpu_stats": cpu(now),
            "precpu_stats": cpu(previous ?? ContainerStatistics(time: .epoch)), "memory_stats": memory(now),
        ]
        var networks: [String: JSONValue] = [:]
        for interface in now.interfaces {
            networks[interface.name] = [
                "rx_bytes": count(interface.receivedBytes), "rx_packets": count(interface.receivedPackets),
                "rx_errors": count(interface.receiveErrors), "rx_dropped": count(interface.receiveDropped),
                "tx_bytes": count(interface.sentBytes), "tx_packets": count(interface.sentPackets),
                "tx_errors": count(interface.sendErrors), "tx_dropped": count(interface.sendDropped),
            ]
        }
        value["networks"] = .object(networks)
        return value
    }

    private static func cpu(_ statistics: ContainerStatistics) -> JSONValue {
        var usage: JSONValue = [
            "total_usage": .integer(statistics.cpuTotal), "usage_in_kernelmode": .integer(statistics.cpuKernel),
            "usage_in_usermode": .integer(statistics.cpuUser),
        ]
        if !statistics.cpuTotals.isEmpty {
            usage["percpu_usage"] = .array(statistics.cpuTotals.map { .integer($0) })
        }
        return [
            "cpu_usage": usage, "system_cpu_usage": .integer(statistics.systemCPU),
            "online_cpus": .integer(Int64(statistics.onlineCPUs)),
            "throttling_data": [
                "periods": .integer(statistics.cpuPeriods),
                "throttled_periods": .integer(statistics.cpuThrottledPeriods),
                "throttled_time": .integer(statistics.cpuThrottledTime),
            ],
        ]
    }

    /// Docker leaves out what is zero, as are the maximum and, until memory runs out, the failures in cgroup v2.
    private static func memory(_ statistics: ContainerStatistics) -> JSONValue {
        var value: JSONValue = [
            "usage": .integer(statistics.memoryUsage), "limit": .integer(statistics.memoryLimit),
            "stats": .object(statistics.memoryDetails.mapValues { .integer($0) }),
        ]
        if statistics.memoryMaximum != 0 { value["max_usage"] = .integer(statistics.memoryMaximum) }
        if statistics.memoryFailures != 0 { value["failcnt"] = .integer(statistics.memoryFailures) }
        return value
    }

    /// Every member, null where nothing was counted.
    private static func blocks(_ statistics: ContainerStatistics) -> JSONValue {
        var value: JSONValue = [:]
        for figure in ContainerStatistics.BlockFigure.allCases {
            let entries = statistics.blockEntries[figure] ?? []
            let list = entries.map { entry -> JSONValue in
                [
                    "major": .integer(entry.major), "minor": .integer(entry.minor), "op": .string(entry.operation),
                    "value": .integer(entry.value),
                ]
            }
            value[figure.rawValue] = .some(list.isEmpty ? .null : .array(list))
        }
        return value
    }

    private static func count(_ number: UInt64) -> JSONValue { .integer(Int64(clamping: number)) }
}
