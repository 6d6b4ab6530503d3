import EngineModel
import JSON
import RuntimeProtocol
import RuntimeSpec
import Testing
import Values

@testable import Engine

@Suite struct SpecificationTests {
    private func build(
        _ change: (inout ContainerConfiguration, inout HostConfiguration) -> Void, mounts: [MountPoint] = []
    ) throws -> ContainerSpecification {
        var configuration = ContainerConfiguration()
        configuration.cmd = ["serve"]
        var host = HostConfiguration()
        change(&configuration, &host)
        let record = ContainerRecord(
            id: "c1", name: "n", createdAt: .epoch, configuration: configuration, host: host, imageID: "i",
            layers: ["/l2", "/l1"], mounts: mounts)
        return try SpecificationBuilder(
            record: record,
            host: .init(
                paths: ContainerPaths(directory: "/c"), network: .path("/ns"), hostname: "h",
                identityFiles: ["/c/hostname", "/c/hosts", "/c/resolv.conf"], volumePath: { "/v/" + $0 })
        ).specification()
    }

    @Test func plain() throws {
        let specification = try build { configuration, _ in configuration.entrypoint = ["/entry"] }
        #expect(specification.process.configuration.args == ["/entry", "serve"])
        #expect(specification.process.configuration.cwd == "/")
        #expect(specification.process.capabilities == Capability.dockerDefault)
        #expect(specification.process.seccomp == .dockerDefault)
        #expect(specification.linux.maskedPaths == SpecificationBuilder.maskedPaths)
        #expect(
            specification.root
                == .overlay(lower: ["/l2", "/l1"], upper: "/c/upper", work: "/c/work", isReadOnly: false))
        #expect(specification.linux.choice(.network) == .path("/ns"))
        #expect(
            specification.mounts.map(\.destination)
                == ContainerMountList.usual().map(\.destination) + ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"])
        #expect(specification.resources == ResourceLimits())
    }

    @Test func privilegedAndLimits() throws {
        let specification = try build { _, host in
            host.privileged = true
            host.memory = 100 << 20
            host.nanoCpus = 1_500_000_000
            host.pidsLimit = 50
            host.ulimits = try! JSONCoding.docker.decode(
                [Ulimit].self, from: Array(#"[{"Name":"nofile","Soft":10,"Hard":-1}]"#.utf8))
        }
        #expect(specification.process.capabilities == Capability.all)
        #expect(specification.process.seccomp == .unconfined)
        #expect(specification.linux.maskedPaths == nil && specification.linux.readonlyPaths == nil)
        #expect(specification.resources.memoryBytes == 100 << 20)
        #expect(specification.resources.memoryAndSwapBytes == 200 << 20)
        #expect(specification.resources.cpuQuota == 150_000)
        #expect(specification.resources.cpuPeriod == 100_000)
        #expect(specification.resources.pids == 50)
        #expect(specification.resources.allowsAllDevices)
        #expect(specification.process.configuration.rlimits == [.init(type: "RLIMIT_NOFILE", soft: 10, hard: .max)])
    }

    @Test func mountsAreOrderedAndReplaceOurs() throws {
        let specification = try build(
            { _, _ in },
            mounts: [
                MountPoint(type: .volume, name: "inner", source: "", destination: "/a/b"),
                MountPoint(type: .bind, source: "/h", destination: "/a", isReadOnly: true),
                MountPoint(type: .bind, source: "/own", destination: "/etc/hosts"),
            ])
        let own = specification.mounts.dropFirst(ContainerMountList.usual().count)
        #expect(
            Array(own) == [
                ContainerMountList.bind("/h", at: "/a", isReadOnly: true),
                ContainerMountList.bind("/v/inner", at: "/a/b"),
                ContainerMountList.bind(own[own.startIndex + 2].source!, at: "/etc/hostname"),
                ContainerMountList.bind("/own", at: "/etc/hosts"),
                ContainerMountList.bind(own[own.startIndex + 4].source!, at: "/etc/resolv.conf"),
            ])
    }

    @Test func securityOptions() throws {
        let open = try build { _, host in host.securityOpt = ["seccomp=unconfined", "no-new-privileges:true"] }
        #expect(open.process.seccomp == .unconfined)
        #expect(open.process.configuration.noNewPrivileges == true)
        let profile = #"""
            {"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[
             {"names":["read","write"],"action":"SCMP_ACT_ALLOW"},
             {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]},
             {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
             {"names":["chown"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_CHOWN"]}}]}
            """#
        let own = try build { _, host in host.securityOpt = ["seccomp=" + profile] }
        #expect(
            own.process.seccomp
                == .profile(
                    SeccompProfile(
                        defaultErrno: 38,
                        rules: [
                            .init(["read", "write"]),
                            .init(["socket"], arguments: [.init(index: 0, comparison: .notEqual, value: 40)]),
                            .init(["chown"]),
                        ])))
        for option in ["seccomp={}", "odd=1", "apparmor=mine"] {
            #expect(throws: EngineError.self) { try build { _, host in host.securityOpt = [option] } }
        }
        #expect(throws: EngineError.self) { try build { _, host in host.capAdd = ["NOTHING"] } }
    }

    @Test("hosts(5), resolv.conf(5)")
    func identityFiles() throws {
        let hosts = IdentityFiles.hosts(
            hostname: "h", domainname: "d", addresses: [IPAddress("10.0.0.2")!],
            extra: ["x:1.2.3.4", "gw:host-gateway"],
            gateway: IPAddress("172.17.0.1"))
        #expect(hosts.contains("1.2.3.4\tx\n172.17.0.1\tgw\n10.0.0.2\th.d h\n"))
        #expect(throws: EngineError.self) { try IdentityFiles.check(extraHosts: ["x:y"]) }
        let resolver = IdentityFiles.Resolver(parsing: "# c\nnameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch a b\n")
        #expect(
            resolver.forContainer(HostConfiguration(), fallback: ["8.8.8.8"]).text == "nameserver 9.9.9.9\nsearch a b\n"
        )
        var host = HostConfiguration()
        host.dns = ["1.1.1.1"]
        host.dnsSearch = ["."]
        #expect(resolver.forContainer(host, fallback: []).text == "nameserver 1.1.1.1\n")
    }

    @Test func pruneFilters() throws {
        let now = Timestamp(secondsSinceEpoch: 10_000)
        let filter = try PruneFilter(
            ObjectFilters(values: ["until": ["1h"], "label!": ["keep"]]), now: now)
        #expect(filter.matches([:], Timestamp(secondsSinceEpoch: 6_000)))
        #expect(!filter.matches([:], Timestamp(secondsSinceEpoch: 7_000)))
        #expect(!filter.matches(["keep": ""], .epoch))
        let fraction = try PruneFilter(ObjectFilters(values: ["until": ["1.5h"]]), now: now)
        #expect(fraction.matches([:], Timestamp(secondsSinceEpoch: 4_599)))
        #expect(!fraction.matches([:], Timestamp(secondsSinceEpoch: 4_600)))
        #expect(throws: EngineError.self) { try PruneFilter(ObjectFilters(values: ["until": ["1x"]]), now: now) }
        #expect(throws: EngineError.self) { try PruneFilter(ObjectFilters(values: ["odd": ["1"]]), now: now) }
    }

    @Test func logLines() throws {
        let line = #"{"log":"a\n","stream":"stderr","time":"2024-01-02T03:04:05.5Z"}"#
        let frame = try #require(LogReader.frame(Array(line.utf8)))
        #expect(frame.stream == .stderr)
        #expect(frame.bytes == Array("a\n".utf8))
        #expect(frame.time.description == "2024-01-02T03:04:05.5Z")
        #expect(LogReader.frame(Array("{".utf8)) == nil)
    }

    @Test func psRows() throws {
        let output = "UID PID PPID CMD\nroot 5 1 sleep 60\nroot 6 1 other thing\n"
        let (titles, rows) = try Engine.filter(output, [5])
        #expect(titles == ["UID", "PID", "PPID", "CMD"])
        #expect(rows == [["root", "5", "1", "sleep 60"]])
    }
}
