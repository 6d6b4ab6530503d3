import Cgroups
import Glibc
import JSON
import RuntimeSpec
import Testing

/// `linux.resources` as writes (OCI runtime-spec, config-linux.md: Control groups), without a kernel.
@Suite struct GroupPlanTests {
    static let legacy = GroupLayout(
        legacy: [
            "memory", "cpu", "cpuacct", "cpuset", "pids", "blkio", "hugetlb", "net_cls", "net_prio", "rdma", "devices",
        ],
        unified: nil)
    static let unified = GroupLayout(
        legacy: [], unified: ["memory", "cpu", "cpuset", "pids", "io", "hugetlb", "rdma", "misc"])
    /// As on a machine whose v2 hierarchy has no controllers.
    static let hybrid = GroupLayout(legacy: ["memory", "cpu", "cpuset", "pids", "blkio"], unified: [])

    struct Case: Sendable, CustomTestStringConvertible {
        var resources: String
        /// Separated by `; `, each as `describe` says it.
        var legacy: String
        var unified: String

        var testDescription: String { resources }
    }

    static func plan(_ resources: String, on layout: GroupLayout) throws -> GroupPlan {
        try GroupPlan(LinuxResources(parsing: Array(resources.utf8)), on: layout)
    }

    /// `file text`, with `?` where the file may be missing, `|file text` where another takes its place, `~` where it
    /// is written again after the others; the error where there is one.
    static func describe(_ resources: String, on layout: GroupLayout) -> String {
        do {
            let plan = try plan(resources, on: layout)
            for write in plan.writes { #expect((write.controller == nil) == layout.isUnifiedOnly) }
            return plan.writes.map { write in
                var text = "\(write.file) \(write.text)"
                switch write.absence {
                case .fails: break
                case .isSkipped: text += "?"
                case .replaced(let file, let other): text += "|\(file) \(other)"
                }
                return text + (write.isRepeated ? "~" : "")
            }.joined(separator: "; ")
        } catch {
            return "\(error)"
        }
    }

    static func check(_ table: Case) {
        #expect(describe(table.resources, on: legacy) == table.legacy)
        #expect(describe(table.resources, on: unified) == table.unified)
    }

    @Test(arguments: [
        Case(resources: "{}", legacy: "", unified: ""),
        Case(
            resources: #"{"memory":{"limit":64}}"#, legacy: "memory.limit_in_bytes 64", unified: "memory.max 64"),
        Case(
            resources: #"{"memory":{"limit":64,"swap":100,"reservation":32}}"#,
            legacy: "memory.limit_in_bytes 64~; memory.memsw.limit_in_bytes 100; memory.soft_limit_in_bytes 32",
            unified: "memory.swap.max 36; memory.max 64; memory.low 32"),
        // No swap at all, which needs no file where the kernel has no swap.
        Case(
            resources: #"{"memory":{"limit":64,"swap":64}}"#,
            legacy: "memory.limit_in_bytes 64~; memory.memsw.limit_in_bytes 64",
            unified: "memory.swap.max 0?; memory.max 64"),
        Case(
            resources: #"{"memory":{"limit":64,"swap":-1}}"#,
            legacy: "memory.limit_in_bytes 64~; memory.memsw.limit_in_bytes -1",
            unified: "memory.swap.max max?; memory.max 64"),
        // No limit of memory takes swap's with it.
        Case(
            resources: #"{"memory":{"limit":-1}}"#,
            legacy: "memory.limit_in_bytes -1~; memory.memsw.limit_in_bytes -1?",
            unified: "memory.swap.max max?; memory.max max"),
        Case(
            resources: #"{"memory":{"limit":-1,"swap":50,"reservation":-1}}"#,
            legacy: "memory.limit_in_bytes -1~; memory.memsw.limit_in_bytes 50; memory.soft_limit_in_bytes -1",
            unified: "memory.swap.max 50; memory.max max; memory.low max"),
        Case(
            resources: #"{"memory":{"swap":50}}"#, legacy: "memory.memsw.limit_in_bytes 50",
            unified: "linux.resources.memory.swap: needs memory.limit in cgroup v2"),
        Case(
            resources: #"{"memory":{"limit":50,"swap":40}}"#,
            legacy: "memory.limit_in_bytes 50~; memory.memsw.limit_in_bytes 40",
            unified: "linux.resources.memory.swap: 40 is less than memory.limit, which it includes"),
        Case(
            resources: #"{"memory":{"limit":-2}}"#,
            legacy: "linux.resources.memory.limit: -2 is neither a number of bytes nor -1",
            unified: "linux.resources.memory.limit: -2 is neither a number of bytes nor -1"),
        Case(
            resources: #"{"memory":{"limit":0,"swap":0,"kernel":5,"kernelTCP":6,"useHierarchy":true}}"#,
            legacy: "memory.kmem.tcp.limit_in_bytes 6?", unified: ""),
        Case(
            resources: #"{"memory":{"swappiness":60}}"#, legacy: "memory.swappiness 60",
            unified: "linux.resources.memory.swappiness: cgroup v2 has none"),
        Case(
            resources: #"{"memory":{"swappiness":101}}"#,
            legacy: "linux.resources.memory.swappiness: 101 is not of 0 to 100",
            unified: "linux.resources.memory.swappiness: cgroup v2 has none"),
        Case(
            resources: #"{"memory":{"disableOOMKiller":true}}"#, legacy: "memory.oom_control 1",
            unified: "linux.resources.memory.disableOOMKiller: cgroup v2 has none"),
        Case(resources: #"{"memory":{"disableOOMKiller":false}}"#, legacy: "", unified: ""),
    ]) func memory(_ table: Case) { Self.check(table) }

    @Test func usageIsCheckedInV2Only() throws {
        let text = #"{"memory":{"limit":64,"swap":100,"checkBeforeUpdate":true}}"#
        #expect(try Self.plan(text, on: Self.legacy).checks.isEmpty)
        let checks = try Self.plan(text, on: Self.unified).checks
        #expect(
            checks == [
                UsageCheck(file: "memory.current", limit: 100, member: "memory.swap"),
                UsageCheck(file: "memory.current", limit: 64, member: "memory.limit"),
            ])
        #expect(try Self.plan(#"{"memory":{"limit":64}}"#, on: Self.unified).checks.isEmpty)
    }

    @Test(arguments: [
        Case(resources: #"{"cpu":{"shares":1024}}"#, legacy: "cpu.shares 1024", unified: "cpu.weight 100"),
        Case(
            resources: #"{"cpu":{"shares":1}}"#, legacy: "linux.resources.cpu.shares: 1 is not of 2 to 262144",
            unified: "cpu.weight 1"),
        Case(
            resources: #"{"cpu":{"quota":50000,"period":20000,"burst":1000}}"#,
            legacy: "cpu.cfs_period_us 20000~; cpu.cfs_burst_us 1000?~; cpu.cfs_quota_us 50000",
            unified: "cpu.max.burst 1000~; cpu.max 50000 20000"),
        Case(resources: #"{"cpu":{"quota":-1}}"#, legacy: "cpu.cfs_quota_us -1", unified: "cpu.max max 100000"),
        Case(resources: #"{"cpu":{"period":5000}}"#, legacy: "cpu.cfs_period_us 5000", unified: "cpu.max max 5000"),
        Case(resources: #"{"cpu":{"burst":0}}"#, legacy: "cpu.cfs_burst_us 0?", unified: "cpu.max.burst 0"),
        Case(
            resources: #"{"cpu":{"idle":1,"shares":2,"quota":5}}"#,
            legacy: "cpu.shares 2; cpu.cfs_quota_us 5; cpu.idle 1",
            unified: "cpu.weight 1; cpu.max 5 100000; cpu.idle 1"),
        Case(
            resources: #"{"cpu":{"idle":0,"shares":2}}"#, legacy: "cpu.idle 0; cpu.shares 2",
            unified: "cpu.idle 0; cpu.weight 1"),
        Case(
            resources: #"{"cpu":{"realtimeRuntime":950,"realtimePeriod":1000}}"#,
            legacy: "cpu.rt_period_us 1000~; cpu.rt_runtime_us 950",
            unified: "linux.resources.cpu.realtimePeriod: cgroup v2 has none"),
        Case(
            resources: #"{"cpu":{"cpus":"0-1","mems":"0"}}"#, legacy: "cpuset.cpus 0-1; cpuset.mems 0",
            unified: "cpuset.cpus 0-1; cpuset.mems 0"),
        Case(
            resources: #"{"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","realtimeRuntime":0}}"#, legacy: "",
            unified: ""),
    ]) func processor(_ table: Case) { Self.check(table) }

    /// The values that runc's own tests name (opencontainers/runc pull request 4785).
    @Test(
        arguments: [(1, 1), (2, 1), (3, 2), (1024, 100), (262_143, 10_000), (262_144, 10_000), (262_145, 10_000)]
            as [(UInt64, UInt64)])
    func weights(shares: UInt64, weight: UInt64) { #expect(GroupPlan.weight(shares: shares) == weight) }

    @Test func moreSharesNeverWeighLess() {
        var last: UInt64 = 0
        for shares in stride(from: 2, through: 262_144, by: 97) {
            let weight = GroupPlan.weight(shares: UInt64(shares))
            #expect(weight >= last && (1...10_000).contains(weight))
            last = weight
        }
    }

    @Test(arguments: [
        Case(resources: #"{"pids":{"limit":5}}"#, legacy: "pids.max 5", unified: "pids.max 5"),
        Case(resources: #"{"pids":{"limit":0}}"#, legacy: "pids.max 1", unified: "pids.max 1"),
        Case(resources: #"{"pids":{"limit":-1}}"#, legacy: "pids.max max", unified: "pids.max max"),
        Case(
            resources: #"{"blockIO":{"weight":500}}"#, legacy: "blkio.weight 500|blkio.bfq.weight 500",
            unified: "io.bfq.weight 500|io.weight 4950"),
        Case(
            resources: #"{"blockIO":{"weight":5}}"#, legacy: "linux.resources.blockIO.weight: 5 is not of 10 to 1000",
            unified: "linux.resources.blockIO.weight: 5 is not of 10 to 1000"),
        Case(
            resources: #"{"blockIO":{"leafWeight":20}}"#, legacy: "blkio.leaf_weight 20",
            unified: "linux.resources.blockIO.leafWeight: cgroup v2 has none"),
        Case(
            resources: #"{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":10}]}}"#,
            legacy: "blkio.weight_device 8:0 10|blkio.bfq.weight_device 8:0 10",
            unified: "io.bfq.weight 8:0 10|io.weight 8:0 1"),
        Case(
            resources: #"{"blockIO":{"weightDevice":[{"major":8,"minor":0,"leafWeight":10}]}}"#,
            legacy: "blkio.leaf_weight_device 8:0 10",
            unified: "linux.resources.blockIO.weightDevice[0].leafWeight: cgroup v2 has none"),
        Case(
            resources: """
                {"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}],
                "throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":2}],
                "throttleReadIOPSDevice":[{"major":8,"minor":1,"rate":3}],
                "throttleWriteIOPSDevice":[{"major":8,"minor":1,"rate":0}]}}
                """,
            legacy: "blkio.throttle.read_bps_device 8:0 1; blkio.throttle.write_bps_device 8:0 2; "
                + "blkio.throttle.read_iops_device 8:1 3; blkio.throttle.write_iops_device 8:1 0",
            unified: "io.max 8:0 rbps=1; io.max 8:0 wbps=2; io.max 8:1 riops=3; io.max 8:1 wiops=max"),
        Case(
            resources: #"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#,
            legacy: "hugetlb.2MB.limit_in_bytes 4194304; hugetlb.2MB.rsvd.limit_in_bytes 4194304?",
            unified: "hugetlb.2MB.max 4194304; hugetlb.2MB.rsvd.max 4194304?"),
        Case(
            resources: #"{"hugepageLimits":[{"pageSize":"2/../MB","limit":1}]}"#,
            legacy: #"linux.resources.hugepageLimits[0].pageSize: "2/../MB" is no size such as 2MB"#,
            unified: #"linux.resources.hugepageLimits[0].pageSize: "2/../MB" is no size such as 2MB"#),
        Case(
            resources: #"{"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":5}]}}"#,
            legacy: "net_cls.classid 1048577; net_prio.ifpriomap eth0 5",
            unified: "linux.resources.network.classID: cgroup v2 has none"),
        Case(
            resources: #"{"network":{"priorities":[{"name":"eth0","priority":5}]}}"#,
            legacy: "net_prio.ifpriomap eth0 5",
            unified: "linux.resources.network.priorities[0]: cgroup v2 has none"),
        Case(
            resources: #"{"rdma":{"b":{"hcaObjects":7},"a":{"hcaHandles":3,"hcaObjects":4},"c":{}}}"#,
            legacy: "rdma.max a hca_handle=3 hca_object=4; rdma.max b hca_object=7",
            unified: "rdma.max a hca_handle=3 hca_object=4; rdma.max b hca_object=7"),
        Case(
            resources: #"{"unified":{"memory.high":"5","misc.max":"a 1\nb 2","cgroup.max.depth":"3"}}"#,
            legacy: #"linux.resources.unified["cgroup.max.depth"]: cgroup v2 is not mounted"#,
            unified: "cgroup.max.depth 3; memory.high 5; misc.max a 1; misc.max b 2"),
    ]) func others(_ table: Case) { Self.check(table) }

    @Test(arguments: [
        ("memory.high/../x", "is no file name: it has a slash"), ("memory", "has not the form CONTROLLER.PARAMETER"),
        ("..", "has not the form CONTROLLER.PARAMETER"), ("", "has not the form CONTROLLER.PARAMETER"),
        ("net_cls.classid", "no cgroup v2 controller net_cls for this group"),
    ]) func unifiedNames(name: String, reason: String) {
        #expect(
            Self.describe(#"{"unified":{"\#(name)":"1"}}"#, on: Self.unified)
                == "linux.resources.unified[\"\(name)\"]: \(reason)")
    }

    /// Each controller where it is; the error names what is missing in the hierarchies at hand.
    @Test(arguments: [
        (#"{"hugepageLimits":[{"pageSize":"2MB","limit":1}]}"#, "hugepageLimits[0]", "hugetlb"),
        (#"{"network":{"classID":1}}"#, "network.classID", "net_cls"),
        (#"{"rdma":{"a":{"hcaHandles":3}}}"#, "rdma[\"a\"]", "rdma"),
    ]) func missingControllers(resources: String, member: String, controller: String) throws {
        do {
            _ = try Self.plan(resources, on: Self.hybrid)
            Issue.record("no error")
        } catch let error as ResourceError {
            #expect("\(error)" == "linux.resources.\(member): no cgroup controller \(controller) for this group")
            #expect(error.errno == ENOTSUP)
        }
    }

    @Test func hybridLayouts() throws {
        let layout = GroupLayout(legacy: ["memory"], unified: ["io"])
        let writes = try Self.plan(
            #"{"memory":{"limit":5},"blockIO":{"weight":10},"unified":{"io.latency":"1"}}"#, on: layout
        ).writes
        #expect(writes.map(\.controller) == ["memory", nil, nil])
        #expect(
            Self.describe(#"{"blockIO":{"leafWeight":20}}"#, on: layout)
                == "linux.resources.blockIO.leafWeight: cgroup v2 has none")
        let none = GroupLayout(legacy: [], unified: nil)
        #expect(
            Self.describe(#"{"pids":{"limit":1}}"#, on: none)
                == "linux.resources.pids.limit: no cgroup controller pids for this group")
    }
}
