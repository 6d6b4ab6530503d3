import Cgroups
import EngineModel
import Testing

@testable import Engine

/// A group's figures as Docker's daemon shows them (moby's daemon/stats_unix.go).
@Suite struct StatisticsTests {
    private static func group(isUnified: Bool) -> GroupStatistics {
        var group = GroupStatistics()
        group.isUnified = isUnified
        group.cpuTotals = isUnified ? [] : [4, 5]
        group.cpuPeriods = 10
        group.cpuThrottledPeriods = 3
        group.cpuThrottledTime = 7_000
        group.memoryUsage = 1000
        group.memoryMaximum = 2000
        group.memoryLimit = 4000
        group.memoryFailures = 6
        group.memoryExhaustions = isUnified ? 2 : 0
        group.memoryDetails = ["inactive_file": 12]
        group.pids = 3
        group.pidsLimit = 9
        for (kind, values) in [(BlockCounter.Kind.serviceBytes, [512, 1024, 2048]), (.serviced, [1, 2, 3])] {
            group.blockCounters[kind] = zip(["Read", "Write", "Discard"], values).map {
                BlockCounter(major: 8, minor: 16, operation: $0, value: Int64($1))
            }
        }
        group.blockCounters[.queued] = [BlockCounter(major: 8, minor: 16, operation: "Total", value: 5)]
        return group
    }

    private static func shown(isUnified: Bool) -> ContainerStatistics {
        var result = ContainerStatistics(time: .epoch)
        result.add(group(isUnified: isUnified))
        return result
    }

    @Test(arguments: [false, true]) func whatBothVersionsHave(isUnified: Bool) {
        let shown = Self.shown(isUnified: isUnified)
        #expect(shown.cpuPeriods == 10 && shown.cpuThrottledPeriods == 3 && shown.cpuThrottledTime == 7_000)
        #expect(shown.memoryUsage == 1000 && shown.memoryLimit == 4000 && shown.memoryDetails == ["inactive_file": 12])
        #expect(shown.pids == 3 && shown.pidsLimit == 9)
    }

    @Test func version1() {
        let shown = Self.shown(isUnified: false)
        #expect(shown.cpuTotals == [4, 5])
        #expect(shown.memoryMaximum == 2000 && shown.memoryFailures == 6)
        #expect(Set(shown.blockEntries.keys) == [.serviceBytes, .serviced, .queued])
        #expect(shown.blockEntries[.serviced]?.map(\.value) == [1, 2, 3])
        #expect(
            shown.blockEntries[.serviceBytes]?.last == .init(major: 8, minor: 16, operation: "Discard", value: 2048))
    }

    @Test func version2() {
        let shown = Self.shown(isUnified: true)
        #expect(shown.cpuTotals.isEmpty)
        #expect(shown.memoryMaximum == 0 && shown.memoryFailures == 2)
        #expect(
            shown.blockEntries == [
                .serviceBytes: [
                    .init(major: 8, minor: 16, operation: "read", value: 512),
                    .init(major: 8, minor: 16, operation: "write", value: 1024),
                ]
            ])
    }
}
