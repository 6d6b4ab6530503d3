import JSON
import RuntimeSpec
import Testing

/// runc's output of `events`.
@Suite struct ContainerEventTests {
    /// As runc 1.1.5 wrote it, with a few lines of memory.stat.
    private static let runc = """
        {"type":"stats","id":"c1","data":{"cpu":{"usage":{"total":9278727,"percpu":[6748867,2529860],\
        "percpu_kernel":[4000000,0],"percpu_user":[4000000,0],"kernel":0,"user":0},"throttling":{}},\
        "cpuset":{"cpus":[0,1],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,\
        "memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":1,\
        "sched_relax_domain_level":-1},"memory":{"cache":12288,"usage":{"limit":9223372036854771712,"usage":983040,\
        "max":2813952,"failcnt":0},"swap":{"limit":9223372036854771712,"usage":983040,"max":2813952,"failcnt":0},\
        "kernel":{"limit":9223372036854771712,"usage":548864,"max":606208,"failcnt":0},\
        "kernelTCP":{"limit":9223372036854771712,"failcnt":0},"raw":{"active_anon":4096,"cache":12288}},\
        "pids":{"current":1},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}}
        """

    @Test func statistics() throws {
        let event = try JSONCoding.decode(ContainerEvent.self, from: Array(Self.runc.utf8))
        #expect(event.data?.cpu.usage.percpuKernel == [4_000_000, 0])
        #expect(event.data?.cpuset.schedRelaxDomainLevel == -1)
        #expect(event.data?.memory.kernelTCP.usage == nil)
        // The same members and values, no more and no fewer.
        #expect(try JSONCoding.verbatim.value(of: event) == JSONValue(parsing: Array(Self.runc.utf8)))
    }

    @Test func outOfMemory() throws {
        let text = try String(decoding: JSONCoding.encode(ContainerEvent(outOfMemory: "c1")), as: UTF8.self)
        #expect(text == #"{"id":"c1","type":"oom"}"#)
    }

    /// Members that the example does not have (runc's types/events.go).
    @Test func furtherMembers() throws {
        var data = ContainerStatistics()
        data.cpu.throttling.throttledPeriods = 1
        data.cpu.psi = .init()
        data.cpu.psi?.some.avg10 = 0.25
        var entry = ContainerStatistics.BlockIO.Entry()
        entry.major = 8
        entry.op = "Read"
        entry.value = 3
        data.blkio.ioServicedRecursive = [entry]
        data.hugetlb["2MB"] = .init()
        let value = try JSONCoding.verbatim.value(of: ContainerEvent(id: "c", statistics: data))["data"]
        #expect(value?["cpu"]?["throttling"] == ["throttledPeriods": 1])
        #expect(value?["cpu"]?["psi"]?["some"]?["avg10"] == 0.25)
        #expect(value?["blkio"] == ["ioServicedRecursive": [["major": 8, "op": "Read", "value": 3]]])
        #expect(value?["hugetlb"] == ["2MB": ["failcnt": 0]])
        #expect(value?["network_interfaces"] == .null && value?["intel_rdt"] == [:])
    }
}
