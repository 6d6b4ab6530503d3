import JSON
import Testing

@testable import Commands

@Suite struct BodyTests {
    private func run(_ arguments: String...) throws -> JSONValue {
        let words = try CommandWords(["run"] + arguments).words
        return try #require(try MartletCommand.parseAsRoot(words) as? RunCommand).body().body
    }

    private func create(_ arguments: String...) throws -> JSONValue {
        let words = try CommandWords(["service", "create"] + arguments).words
        return try #require(try MartletCommand.parseAsRoot(words) as? ServiceCreateCommand).body()
    }

    private func update(_ spec: JSONValue, _ arguments: String...) async throws -> JSONValue {
        let words = try CommandWords(["service", "update"] + arguments + ["web"]).words
        let command = try #require(try MartletCommand.parseAsRoot(words) as? ServiceUpdateCommand)
        var spec = spec
        try await command.change.apply(to: &spec) { "id-of-" + $0 }
        try ServiceBody.apply(command.options, to: &spec)
        return spec
    }

    @Test("What follows the image belongs to the command (docker run)")
    func plainRun() throws {
        #expect(
            try run("busybox", "ls", "-l", "--rm", "--force=true") == [
                "Image": "busybox", "Cmd": ["ls", "-l", "--rm", "--force=true"], "Tty": false, "AttachStdin": false,
                "AttachStdout": true, "AttachStderr": true, "OpenStdin": false, "StdinOnce": false, "HostConfig": [:],
            ])
    }

    @Test func runWithEveryKindOfFlag() throws {
        #expect(
            try run(
                "-itd", "--rm", "--name", "a", "-eA=1", "-e", "B=-2", "-l", "x=y", "-h", "box", "-u", "1:2", "-w", "/w",
                "--entrypoint", "/init", "-v", "data:/d:ro", "-v", "/anonymous", "--mount", "type=tmpfs,target=/t",
                "--tmpfs", "/run:size=1m", "-p", "127.0.0.1:8080:80", "-p81:81/udp", "--expose", "90", "-P",
                "--network", "net1", "--network-alias", "web", "--dns", "1.1.1.1", "--add-host", "db:10.0.0.1", "-m",
                "64m", "--cpus", "0.5", "--pids-limit", "100", "--memory-swap", "-1", "--cap-add", "NET_ADMIN",
                "--cap-drop", "ALL", "--privileged", "--read-only", "--init", "--security-opt", "no-new-privileges",
                "--sysctl", "net.core.somaxconn=5", "--ulimit", "nofile=10", "--restart", "always", "--stop-signal",
                "INT", "--stop-timeout", "3", "--health-cmd", "true", "--health-interval", "10s", "--health-retries",
                "2", "image:1", "-x") == [
                    "Image": "image:1", "Cmd": ["-x"], "Entrypoint": ["/init"], "Tty": true, "AttachStdin": false,
                    "AttachStdout": false, "AttachStderr": false, "OpenStdin": true, "StdinOnce": false,
                    "Env": ["A=1", "B=-2"], "Labels": ["x": "y"], "Hostname": "box", "User": "1:2", "WorkingDir": "/w",
                    "StopSignal": "INT", "StopTimeout": 3, "Volumes": ["/anonymous": [:]],
                    "ExposedPorts": ["80/tcp": [:], "81/udp": [:], "90/tcp": [:]],
                    "Healthcheck": ["Test": ["CMD-SHELL", "true"], "Interval": 10_000_000_000, "Retries": 2],
                    "NetworkingConfig": ["EndpointsConfig": ["net1": ["Aliases": ["web"]]]],
                    "HostConfig": [
                        "AutoRemove": true, "ReadonlyRootfs": true, "PublishAllPorts": true, "Privileged": true,
                        "Init": true, "Binds": ["data:/d:ro"], "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"],
                        "SecurityOpt": ["no-new-privileges"], "Dns": ["1.1.1.1"], "ExtraHosts": ["db:10.0.0.1"],
                        "Mounts": [["Type": "tmpfs", "Target": "/t"]], "Tmpfs": ["/run": "size=1m"],
                        "Sysctls": ["net.core.somaxconn": "5"],
                        "Ulimits": [["Name": "nofile", "Soft": 10, "Hard": 10]],
                        "RestartPolicy": ["Name": "always", "MaximumRetryCount": 0], "Memory": 67_108_864,
                        "MemorySwap": -1, "NanoCpus": 500_000_000, "PidsLimit": 100, "NetworkMode": "net1",
                        "PortBindings": [
                            "80/tcp": [["HostIp": "127.0.0.1", "HostPort": "8080"]],
                            "81/udp": [["HostIp": "", "HostPort": "81"]],
                        ],
                    ],
                ])
    }

    @Test("Flags may carry true and false")
    func switchesWithValues() throws {
        let body = try run("--rm=true", "--read-only=false", "-d=false", "busybox")
        #expect(body.at("HostConfig", "AutoRemove") == true)
        #expect(body.at("HostConfig", "ReadonlyRootfs") == nil)
        let joined = try run("-itp80:81", "-e=A=1", "-w/w", "busybox", "-d=false")
        #expect(joined.at("HostConfig", "PortBindings", "81/tcp") == [["HostIp": "", "HostPort": "80"]])
        #expect(joined["Env"] == ["A=1"])
        #expect(joined["WorkingDir"] == "/w")
        #expect(joined["Cmd"] == ["-d=false"])
    }

    @Test(arguments: [["--nonsense", "busybox"], ["-Z", "busybox"], [], ["--restart", "sometimes", "busybox"]])
    func runRefuses(_ arguments: [String]) throws {
        let error = #expect(throws: (any Error).self) {
            let words = try CommandWords(["run"] + arguments).words
            _ = try (try MartletCommand.parseAsRoot(words) as? RunCommand)?.body()
        }
        #expect(CommandFailure.describe(try #require(error)).code == 125)
    }

    @Test func plainService() throws {
        #expect(
            try create("--name", "web", "busybox", "httpd", "-f") == [
                "Name": "web", "Labels": [:], "Mode": ["Replicated": ["Replicas": 1]], "EndpointSpec": ["Mode": "vip"],
                "TaskTemplate": [
                    "ForceUpdate": 0, "ContainerSpec": ["Image": "busybox", "Args": ["httpd", "-f"]],
                ],
            ])
    }

    @Test func serviceWithEveryKindOfFlag() throws {
        #expect(
            try create(
                "-d", "--name", "web", "--replicas", "3", "--replicas-max-per-node", "2", "-e", "A=1", "-l", "s=1",
                "--container-label", "c=2", "--constraint", "node.role==worker", "--placement-pref",
                "spread=node.labels.zone", "-p", "8080:80", "--network", "name=net,alias=w", "--mount",
                "type=volume,source=v,target=/v", "--limit-cpu", "0.5", "--limit-memory", "1g", "--limit-pids", "9",
                "--reserve-cpu", ".25", "--reserve-memory", "1m", "--restart-condition", "on-failure",
                "--restart-delay", "1s", "--restart-max-attempts", "4", "--restart-window", "1m", "--health-cmd", "x",
                "--health-timeout", "1s", "--update-parallelism", "2", "--update-order", "start-first",
                "--update-max-failure-ratio", ".2", "--rollback-delay", "3s", "--stop-signal", "INT",
                "--stop-grace-period", "1m", "--endpoint-mode", "dnsrr", "--hostname", "h", "--user", "u", "--workdir",
                "/w", "--init", "--read-only", "--cap-add", "net_admin", "--cap-drop", "ALL", "--ulimit", "nofile=1",
                "--dns", "9.9.9.9", "--host", "db:10.0.0.1", "--log-driver", "json-file", "--log-opt", "max-size=1m",
                "--with-registry-auth", "--entrypoint", "/bin/sh -c", "image") == [
                    "Name": "web", "Labels": ["s": "1"], "Mode": ["Replicated": ["Replicas": 3]],
                    "EndpointSpec": [
                        "Mode": "dnsrr",
                        "Ports": [
                            ["Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"]
                        ],
                    ],
                    "UpdateConfig": [
                        "Parallelism": 2, "Delay": 0, "FailureAction": "pause", "Monitor": 5_000_000_000,
                        "MaxFailureRatio": 0.2, "Order": "start-first",
                    ],
                    "RollbackConfig": [
                        "Parallelism": 1, "Delay": 3_000_000_000, "FailureAction": "pause", "Monitor": 5_000_000_000,
                        "MaxFailureRatio": 0, "Order": "stop-first",
                    ],
                    "TaskTemplate": [
                        "ForceUpdate": 0,
                        "LogDriver": ["Name": "json-file", "Options": ["max-size": "1m"]],
                        "Networks": [["Target": "net", "Aliases": ["w"]]],
                        "Placement": [
                            "Constraints": ["node.role==worker"], "MaxReplicas": 2,
                            "Preferences": [["Spread": ["SpreadDescriptor": "node.labels.zone"]]],
                        ],
                        "Resources": [
                            "Limits": ["NanoCPUs": 500_000_000, "MemoryBytes": 1_073_741_824, "Pids": 9],
                            "Reservations": ["NanoCPUs": 250_000_000, "MemoryBytes": 1_048_576],
                        ],
                        "RestartPolicy": [
                            "Condition": "on-failure", "Delay": 1_000_000_000, "MaxAttempts": 4,
                            "Window": 60_000_000_000,
                        ],
                        "ContainerSpec": [
                            "Image": "image", "Command": ["/bin/sh", "-c"], "Env": ["A=1"], "Labels": ["c": "2"],
                            "Mounts": [["Type": "volume", "Source": "v", "Target": "/v"]],
                            "Healthcheck": ["Test": ["CMD-SHELL", "x"], "Timeout": 1_000_000_000],
                            "StopSignal": "INT", "StopGracePeriod": 60_000_000_000, "Hostname": "h", "User": "u",
                            "Dir": "/w", "Init": true, "ReadOnly": true, "CapabilityAdd": ["CAP_NET_ADMIN"],
                            "CapabilityDrop": ["ALL"], "Ulimits": [["Name": "nofile", "Soft": 1, "Hard": 1]],
                            "DNSConfig": ["Nameservers": ["9.9.9.9"]], "Hosts": ["10.0.0.1 db"],
                        ],
                    ],
                ])
    }

    @Test func globalServiceTakesNoReplicas() throws {
        #expect(try create("--mode", "global", "busybox")["Mode"] == ["Global": [:]])
        #expect(throws: CommandExit.self) { try create("--mode", "global", "--replicas", "2", "busybox") }
        #expect(throws: FlagError.self) { try create("--mode", "local", "busybox") }
        #expect(throws: FlagError.self) { try create("--update-order", "at-once", "busybox") }
        #expect(throws: FlagError.self) { try create("--restart-delay", "soon", "busybox") }
        #expect(
            try create("--no-healthcheck", "b").at("TaskTemplate", "ContainerSpec", "Healthcheck") == ["Test": ["NONE"]]
        )
        #expect(throws: CommandExit.self) { try create("--no-healthcheck", "--health-cmd", "x", "busybox") }
    }

    @Test("An update changes what its flags name, and keeps fields that this program does not know")
    func serviceUpdate() async throws {
        let spec: JSONValue = [
            "Name": "web", "Labels": ["a": "1", "b": "2"], "Mode": ["Replicated": ["Replicas": 2]], "Future": ["x": 1],
            "EndpointSpec": [
                "Mode": "vip",
                "Ports": [
                    ["Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"],
                    ["Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"],
                ],
            ],
            "TaskTemplate": [
                "ForceUpdate": 1, "Networks": [["Target": "id-of-n1"], ["Target": "id-of-n2"]],
                "Placement": ["Constraints": ["a==b"]],
                "ContainerSpec": [
                    "Image": "web:1", "Env": ["A=1", "B=2"], "Args": ["old"],
                    "Mounts": [["Type": "volume", "Source": "v", "Target": "/v"]],
                    "CapabilityDrop": ["CAP_NET_RAW"],
                ],
            ],
        ]
        let changed = try await update(
            spec, "--image", "web:2", "--args", "new 'two words'", "--env-add", "A=3", "--env-add", "C=4", "--env-rm",
            "B", "--label-add", "c=3", "--label-rm", "a", "--publish-add", "published=90,target=80", "--publish-rm",
            "53/udp", "--network-add", "n3", "--network-rm", "n1", "--mount-rm", "/v", "--constraint-add", "c!=d",
            "--constraint-rm", "a==b", "--replicas", "5", "--force", "--cap-add", "NET_RAW", "--update-delay", "2s")
        #expect(
            changed == [
                "Name": "web", "Labels": ["b": "2", "c": "3"], "Mode": ["Replicated": ["Replicas": 5]],
                "Future": ["x": 1],
                "EndpointSpec": [
                    "Mode": "vip",
                    "Ports": [
                        ["Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"],
                        ["Protocol": "tcp", "TargetPort": 80, "PublishedPort": 90, "PublishMode": "ingress"],
                    ],
                ],
                "UpdateConfig": [
                    "Parallelism": 1, "Delay": 2_000_000_000, "FailureAction": "pause", "Monitor": 5_000_000_000,
                    "MaxFailureRatio": 0, "Order": "stop-first",
                ],
                "TaskTemplate": [
                    "ForceUpdate": 2, "Networks": [["Target": "id-of-n2"], ["Target": "id-of-n3"]],
                    "Placement": ["Constraints": ["c!=d"]],
                    "ContainerSpec": [
                        "Image": "web:2", "Env": ["A=3", "C=4"], "Args": ["new", "two words"],
                        "CapabilityAdd": ["CAP_NET_RAW"],
                    ],
                ],
            ])
        #expect(try await update(spec, "--detach") == spec)
        let negated = try await update(spec, "--read-only=false", "--init")
        #expect(negated.at("TaskTemplate", "ContainerSpec", "ReadOnly") == false)
        #expect(negated.at("TaskTemplate", "ContainerSpec", "Init") == true)
    }

    @Test func networkCreate() throws {
        let words = try CommandWords(
            [
                "network", "create", "-d", "overlay", "--attachable", "--subnet=10.9.0.0/24", "--gateway", "10.9.0.1",
                "n",
            ]
        ).words
        let command = try #require(try MartletCommand.parseAsRoot(words) as? NetworkCreateCommand)
        #expect(
            try command.body() == [
                "Name": "n", "Driver": "overlay", "Scope": "", "Internal": false, "Attachable": true, "Ingress": false,
                "EnableIPv6": false, "Options": [:], "Labels": [:],
                "IPAM": ["Driver": "default", "Config": [["Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"]]],
            ])
    }

    @Test func execBody() throws {
        let words = try CommandWords(["exec", "-it", "-u", "root", "-e", "A=1", "web", "sh", "-c", "ls"]).words
        let command = try #require(try MartletCommand.parseAsRoot(words) as? ExecCommand)
        let (container, body) = try command.body()
        #expect(container == "web")
        #expect(
            body == [
                "Cmd": ["sh", "-c", "ls"], "Tty": true, "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
                "Privileged": false, "Env": ["A=1"], "User": "root",
            ])
    }
}
