import LinuxSystem
import TestSupport
import Testing

@testable import Cgroups

/// The kernel's texts of a group's figures.
@Suite struct GroupDetailsTests {
    @Test func pressure() throws {
        let text = """
            some avg10=1.25 avg60=0.50 avg300=100.00 total=1234
            full avg10=0.00 avg60=0.00 avg300=0.75 total=18446744073709551615

            """
        let pressure = try #require(Pressure(text))
        #expect(pressure.some.average10 == 1.25 && pressure.some.average60 == 0.5 && pressure.some.total == 1234)
        #expect(pressure.some.average300 == 100 && pressure.full.average300 == 0.75 && pressure.full.total == .max)
        for bad in ["", "all avg10=1", "some avg10"] { #expect(Pressure(bad) == nil) }
    }

    @Test func blockCounters() {
        #expect(
            BlockCounter.legacy("8:0 Read 12\n8:16 Write 7\n8:0 99\n8:0 Total x\nTotal 118\n") == [
                BlockCounter(major: 8, minor: 0, operation: "Read", value: 12),
                BlockCounter(major: 8, minor: 16, operation: "Write", value: 7),
                BlockCounter(major: 8, minor: 0, operation: "", value: 99),
            ])
        let counters = BlockCounter.unified("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.wait=9\n")
        #expect(counters[.serviceBytes]?.map(\.operation) == ["Read", "Write", "Discard"])
        #expect(counters[.serviceBytes]?.map(\.value) == [1, 2, 5])
        #expect(counters[.serviced]?.map(\.value) == [3, 4, 6])
        #expect(counters.count == 2)
    }

    /// v1's files played by plain ones: the first scheduler that counts, and its sums over the groups below.
    @Test func blockCountersOfTheSchedulerThatCounts() throws {
        let directory = try TemporaryDirectory()
        func statistics() -> GroupStatistics {
            ControlGroup(directories: [.init(controllers: ["blkio"], base: directory.path, name: "")]).statistics()
        }
        #expect(statistics().blockCounters.isEmpty && !statistics().isUnified)
        for (file, text) in [
            ("bfq.io_serviced_recursive", "Total 0\n"), ("throttle.io_serviced", "8:0 Read 1\nTotal 1\n"),
            ("throttle.io_service_bytes", "8:0 Read 512\nTotal 512\n"),
        ] {
            try directory.write("blkio." + file, text)
        }
        func bytes() -> [Int64]? { statistics().blockCounters[.serviceBytes]?.map(\.value) }
        #expect(bytes() == [512])
        try directory.write("blkio.throttle.io_serviced_recursive", "8:0 Read 2\nTotal 2\n")
        try directory.write("blkio.throttle.io_service_bytes_recursive", "8:0 Read 1024\nTotal 1024\n")
        #expect(bytes() == [1024])
        try directory.write("blkio.bfq.io_serviced_recursive", "8:0 Read 3\nTotal 3\n")
        try directory.write("blkio.bfq.io_service_bytes_recursive", "8:0 Read 4096\nTotal 4096\n")
        #expect(bytes() == [4096] && statistics().blockCounters.keys.count == 2)
    }

    /// cpuset(7): List format.
    @Test(arguments: [("0-2,4\n", [0, 1, 2, 4]), ("", []), ("\n", []), ("7", [7]), ("3-1", []), ("x", [])])
    func ranges(text: String, numbers: [UInt16]) { #expect(ControlGroup.numbers(inRanges: text) == numbers) }
}
