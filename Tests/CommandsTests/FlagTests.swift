import JSON
import Testing
import Values

@testable import Commands

@Suite struct FlagTests {
    @Test(
        arguments: [
            ("1m30s", 90_000_000_000), ("1.5h", 5_400_000_000_000), ("300ms", 300_000_000), ("0", 0), ("0s", 0),
            ("1h2m3.5s", 3_723_500_000_000), ("10us", 10_000), ("7ns", 7), ("-2s", -2_000_000_000),
        ] as [(String, Int64)])
    func durations(_ text: String, _ nanoseconds: Int64) throws {
        #expect(try DurationText.parse(text, flag: "--delay") == nanoseconds)
    }

    @Test(arguments: ["", "10", "s", "1x", "1.2.3s", "1m 30s", "-", "99999999999h"])
    func durationsThatAreNone(_ text: String) {
        #expect(throws: FlagError.self) { try DurationText.parse(text, flag: "--delay") }
    }

    @Test(
        arguments: [
            (90_000_000_000, "1m30s"), (5_000_000_000, "5s"), (3_600_000_000_000, "1h0m0s"), (500_000_000, "500ms"),
            (1_500_000_000, "1.5s"), (0, "0s"), (2_000, "2µs"),
        ] as [(Int64, String)])
    func durationsAreWrittenAsGoDoes(_ nanoseconds: Int64, _ text: String) {
        #expect(DurationText.text(nanoseconds) == text)
    }

    @Test func sizesAndProcessors() throws {
        #expect(try NumberFlag.bytes("512m", flag: "--memory") == 512 << 20)
        #expect(try NumberFlag.bytes("1.5GiB", flag: "--memory") == 3 << 29)
        #expect(try NumberFlag.nanoCPUs("1.5", flag: "--cpus") == 1_500_000_000)
        #expect(throws: FlagError.self) { try NumberFlag.bytes("much", flag: "--memory") }
        #expect(throws: FlagError.self) { try NumberFlag.nanoCPUs("-1", flag: "--cpus") }
    }

    @Test(arguments: [
        ("80", ["80/tcp =:"]), ("8080:80", ["80/tcp =:8080"]), ("127.0.0.1:8080:80/udp", ["80/udp =127.0.0.1:8080"]),
        ("127.0.0.1::80", ["80/tcp =127.0.0.1:"]), ("[::1]:8080:80", ["80/tcp =::1:8080"]),
        ("8000-8001:80-81", ["80/tcp =:8000", "81/tcp =:8001"]), ("8000-8010:80", ["80/tcp =:8000-8010"]),
    ])
    func publishedPorts(_ text: String, _ expected: [String]) throws {
        let bindings = try PublishFlag(parsing: text).bindings
        #expect(bindings.map { "\($0.key) =\($0.binding.text("HostIp")):\($0.binding.text("HostPort"))" } == expected)
    }

    @Test(arguments: [
        "", ":", "0:80", "80:0", "8000-8002:80-81", "70000", "a:80", "1:2:3:4", "80/quic", "999.0.0.1:1:2",
    ])
    func portsThatAreNone(_ text: String) {
        #expect(throws: FlagError.self) { try PublishFlag(parsing: text) }
    }

    @Test func servicePortsInBothSyntaxes() throws {
        #expect(
            try PublishFlag.servicePorts("8080:80/udp") == [
                ["Protocol": "udp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"]
            ])
        #expect(
            try PublishFlag.servicePorts("published=8080,target=80,mode=host") == [
                ["Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"]
            ])
        #expect(try PublishFlag.servicePorts("80").map { $0.number("PublishedPort") } == [0])
        #expect(try PublishFlag.servicePorts("90-91:80-81").map { $0.number("PublishedPort") } == [90, 91])
        for text in [
            "mode=host", "target=80,mode=x", "target=80,protocol=x", "target=a", "x=1,target=80", "1.2.3.4:1:2",
        ] {
            #expect(throws: FlagError.self, "\(text)") { try PublishFlag.servicePorts(text) }
        }
    }

    @Test func mounts() throws {
        #expect(
            try MountFlag.mount("type=bind,source=/a,target=/b,readonly,bind-propagation=rslave") == [
                "Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true,
                "BindOptions": ["Propagation": "rslave"],
            ])
        #expect(
            try MountFlag.mount("src=data,dst=/b,ro=false,volume-label=a=b,volume-nocopy") == [
                "Type": "volume", "Source": "data", "Target": "/b", "ReadOnly": false,
                "VolumeOptions": ["Labels": ["a": "b"], "NoCopy": true],
            ])
        #expect(
            try MountFlag.mount("type=tmpfs,target=/run,tmpfs-size=64m,tmpfs-mode=1770") == [
                "Type": "tmpfs", "Target": "/run", "TmpfsOptions": ["SizeBytes": 67_108_864, "Mode": 1016],
            ])
        #expect(
            try MountFlag.mount("type=volume,target=/n,\"volume-opt=o=addr=10.0.0.1,rw\"") == [
                "Type": "volume", "Target": "/n",
                "VolumeOptions": ["DriverConfig": ["Options": ["o": "addr=10.0.0.1,rw"]]],
            ])
        for text in [
            "type=bind,target=/b", "source=/a", "type=x,target=/b", "target=/b,what=1",
            "type=bind,source=/a,target=/b,tmpfs-size=1",
        ] {
            #expect(throws: FlagError.self, "\(text)") { try MountFlag.mount(text) }
        }
        #expect(MountFlag.bind("/only") == nil)
        #expect(MountFlag.bind("data:/x:ro") == "data:/x:ro")
        #expect(MountFlag.bind("./a:/x")?.hasPrefix("/") == true)
        #expect(MountFlag.tmpfs("/run:size=64m") == ("/run", "size=64m"))
    }

    @Test func environment() throws {
        let own = ["HOME": "/root"]
        #expect(
            try Assignments.environment(["A=1", "HOME", "GONE", "E=x=y"], own: { own[$0] })
                == ["A=1", "HOME=/root", "GONE", "E=x=y"])
        #expect(throws: FlagError.self) { try Assignments.environment(["=1"]) }
        #expect(Assignments.dictionary(["a=1", "b", "a=2"]) == ["a": "2", "b": ""])
    }

    @Test func otherFlags() throws {
        #expect(try ResourceFlags.ulimit("nofile=1024:2048") == ["Name": "nofile", "Soft": 1024, "Hard": 2048])
        #expect(try ResourceFlags.ulimit("nproc=5") == ["Name": "nproc", "Soft": 5, "Hard": 5])
        #expect(throws: FlagError.self) { try ResourceFlags.ulimit("nofile=3:2") }
        #expect(try ResourceFlags.restartPolicy("on-failure:3") == ["Name": "on-failure", "MaximumRetryCount": 3])
        for text in ["on-failure:x", "always:3", "sometimes"] {
            #expect(throws: FlagError.self, "\(text)") { try ResourceFlags.restartPolicy(text) }
        }
        #expect(try ResourceFlags.host("db:10.0.0.1", flag: "--add-host") == ("db", "10.0.0.1"))
        #expect(try ResourceFlags.host("db=fe80::1", flag: "--add-host") == ("db", "fe80::1"))
        #expect(throws: FlagError.self) { try ResourceFlags.host("db:none", flag: "--add-host") }
        #expect(
            try ShellWords.split("sh -c 'echo \"a b\"' c\\ d \"\"", flag: "--args") == [
                "sh", "-c", "echo \"a b\"", "c d", "",
            ])
        #expect(throws: FlagError.self) { try ShellWords.split("'a", flag: "--args") }
    }

    @Test func detachKeys() throws {
        var keys = try DetachKeys(parsing: nil)
        let early = keys.isComplete(with: [16, 65, 16, 16])
        let late = keys.isComplete(with: [17])
        #expect(!early)
        #expect(late)
        #expect(throws: FlagError.self) { try DetachKeys(parsing: "ctrl-ß") }
    }

    @Test func momentsAndLengthsBeforeNow() throws {
        let now = Timestamp(secondsSinceEpoch: 1_000_000)
        #expect(try MomentText.parse("10m", flag: "--since", now: now) == "999400.000000000")
        #expect(try MomentText.parse("2025-01-02T03:04:05Z", flag: "--since") == "1735787045.000000000")
        #expect(try MomentText.parse("1735787045.5", flag: "--since") == "1735787045.5")
        #expect(throws: FlagError.self) { try MomentText.parse("yesterday", flag: "--since") }
    }
}
