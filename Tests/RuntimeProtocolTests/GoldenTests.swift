import JSON
import RuntimeProtocol
import RuntimeSpec
import Testing

/// The protocol's texts as they are on disks and sockets. A shim lives as long as its container and meets later
/// daemons: a change here is a change of the version, unless it adds what may be missing.
@Suite struct GoldenTests {
    private func expect<Value: Codable & Equatable>(
        _ value: Value, _ text: String, location: SourceLocation = #_sourceLocation
    ) throws {
        let written = String(decoding: try JSONCoding.encode(value), as: UTF8.self)
        let wanted = text.filter { $0 != "\n" }
        #expect(written == wanted, sourceLocation: location)
        #expect(try JSONCoding.decode(Value.self, from: Array(wanted.utf8)) == value, sourceLocation: location)
    }

    @Test func theVersion() { #expect(ContainerSpecification.currentVersion == 2) }

    @Test func requestsOfVersion1() throws {
        let texts: [(ShimRequest, String)] = [
            (.start, #"{"start":{}}"#),
            (.state, #"{"state":{}}"#),
            (.wait, #"{"wait":{}}"#),
            (.kill(signal: 9, wholeGroup: true), #"{"kill":{"signal":9,"wholeGroup":true}}"#),
            (.attach(hasInput: true), #"{"attach":{"hasInput":true}}"#),
            (.resize(exec: nil, rows: 24, columns: 80), #"{"resize":{"columns":80,"rows":24}}"#),
            (.resize(exec: "e", rows: 24, columns: 80), #"{"resize":{"columns":80,"exec":"e","rows":24}}"#),
        ]
        for (request, text) in texts {
            try expect(request, text)
            #expect(request.firstVersion == 1)
        }
    }

    @Test func requestsOfVersion2() throws {
        let request = ShimRequest.exec(id: "e", process: Self.process)
        try expect(request, #"{"exec":{"id":"e","process":"# + Self.processText + "}}")
        #expect(request.firstVersion == 2)
    }

    @Test func answers() throws {
        try expect(ShimAnswer(), "{}")
        try expect(ShimAnswer(pid: 7, isStarted: true), #"{"isStarted":true,"pid":7}"#)
        try expect(ShimAnswer(error: "no", code: 127), #"{"code":127,"error":"no"}"#)
        let end = ExitRecord(code: 137, oomKilled: true, finishedAt: 1_000_000_001, error: "why")
        try expect(
            ShimAnswer(code: 137, exit: end),
            #"{"code":137,"exit":{"code":137,"error":"why","finishedAt":1000000001,"oomKilled":true}}"#)
        // A later shim may have more to say.
        #expect(
            try JSONCoding.decode(ShimAnswer.self, from: Array(#"{"later":[1],"pid":7}"#.utf8)) == ShimAnswer(pid: 7))
    }

    @Test func files() throws {
        try expect(
            ExitRecord(code: 3, oomKilled: false, finishedAt: 5), #"{"code":3,"finishedAt":5,"oomKilled":false}"#)
        let state = ShimState(
            version: 1, shimPid: 8, containerPid: 9,
            cgroups: [
                CgroupDirectory(controllers: ["cpu", "cpuacct"], base: "/sys/fs/cgroup/cpu", name: "martlet/a"),
                CgroupDirectory(controllers: [], base: "/sys/fs/cgroup/unified", name: "martlet/a"),
            ])
        try expect(
            state,
            #"""
            {"cgroups":[{"base":"/sys/fs/cgroup/cpu","controllers":["cpu","cpuacct"],"name":"martlet/a"},
            {"base":"/sys/fs/cgroup/unified","controllers":[],"name":"martlet/a"}],
            "containerPid":9,"shimPid":8,"version":1}
            """#)
    }

    @Test func aSpecificationOfVersion2() throws {
        var specification = ContainerSpecification(
            id: "a", process: Self.process,
            root: .overlay(lower: ["/l2", "/l1"], upper: "/u", work: "/w", isReadOnly: true), hostname: "h",
            cgroup: "martlet/a", log: LogSettings(path: "/log"))
        specification.domainname = "d"
        specification.mounts = [
            ContainerMountList.bind("/s", at: "/t"), .init(destination: "/tmp", type: "tmpfs", options: ["size=1m"]),
        ]
        specification.linux.choose(.network, .path("/run/netns/x"))
        specification.linux.maskedPaths = ["/proc/kcore"]
        specification.linux.readonlyPaths = ["/proc/sys"]
        specification.linux.sysctl = ["net.ipv4.ip_forward": "1"]
        specification.devices = [DeviceNode(hostPath: "/dev/fuse", path: "/dev/f", access: "rw")]
        specification.resources.memoryBytes = 1 << 20
        specification.resources.memoryAndSwapBytes = 2 << 20
        specification.resources.memoryReservationBytes = 3 << 10
        specification.resources.cpuQuota = 4
        specification.resources.cpuPeriod = 5
        specification.resources.cpuShares = 6
        specification.resources.cpus = "0-1"
        specification.resources.memoryNodes = "0"
        specification.resources.pids = 7
        specification.resources.deviceRules = ["c 10:200 rwm"]
        try expect(specification, Self.specificationHead + Self.processText + Self.specificationTail)
        specification.root = .directory(path: "/r", isReadOnly: false)
        let text = try JSONCoding.encode(specification)
        let root = #""root":{"directory":{"isReadOnly":false,"path":"/r"}}"#
        #expect(String(decoding: text, as: UTF8.self).contains(root))
    }

    private static let process: ProcessSpecification = {
        var configuration = ProcessConfiguration(args: ["sh", "-c", "true"])
        configuration.env = ["A=b"]
        configuration.cwd = "/tmp"
        configuration.terminal = true
        configuration.consoleSize = .init(height: 24, width: 80)
        configuration.capabilities = .init(mask: 1 << 21)
        configuration.noNewPrivileges = true
        configuration.rlimits = [.init(type: "RLIMIT_NOFILE", soft: 1024, hard: .max)]
        configuration.oomScoreAdj = 5
        var process = ProcessSpecification(configuration)
        process.user = UserIdentity(name: "app:7", additionalGroups: ["extra"])
        process.hasInput = true
        process.closesInputAfterFirstClient = true
        process.seccomp = .profile(
            SeccompProfile(
                defaultErrno: 1,
                rules: [
                    .init(
                        ["clone"], arguments: [.init(index: 0, comparison: .maskedEqual, value: 6, maskedValue: 5)]),
                    .init(["clone3"], action: .errno(38)),
                ]))
        return process
    }()

    private static let processText =
        #"""
        {"closesInputAfterFirstClient":true,"configuration":{"args":["sh","-c","true"],
        "capabilities":{"bounding":["CAP_SYS_ADMIN"],"effective":["CAP_SYS_ADMIN"],"permitted":["CAP_SYS_ADMIN"]},
        "consoleSize":{"height":24,"width":80},"cwd":"/tmp","env":["A=b"],"noNewPrivileges":true,"oomScoreAdj":5,
        "rlimits":[{"hard":18446744073709551615,"soft":1024,"type":"RLIMIT_NOFILE"}],"terminal":true},
        "hasInput":true,"seccomp":{"profile":{"_0":{"defaultErrno":1,"rules":[{"action":{"allow":{}},
        "arguments":[{"comparison":"maskedEqual","index":0,"maskedValue":5,"value":6}],"calls":["clone"]},
        {"action":{"errno":{"_0":38}},"arguments":[],"calls":["clone3"]}]}}},
        "user":{"additionalGroups":["extra"],"name":"app:7"}}
        """#

    private static let specificationHead =
        #"""
        {"cgroup":"martlet/a","devices":[{"access":"rw","hostPath":"/dev/fuse","path":"/dev/f"}],
        "domainname":"d","hasInit":false,"hostname":"h","id":"a","isPrivileged":false,
        "linux":{"maskedPaths":["/proc/kcore"],"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},
        {"type":"mount"},{"type":"cgroup"},{"path":"/run/netns/x","type":"network"}],
        "readonlyPaths":["/proc/sys"],"sysctl":{"net.ipv4.ip_forward":"1"}},
        "log":{"maximumBytes":20971520,"maximumFiles":5,"path":"/log"},
        "mounts":[{"destination":"/t","options":["rbind","rprivate"],"source":"/s","type":"bind"},
        {"destination":"/tmp","options":["size=1m"],"type":"tmpfs"}],"process":
        """#

    private static let specificationTail =
        #"""
        ,"resources":{"allowsAllDevices":false,"cpuPeriod":5,"cpuQuota":4,"cpuShares":6,"cpus":"0-1",
        "deviceRules":["c 10:200 rwm"],"memoryAndSwapBytes":2097152,"memoryBytes":1048576,
        "memoryNodes":"0","memoryReservationBytes":3072,"pids":7},
        "root":{"overlay":{"isReadOnly":true,"lower":["/l2","/l1"],"upper":"/u","work":"/w"}},"version":2}
        """#
}
