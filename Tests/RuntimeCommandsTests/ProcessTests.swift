import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Process, POSIX process, Linux process.
@Suite(.bundles) struct ProcessTests {
    @Test func `user, groups, umask (config.md: User)`() async throws {
        try await withBundles("user") { fixture in
            let result = try await fixture.run("c", "id -u; id -g; id -G; umask") {
                var user = ProcessConfiguration.User(uid: 1000, gid: 1001)
                user.additionalGids = [5, 77]
                user.umask = 0o027
                $0.process?.user = user
            }
            #expect(result.lines == ["1000", "1001", "1001 5 77", "0027"], "\(result)")
        }
    }

    @Test func `a working directory that is not there is made (config.md: cwd)`() async throws {
        try await withBundles("cwd") { fixture in
            let result = try await fixture.run("c", "pwd") { $0.process?.cwd = "/new/deep" }
            #expect(result.line == "/new/deep", "\(result)")
        }
    }

    @Test func `the program is looked up on the PATH of the process, and the environment is its own`() async throws {
        try await withBundles("path") { fixture in
            let bundle = try fixture.prepare("c", ["env"]) { $0.process?.env = ["PATH=/nothing:/bin", "A=b=c"] }
            let result = try await fixture.command("run", "--bundle", bundle, "c")
            #expect(result.lines.contains("A=b=c"), "\(result)")
            #expect(Set(result.lines).isSubset(of: ["PATH=/nothing:/bin", "A=b=c", "HOME=/root"]), "\(result)")
            let lost = try fixture.prepare("d", ["env"]) { $0.process?.env = ["PATH=/nothing"] }
            let failure = try await fixture.command("run", "--bundle", lost, "d")
            #expect(failure.code != 0)
            #expect(failure.errors.contains("env"), "\(failure)")
        }
    }

    @Test func `five sets of capabilities (config.md: capabilities)`() async throws {
        try await withBundles("capabilities") { fixture in
            let result = try await fixture.run("c", "grep ^Cap /proc/self/status | tr -d '\\t'") {
                var sets = ProcessConfiguration.Capabilities()
                sets.bounding = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETUID"]
                sets.permitted = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
                sets.effective = ["CAP_KILL"]
                sets.inheritable = ["CAP_CHOWN", "CAP_KILL"]
                sets.ambient = ["CAP_KILL"]
                $0.process?.capabilities = sets
                $0.process?.user = .init(uid: 1000, gid: 1000)
            }
            // exec(2) as an ordinary user: permitted and effective become the ambient set.
            #expect(
                result.lines == [
                    "CapInh:0000000000000021", "CapPrm:0000000000000020", "CapEff:0000000000000020",
                    "CapBnd:00000000000004a1", "CapAmb:0000000000000020",
                ], "\(result)")
        }
    }

    @Test func `limits, noNewPrivileges, oomScoreAdj (config.md: rlimits)`() async throws {
        try await withBundles("limits") { fixture in
            let script =
                "ulimit -Sn; ulimit -Hn; ulimit -c; grep NoNewPrivs /proc/self/status | tr -d '\\t'; "
                + "cat /proc/self/oom_score_adj"
            for isSet in [true, false] {
                let result = try await fixture.run("c", script) {
                    $0.process?.rlimits = [
                        .init(type: "RLIMIT_NOFILE", soft: 100, hard: 200),
                        .init(type: "RLIMIT_CORE", soft: 0, hard: 0),
                    ]
                    $0.process?.noNewPrivileges = isSet
                    $0.process?.oomScoreAdj = 321
                }
                #expect(result.lines == ["100", "200", "0", "NoNewPrivs:\(isSet ? 1 : 0)", "321"], "\(result)")
            }
        }
    }

    @Test func `the scheduler's policy (config.md: scheduler)`() async throws {
        try await withBundles("scheduler") { fixture in
            let script = "awk '{print $41, $19}' /proc/self/stat"
            let result = try await fixture.run("c", script) {
                $0.process?.scheduler = try decoded(#"{"policy":"SCHED_BATCH","nice":7}"#)
            }
            #expect(result.line == "3 7", "\(result)")
        }
    }

    @Test func `the priority of input and output (config.md: ioPriority)`() async throws {
        try await withBundles("iopriority") { fixture in
            let result = try await fixture.run("c", "ionice -p $$") {
                $0.process?.ioPriority = try decoded(#"{"class":"IOPRIO_CLASS_BE","priority":6}"#)
            }
            #expect(result.line == "best-effort: prio 6", "\(result)")
        }
    }

    @Test func `the personality (config-linux.md: Personality)`() async throws {
        try await withBundles("personality") { fixture in
            let result = try await fixture.run("c", "uname -m") {
                $0.linux?.personality = try decoded(#"{"domain":"LINUX32"}"#)
            }
            #expect(["i686", "armv8l"].contains(result.line), "\(result)")
        }
    }

    @Test func `processors of an exec (config.md: execCPUAffinity)`() async throws {
        try await withBundles("affinity") { fixture in
            try await fixture.launch("c") { $0.process?.execCPUAffinity = try decoded(#"{"initial":"0","final":"0"}"#) }
            let result = try await fixture.exec("c", "grep Cpus_allowed_list /proc/self/status | tr -d '\\t'")
            #expect(result.line == "Cpus_allowed_list:0", "\(result)")
        }
    }

    @Test func `host name and domain name (config.md: Hostname, Domainname)`() async throws {
        try await withBundles("hostname") { fixture in
            let result = try await fixture.run("c", "hostname; cat /proc/sys/kernel/domainname") {
                $0.domainname = "example.org"
            }
            #expect(result.lines == ["box", "example.org"], "\(result)")
        }
    }

    @Test func `no descriptor of the host is in the container`() async throws {
        try await withBundles("descriptors") { fixture in
            let null = try Descriptor.open("/dev/null", 0)
            let bundle = try fixture.prepare("c", ["ls", "/proc/self/fd"])
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], descriptors: [null.rawValue, null.rawValue])
            #expect(result.lines == ["0", "1", "2", "3"], "\(result): 3 is the directory itself")
            try await fixture.launch("d")
            let inside = try await fixture.command("exec", "d", "ls", "/proc/self/fd")
            #expect(inside.lines == ["0", "1", "2", "3"], "\(inside)")
        }
    }

    @Test func `--preserve-fds keeps so many, and LISTEN_FDS tells of them (sd_listen_fds(3))`() async throws {
        try await withBundles("preserve") { fixture in
            let file = try fixture.directory.write("kept", "kept\n")
            let kept = try Descriptor.open(file, 0)
            let other = try Descriptor.open("/dev/null", 0)
            let bundle = try fixture.prepare("c", "cat <&3; test -e /proc/self/fd/4 || echo none")
            let result = try await fixture.runtime(
                ["run", "--preserve-fds", "1", "--bundle", bundle, "c"],
                descriptors: [kept.rawValue, other.rawValue])
            #expect(result.lines == ["kept", "none"], "\(result)")
            let again = try Descriptor.open(file, 0)
            let listening = try fixture.prepare("d", "cat <&3; echo $LISTEN_FDS $LISTEN_PID")
            // LISTEN_PID is the runtime's own number.
            let listened = try await CommandResult.run(
                [
                    "/bin/sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh", try #require(BundleFixture.program), "--root",
                    fixture.stateRoot, "run", "--bundle", listening, "d",
                ], in: fixture.directory, environment: ["LISTEN_FDS=1"], descriptors: [again.rawValue])
            #expect(listened.lines == ["kept", "1 1"], "\(listened)")
        }
    }

    /// As with runc the start has succeeded by then: the reason is the container's own output.
    @Test func `a program without its interpreter ends with 127`() async throws {
        try await withBundles("interpreter") { fixture in
            let bundle = try fixture.prepare("c", "true") { $0.process?.args = ["/script"] }
            try Files.write(bundle + "/rootfs/script", "#!/no/such/interpreter\n", mode: 0o755)
            let result = try await fixture.command("run", "--bundle", bundle, "c")
            #expect(result.code == 127, "\(result)")
            #expect(result.errors.contains("exec /script: no such file or directory"), "\(result)")
        }
    }
}
