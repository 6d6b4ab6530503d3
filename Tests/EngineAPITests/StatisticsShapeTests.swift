import EngineModel
import JSON
import Testing
import Values

@testable import EngineAPI

/// Engine API 1.51: ContainerStatsResponse.
@Suite struct StatisticsShapeTests {
    private static func shape(_ change: (inout ContainerStatistics) -> Void) -> JSONValue {
        var statistics = ContainerStatistics(time: ShapeTests.start)
        change(&statistics)
        return StatisticsShape.value(statistics, previous: nil, ShapeTests.record())
    }

    @Test func figuresOfEveryKind() throws {
        let value = Self.shape {
            $0.cpuTotal = 9
            $0.cpuTotals = [4, 5]
            $0.cpuPeriods = 10
            $0.cpuThrottledPeriods = 3
            $0.cpuThrottledTime = 7_000
            $0.memoryUsage = 1000
            $0.memoryMaximum = 2000
            $0.memoryLimit = 4000
            $0.memoryFailures = 6
            $0.memoryDetails = ["cache": 11, "total_inactive_file": 12]
            $0.pids = 3
            $0.pidsLimit = 9
            $0.blockEntries[.serviceBytes] = [.init(major: 8, minor: 16, operation: "Read", value: 512)]
            $0.blockEntries[.queued] = [.init(major: 8, minor: 16, operation: "Total", value: 5)]
        }
        #expect(value["name"] == "/web" && value["read"] == "2026-03-01T12:00:00.5Z")
        #expect(value["preread"] == "0001-01-01T00:00:00Z")
        #expect(value["cpu_stats"]?["cpu_usage"]?["percpu_usage"] == [4, 5])
        #expect(
            value["cpu_stats"]?["throttling_data"]
                == ["periods": 10, "throttled_periods": 3, "throttled_time": 7_000])
        #expect(
            value["memory_stats"] == [
                "usage": 1000, "max_usage": 2000, "limit": 4000, "failcnt": 6,
                "stats": ["cache": 11, "total_inactive_file": 12],
            ])
        #expect(value["pids_stats"] == ["current": 3, "limit": 9])
        #expect(
            value["blkio_stats"] == [
                "io_service_bytes_recursive": [["major": 8, "minor": 16, "op": "Read", "value": 512]],
                "io_serviced_recursive": nil,
                "io_queue_recursive": [["major": 8, "minor": 16, "op": "Total", "value": 5]],
                "io_service_time_recursive": nil, "io_wait_time_recursive": nil, "io_merged_recursive": nil,
                "io_time_recursive": nil, "sectors_recursive": nil,
            ])
    }

    /// As in cgroup v2, and of a container that does not run.
    @Test func whatThereIsNotIsLeftOut() throws {
        let value = Self.shape { $0.memoryUsage = 1000 }
        #expect(value["memory_stats"] == ["usage": 1000, "limit": 0, "stats": [:]])
        let blocks = try #require(value["blkio_stats"]?.object)
        #expect(blocks.count == 8 && blocks.values.allSatisfy(\.isNull))
        #expect(value["cpu_stats"]?["cpu_usage"]?["percpu_usage"] == nil)
    }
}
