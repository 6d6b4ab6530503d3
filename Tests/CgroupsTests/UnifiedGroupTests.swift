import Cgroups
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

/// cgroup v2 with all controllers, played by plain files: which are written, and what is read from them.
@Suite struct UnifiedGroupTests {
    private let directory: TemporaryDirectory
    private let group: ControlGroup

    init() throws {
        directory = try TemporaryDirectory()
        group = ControlGroup(directories: [CgroupDirectory(controllers: [], base: directory.path, name: "group")])
        try Files.makeDirectories(directory.path + "/group")
        try set("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")
    }

    private func set(_ file: String, _ text: String = "") throws {
        try Files.write(directory.path + "/group/" + file, text)
    }

    private func text(_ file: String) throws -> String { try Files.text(directory.path + "/group/" + file) }

    private func apply(_ text: String) throws {
        try group.apply(LinuxResources(parsing: Array(text.utf8)))
    }

    private func refusal(of text: String) throws -> ResourceError? {
        do {
            try apply(text)
            return nil
        } catch let error as ResourceError {
            return error
        }
    }

    @Test func weightsGoWhereTheKernelHasThem() throws {
        try set("io.weight")
        try apply(#"{"blockIO":{"weight":500}}"#)
        #expect(try text("io.weight") == "4950")
        try set("io.bfq.weight")
        try set("io.weight")
        try apply(#"{"blockIO":{"weight":500}}"#)
        #expect(try text("io.bfq.weight") == "500")
        #expect(try text("io.weight").isEmpty)
    }

    @Test func withoutSwapOnlyALimitOfItIsAnError() throws {
        try set("memory.max")
        try apply(#"{"memory":{"limit":64,"swap":64}}"#)
        #expect(try text("memory.max") == "64")
        let error = try #require(try refusal(of: #"{"memory":{"limit":64,"swap":65}}"#))
        #expect(error.member == "linux.resources.memory.swap" && error.errno == ENOENT)
    }

    @Test func usageAboveANewLimit() throws {
        try set("memory.max")
        try set("memory.current", "100\n")
        let error = try #require(try refusal(of: #"{"memory":{"limit":100,"checkBeforeUpdate":true}}"#))
        #expect("\(error)" == "linux.resources.memory.limit: 100 is not above the present use of 100")
        #expect(error.errno == EBUSY)
        #expect(try text("memory.max").isEmpty)
        try apply(#"{"memory":{"limit":101,"checkBeforeUpdate":true}}"#)
        #expect(try text("memory.max") == "101")
    }

    /// The engine's limits, which say less.
    @Test func engineLimits() throws {
        for file in ["memory.max", "memory.low", "cpu.max", "cpu.weight", "cpuset.cpus", "cpuset.mems", "pids.max"] {
            try set(file)
        }
        var limits = ResourceLimits()
        limits.memoryBytes = 64
        limits.memoryAndSwapBytes = 100
        limits.memoryReservationBytes = 32
        limits.cpuPeriod = 50_000
        limits.cpuShares = 1024
        limits.cpus = "0"
        limits.memoryNodes = "0"
        limits.pids = 0
        // Where the kernel does not count swap its limit means nothing.
        try group.apply(limits)
        for (file, expected) in [
            ("memory.max", "64"), ("memory.low", "32"), ("cpu.max", "max 50000"), ("cpu.weight", "100"),
            ("cpuset.cpus", "0"), ("cpuset.mems", "0"), ("pids.max", "max"),
        ] {
            #expect(try text(file) == expected)
        }
        try set("memory.swap.max")
        try group.apply(limits)
        #expect(try text("memory.swap.max") == "36")
        // Without a limit of memory there is nothing to subtract from.
        try set("memory.swap.max")
        limits.memoryBytes = nil
        try group.apply(limits)
        #expect(try text("memory.swap.max").isEmpty)
        unlink(directory.path + "/group/pids.max")
        #expect(throws: SystemError.self) { try group.apply(limits) }
    }

    @Test func figures() throws {
        try set("memory.current", "1000\n")
        try set("memory.max", "4000\n")
        try set("memory.events", "low 0\nhigh 1\nmax 7\noom 1\noom_kill 2\n")
        try set("memory.swap.current", "300\n")
        try set("memory.swap.max", "500\n")
        try set("memory.swap.events", "high 0\nmax 3\nfail 4\n")
        try set("memory.pressure", "some avg10=2.50 avg60=0.00 avg300=0.00 total=9\n")
        try set("hugetlb.2MB.max", "max\n")
        try set("hugetlb.2MB.current", "0\n")
        try set("hugetlb.2MB.rsvd.current", "4194304\n")
        try set("hugetlb.2MB.rsvd.max", "max\n")
        try set("hugetlb.2MB.events", "max 5\n")
        try set("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n")
        let statistics = group.statistics()
        #expect(statistics.isUnified && statistics.cpuTotals.isEmpty)
        #expect(statistics.memoryFailures == 7 && statistics.memoryExhaustions == 1 && group.oomKills() == 2)
        #expect(statistics.blockCounters[.serviced]?.map(\.value) == [3, 4, 0])
        let details = group.details()
        #expect(details.swap.usage == 300 && details.swap.limit == 500 && details.swap.failures == 3)
        #expect(details.memoryAndSwap.usage == 1300 && details.memoryAndSwap.limit == 4500)
        #expect(details.memoryPressure?.some.average10 == 2.5 && details.cpuPressure == nil)
        #expect(details.hugepages.keys.sorted() == ["2MB"])
        #expect(details.hugepages["2MB"]?.usage == 4_194_304 && details.hugepages["2MB"]?.failures == 5)
        #expect(details.cpuset == nil && details.cpuUsers.isEmpty)
        // Swap without a limit.
        try set("memory.swap.max", "max\n")
        #expect(group.details().memoryAndSwap.limit == 0)
    }
}
