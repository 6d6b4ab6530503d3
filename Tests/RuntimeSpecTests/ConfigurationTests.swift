import JSON
import RuntimeSpec
import Testing

/// OCI runtime-spec 1.2: config.md, config-linux.md.
@Suite struct ConfigurationTests {
    private static let whole = """
        {"ociVersion":"1.2.0","root":{"path":"rootfs","readonly":true},"hostname":"c","domainname":"d",
        "process":{"terminal":true,"consoleSize":{"height":25,"width":80},
        "user":{"uid":1,"gid":2,"umask":18,"additionalGids":[5,6]},"args":["sh","-c","true"],"env":["A=b","EMPTY="],
        "cwd":"/tmp","capabilities":{"bounding":["CAP_CHOWN"],"effective":["CAP_CHOWN"],"inheritable":[],
        "permitted":["CAP_CHOWN"],"ambient":["CAP_CHOWN"]},
        "rlimits":[{"type":"RLIMIT_NOFILE","soft":1024,"hard":18446744073709551615}],"noNewPrivileges":true,
        "apparmorProfile":"p","oomScoreAdj":-100,"selinuxLabel":"l","ioPriority":{"class":"IOPRIO_CLASS_IDLE",
        "priority":4},"scheduler":{"policy":"SCHED_BATCH","nice":5,"flags":["SCHED_FLAG_RESET_ON_FORK"]},
        "execCPUAffinity":{"initial":"0-1","final":"1"}},
        "mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/m","source":"/s",
        "options":["rbind","ro"],"uidMappings":[{"containerID":0,"hostID":1000,"size":10}],
        "gidMappings":[{"containerID":0,"hostID":1000,"size":10}]}],
        "hooks":{"createRuntime":[{"path":"/h","args":["h","x"],"env":["K=v"],"timeout":5}],"poststop":[{"path":"/e"}]},
        "annotations":{"a.b":"c"},"unknown":{"is":"ignored"},
        "linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/n"},{"type":"uts"},{"type":"user"},
        {"type":"time"}],"uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
        "gidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
        "timeOffsets":{"monotonic":{"secs":-5,"nanosecs":1}},"devices":[{"type":"c","path":"/dev/x","major":1,"minor":3,
        "fileMode":438,"uid":0,"gid":0},{"type":"p","path":"/dev/pipe"}],"cgroupsPath":"/a/b",
        "rootfsPropagation":"slave",
        "resources":{"devices":[{"allow":false,"access":"rwm"}],"memory":{"limit":1048576,"swap":-1,"swappiness":60},
        "cpu":{"shares":512,"quota":-1,"period":100000,"cpus":"0-1"},"pids":{"limit":10},
        "blockIO":{"weight":100,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}]},
        "hugepageLimits":[{"pageSize":"2MB","limit":9223372036854775808}],"network":{"classID":1048577,
        "priorities":[{"name":"eth0","priority":500}]},"rdma":{"mlx5_1":{"hcaHandles":3}},
        "unified":{"memory.high":"max"}},"sysctl":{"net.core.somaxconn":"256"},
        "seccomp":{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64"],
        "flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,
        "value":18446744073709551615,"valueTwo":1,"op":"SCMP_CMP_MASKED_EQ"}]}]},"maskedPaths":["/proc/kcore"],
        "readonlyPaths":["/proc/sys"],"personality":{"domain":"LINUX32"}}}
        """

    @Test func everyMemberIsRead() throws {
        let configuration = try RuntimeConfiguration.parse(Array(Self.whole.utf8))
        let process = try #require(configuration.process)
        #expect(process.user?.additionalGids == [5, 6] && process.user?.umask == 0o22)
        #expect(process.rlimits?.first?.hard == .max)
        #expect(process.scheduler?.nice == 5 && process.ioPriority?.class == "IOPRIO_CLASS_IDLE")
        #expect(process.execCPUAffinity?.final == "1" && process.consoleSize?.width == 80)
        #expect(configuration.mounts?[1].uidMappings == [IDMapping(containerID: 0, hostID: 1000, size: 10)])
        #expect(configuration.hooks?.createRuntime?.first?.timeout == 5)
        let linux = try #require(configuration.linux)
        #expect(linux.namespace(.network)?.path == "/n" && linux.namespace(.mount) == nil)
        #expect(linux.timeOffsets?["monotonic"]?.secs == -5)
        #expect(linux.resources?.hugepageLimits?.first?.limit == 1 << 63)
        #expect(linux.resources?.network?.priorities?.first?.priority == 500)
        #expect(linux.seccomp?.syscalls?.first?.args?.first?.value == .max)
        #expect(linux.devices?[1].major == nil)
        // Written and read again it is the same.
        let text = try JSONCoding.verbatim.encode(configuration)
        #expect(try RuntimeConfiguration.parse(text) == configuration)
    }

    /// A change of the whole, and the path and reason that the error names.
    @Test(
        "What is wrong is named by its path",
        arguments: [
            (#""uid":1"#, #""uid":"one""#, "process.user.uid: expected"),
            (#""type":"uts""#, #""type":"universe""#, "linux.namespaces[2].type: "),
            (#""type":"uts""#, #""type":"pid""#, "linux.namespaces[2].type: pid is named twice"),
            (#""path":"rootfs""#, #""path":"../rootfs""#, "root.path: leads out of the bundle"),
            (#""ociVersion":"1.2.0""#, #""ociVersion":"2.0.0""#, "ociVersion: \"2.0.0\" is no version"),
            (#""cwd":"/tmp""#, #""cwd":"tmp""#, "process.cwd: \"tmp\" is not absolute"),
            (#""args":["sh","-c","true"],"#, "", "process.args: empty"),
            ("RLIMIT_NOFILE", "RLIMIT_HOPE", "process.rlimits[0].type: \"RLIMIT_HOPE\" is no limit"),
            (#""hard":18446744073709551615"#, #""hard":5"#, "process.rlimits[0].soft: more than the hard limit"),
            (#""oomScoreAdj":-100"#, #""oomScoreAdj":-1001"#, "process.oomScoreAdj: "),
            ("SCHED_BATCH", "SCHED_LATER", "process.scheduler.policy: "),
            (#""priority":4"#, #""priority":8"#, "process.ioPriority.priority: 8 is not of 0 to 7"),
            (
                #""source":"proc"}"#, #""source":"proc","options":["idmap"]}"#,
                "mounts[0].options: only a bind mount can be idmapped"
            ),
            (#""options":["rbind","ro"],"#, "", "mounts[1].uidMappings: only a bind mount can be idmapped"),
            (#""hostID":1000,"size":10"#, #""hostID":1000,"size":0"#, "mounts[1].uidMappings[0].size: 0"),
            (
                #""hostID":100000,"size":65536"#, #""hostID":4294967295,"size":2"#,
                "linux.uidMappings[0].hostID: the range ends beyond the largest identifier"
            ),
            (
                #"[{"containerID":0,"hostID":100000,"size":65536}]"#,
                #"[{"containerID":0,"hostID":1,"size":10},{"containerID":9,"hostID":50,"size":1}]"#,
                "linux.uidMappings[1].containerID: overlaps another mapping"
            ),
            (#"{"type":"user"},"#, "", "linux.uidMappings: mappings without a user namespace"),
            (
                #""uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],"#, "",
                "linux.uidMappings: a user namespace needs mappings"
            ),
            (#"{"type":"time"}"#, #"{"type":"ipc"}"#, "linux.timeOffsets: offsets without a new time namespace"),
            (#""monotonic""#, #""realtime""#, "linux.timeOffsets.realtime: no clock"),
            (#"{"type":"uts"},"#, "", "hostname: cannot be set without a UTS namespace"),
            (#""type":"c""#, #""type":"z""#, "linux.devices[0].type: "),
            (#","major":1,"minor":3"#, "", "linux.devices[0]: a device needs"),
            (#""rootfsPropagation":"slave""#, #""rootfsPropagation":"all""#, "linux.rootfsPropagation: "),
            (#""maskedPaths""#, #""intelRdt":{},"maskedPaths""#, "linux.intelRdt: Intel RDT is not supported"),
            ("LINUX32", "SOLARIS", "linux.personality.domain: "),
            ("SCMP_ACT_ALLOW", "SCMP_ACT_MAYBE", "linux.seccomp.syscalls[0].action: "),
            ("SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY", "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY needs"),
            ("SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_X", "linux.seccomp.flags[0]: "),
            (#"{"index":1,"#, #"{"index":6,"#, "linux.seccomp.syscalls[0].args[0].index: a call has 6 arguments"),
            (#"{"path":"/e"}"#, #"{"path":"e"}"#, "hooks.poststop[0].path: \"e\" is not absolute"),
            (#""timeout":5"#, #""timeout":0"#, "hooks.createRuntime[0].timeout: "),
        ])
    func refusals(old: String, new: String, reason: String) throws {
        let flat = Self.whole.split(separator: "\n").joined()
        let place = try #require(flat.firstRange(of: old.split(separator: "\n").joined()))
        let changed = flat.replacingCharacters(in: place, with: new)
        let error = #expect(throws: JSONError.self) { try RuntimeConfiguration.parse(Array(changed.utf8)) }
        #expect(error?.description.hasPrefix(reason) == true, "\(error?.description ?? "")")
    }

    @Test func noRoot() {
        let error = #expect(throws: JSONError.self) {
            try RuntimeConfiguration.parse(Array(#"{"ociVersion":"1.0.2"}"#.utf8))
        }
        #expect(error?.description == "missing \"root\"")
    }
}

extension String {
    fileprivate func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
        String(self[..<range.lowerBound]) + text + String(self[range.upperBound...])
    }
}
