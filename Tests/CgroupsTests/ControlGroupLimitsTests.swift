import CLinux
import Cgroups
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `linux.resources` in groups on this machine; each test makes one of its own and takes it away.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct ControlGroupLimitsTests {
    private static func withGroup(_ name: String, _ body: (ControlGroup) throws -> Void) throws {
        let group = try ControlGroups().group("martlet-cgroups-test-\(getpid())-\(name)")
        try group.create()
        defer {
            let deadline = Clock.sinceBoot() + 5_000_000_000
            while !group.remove(), Clock.sinceBoot() < deadline { group.killAll() }
        }
        try body(group)
    }

    private static func resources(_ text: String) throws -> LinuxResources {
        try LinuxResources(parsing: Array(text.utf8))
    }

    /// The error that `text` brings; empty where there is none.
    private static func refusal(of text: String, by group: ControlGroup) throws -> String {
        do {
            try group.apply(resources(text))
            return ""
        } catch let error as ResourceError {
            return "\(error)"
        }
    }

    /// The file's text without its end of line; nil where the kernel has no such file, which the output says.
    private static func text(_ group: ControlGroup, _ controller: String, _ file: String) -> String? {
        let directory = group.path(controller) ?? group.unifiedPath ?? ""
        guard let text = try? Files.text(directory + "/" + file) else {
            print("not exercised: \(file), which is not on this machine")
            return nil
        }
        return String(text.prefix { $0 != "\n" })
    }

    private static func usesLegacy(_ group: ControlGroup, _ controllers: String...) -> Bool {
        let isThere = controllers.allSatisfy(group.layout.legacy.contains)
        if !isThere { print("not exercised: cgroup v1's \(controllers), which this machine has not mounted") }
        return isThere
    }

    @Test func memory() throws {
        try Self.withGroup("memory") { group in
            guard Self.usesLegacy(group, "memory") else { return }
            // Up, down, away and back: the order of the two limits depends on those in force.
            let hasSwap = Self.text(group, "memory", "memory.memsw.limit_in_bytes") != nil
            for (limit, total) in [(64, 128), (256, 512), (300, 300), (32, 40), (-1, -1), (16, 32), (-1, 0), (8, 8)] {
                let factor = { (value: Int) in value < 0 ? value : value << 20 }
                let swap = hasSwap ? #","swap":\#(factor(total))"# : ""
                try group.apply(Self.resources(#"{"memory":{"limit":\#(factor(limit))\#(swap)}}"#))
                if limit > 0 {
                    #expect(Self.text(group, "memory", "memory.limit_in_bytes") == "\(limit << 20)")
                    if hasSwap {
                        #expect(Self.text(group, "memory", "memory.memsw.limit_in_bytes") == "\(total << 20)")
                    }
                } else {
                    #expect(group.statistics().memoryLimit > 1 << 50)
                    if hasSwap { #expect(group.details().memoryAndSwap.limit > 1 << 50) }
                }
            }
            try group.apply(
                Self.resources(
                    #"{"memory":{"reservation":4194304,"swappiness":7,"disableOOMKiller":true,"kernel":1}}"#))
            #expect(Self.text(group, "memory", "memory.soft_limit_in_bytes") == "4194304")
            #expect(Self.text(group, "memory", "memory.swappiness") == "7")
            #expect(Self.text(group, "memory", "memory.oom_control") == "oom_kill_disable 1")
        }
    }

    @Test func processor() throws {
        try Self.withGroup("cpu") { group in
            guard Self.usesLegacy(group, "cpu", "cpuset") else { return }
            // Within a parent of half a processor no step may ask for more, whichever comes first.
            let parent = group
            try parent.apply(Self.resources(#"{"cpu":{"quota":50000,"period":100000}}"#))
            let child = ControlGroup(
                directories: parent.directories.map { directory in
                    var directory = directory
                    directory.name += "/child"
                    return directory
                })
            try child.create()
            defer { #expect(child.remove()) }
            for (quota, period) in [(40_000, 100_000), (5_000, 10_000), (400_000, 1_000_000), (2_000, 5_000)] {
                try child.apply(Self.resources(#"{"cpu":{"quota":\#(quota),"period":\#(period),"shares":512}}"#))
                #expect(Self.text(child, "cpu", "cpu.cfs_quota_us") == "\(quota)")
                #expect(Self.text(child, "cpu", "cpu.cfs_period_us") == "\(period)")
            }
            #expect(Self.text(child, "cpu", "cpu.shares") == "512")
            let refusal = try Self.refusal(of: #"{"cpu":{"quota":3}}"#, by: child)
            #expect(refusal.hasPrefix("linux.resources.cpu.quota: \"3\" is refused: write /"))
            try child.apply(Self.resources(#"{"cpu":{"burst":1000,"cpus":"0","mems":"0"}}"#))
            if let burst = Self.text(child, "cpu", "cpu.cfs_burst_us") { #expect(burst == "1000") }
            #expect(Self.text(child, "cpuset", "cpuset.cpus") == "0")
            #expect(child.details().cpuset?.cpus == [0] && child.details().cpuset?.memoryNodes == [0])
            if Self.text(child, "cpu", "cpu.idle") != nil {
                try child.apply(Self.resources(#"{"cpu":{"idle":1,"shares":100}}"#))
                #expect(Self.text(child, "cpu", "cpu.idle") == "1")
                try child.apply(Self.resources(#"{"cpu":{"idle":0,"shares":100}}"#))
                #expect(Self.text(child, "cpu", "cpu.shares") == "100")
            }
        }
    }

    @Test func pidsAndBlocks() throws {
        try Self.withGroup("pids") { group in
            guard Self.usesLegacy(group, "pids", "blkio") else { return }
            try group.apply(Self.resources(#"{"pids":{"limit":0}}"#))
            #expect(Self.text(group, "pids", "pids.max") == "1")
            try group.apply(Self.resources(#"{"pids":{"limit":-1}}"#))
            #expect(Self.text(group, "pids", "pids.max") == "max")
            let path = try #require(group.path("blkio"))
            if Files.exists(path + "/blkio.weight") || Files.exists(path + "/blkio.bfq.weight") {
                try group.apply(Self.resources(#"{"blockIO":{"weight":300}}"#))
                let file = Files.exists(path + "/blkio.weight") ? "blkio.weight" : "blkio.bfq.weight"
                #expect(Self.text(group, "blkio", file)?.hasSuffix("300") == true)
            }
            // The first whole disk of this machine.
            let disks = ((try? Files.list("/sys/block")) ?? []).compactMap { try? Files.text("/sys/block/\($0)/dev") }
            guard let disk = disks.first?.split(whereSeparator: \.isWhitespace).first else {
                print("not exercised: throttles, for want of a block device")
                return
            }
            let number = disk.split(separator: ":")
            let device = #""major":\#(number[0]),"minor":\#(number[1])"#
            try group.apply(
                Self.resources(#"{"blockIO":{"throttleReadBpsDevice":[{\#(device),"rate":1048576}]}}"#))
            #expect(Self.text(group, "blkio", "blkio.throttle.read_bps_device") == "\(disk) 1048576")
            try group.apply(Self.resources(#"{"blockIO":{"throttleReadBpsDevice":[{\#(device),"rate":0}]}}"#))
            #expect(Self.text(group, "blkio", "blkio.throttle.read_bps_device") == "")
        }
    }

    /// In v1 the processes of a group below count too, and recent kernels count only where there is a throttle.
    @Test func blockTransfersAreCounted() throws {
        try Self.withGroup("blocks") { group in
            guard Self.usesLegacy(group, "blkio") else { return }
            let directory = try TemporaryDirectory()
            var file = stat()
            #expect(stat(directory.path, &file) == 0)
            let (major, minor) = (Int64(cl_major(UInt64(file.st_dev))), Int64(cl_minor(UInt64(file.st_dev))))
            let device = #""major":\#(major),"minor":\#(minor)"#
            do {
                try group.apply(
                    Self.resources(#"{"blockIO":{"throttleReadBpsDevice":[{\#(device),"rate":1073741824}]}}"#))
            } catch {
                print("not exercised: block I/O, since \(directory.path) is on no whole disk: \(error)")
                return
            }
            let path = try #require(group.path("blkio"))
            try Files.makeDirectories(path + "/below")
            let script = """
                echo $$ >\(path)/below/cgroup.procs && cd \(directory.path) || exit 1
                dd if=/dev/zero of=file bs=64k count=2 oflag=direct && dd if=file of=/dev/null bs=64k iflag=direct
                """
            let null = try Descriptor.open("/dev/null", O_RDWR)
            let pid = try ChildProcess.spawn(
                "/bin/sh", ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"],
                descriptors: [null.rawValue, null.rawValue, null.rawValue])
            #expect(try ChildProcess.wait(pid) == 0)
            let counters = group.statistics().blockCounters
            func bytes(_ operation: String) -> Int64 {
                let list = counters[.serviceBytes] ?? []
                return list.first { ($0.major, $0.minor, $0.operation) == (major, minor, operation) }?.value ?? 0
            }
            // Programs are read from there too.
            #expect(bytes("Read") >= 131_072 && bytes("Write") >= 131_072, "\(counters)")
            #expect(bytes("Total") == bytes("Read") + bytes("Write"), "\(counters)")
            #expect(counters[.serviced]?.isEmpty == false)
        }
    }

    @Test func unifiedKeys() throws {
        try Self.withGroup("unified") { group in
            guard let path = group.unifiedPath else {
                print("not exercised: unified keys, cgroup v2 is not mounted")
                return
            }
            try group.apply(Self.resources(#"{"unified":{"cgroup.max.depth":"3"}}"#))
            #expect(try Files.text(path + "/cgroup.max.depth") == "3\n")
            #expect(group.details().cpuPressure != nil || !Files.exists(path + "/cpu.pressure"))
            if group.layout.unified?.contains("memory") != true {
                print(
                    "not exercised: cgroup v2's limits of memory, processor and so on, whose controllers are not there")
                let refusal = try Self.refusal(of: #"{"unified":{"memory.high":"1048576"}}"#, by: group)
                #expect(
                    refusal == "linux.resources.unified[\"memory.high\"]: no cgroup v2 controller memory for this group"
                )
            } else {
                try Self.unifiedControllers(group, at: path)
            }
        }
    }

    private static func unifiedControllers(_ group: ControlGroup, at path: String) throws {
        try group.apply(
            resources(
                """
                {"memory":{"limit":67108864,"swap":67108864,"reservation":33554432},"pids":{"limit":7},
                "cpu":{"shares":1024,"quota":50000,"period":100000},"unified":{"memory.high":"50331648"}}
                """))
        for (file, expected) in [
            ("memory.max", "67108864"), ("memory.low", "33554432"), ("memory.high", "50331648"), ("pids.max", "7"),
            ("cpu.weight", "100"), ("cpu.max", "50000 100000"),
        ] {
            #expect(try Files.text("\(path)/\(file)") == expected + "\n")
        }
    }

    /// In v1 or v2, whichever has the controller.
    @Test func hugepages() throws {
        try Self.withGroup("hugetlb") { group in
            let sizes = group.details().hugepages.keys.sorted()
            guard let size = sizes.last else {
                print("not exercised: limits of huge pages, for want of the controller or of such pages")
                return
            }
            try group.apply(Self.resources(#"{"hugepageLimits":[{"pageSize":"\#(size)","limit":2147483648}]}"#))
            #expect(group.details().hugepages[size]?.limit == 2_147_483_648)
            let refusal = try Self.refusal(
                of: #"{"hugepageLimits":[{"pageSize":"3MB","limit":3145728}]}"#, by: group)
            #expect(refusal.hasPrefix("linux.resources.hugepageLimits[0]: \"3145728\" is refused: open /"))
        }
    }

    @Test func whatIsMissingIsNamedBeforeAnythingIsWritten() throws {
        try Self.withGroup("missing") { group in
            guard !group.layout.legacy.contains("net_cls") else {
                print("not exercised: a missing controller, net_cls is mounted")
                return
            }
            let before = group.statistics().pidsLimit
            let refusal = try Self.refusal(of: #"{"pids":{"limit":5},"network":{"classID":1}}"#, by: group)
            #expect(refusal.hasPrefix("linux.resources.network.classID: "))
            #expect(group.statistics().pidsLimit == before)
        }
    }

    @Test func figures() throws {
        try Self.withGroup("figures") { group in
            let details = group.details()
            if Self.usesLegacy(group, "cpuacct") {
                let totals = group.statistics().cpuTotals
                #expect(!totals.isEmpty && totals.count == details.cpuUsers.count)
            }
            if Self.usesLegacy(group, "cpuset") {
                #expect(details.cpuset?.cpus.isEmpty == false && details.cpuset?.flags["cpu_exclusive"] == 0)
            }
        }
    }
}
