import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// The runtime as an ordinary user (user_namespaces(7), subuid(5)).
@Suite(.rootless) struct RootlessTests {
    typealias Mapping = RootlessFixture.Mapping
    typealias Kind = LinuxConfiguration.NamespaceType

    @Test(arguments: Mapping.possible) func `run is root inside and the user outside`(mapping: Mapping) async throws {
        try await RootlessFixture.with("run") { fixture in
            let script = """
                id -u; id -g; awk '{print $1, $2, $3}' /proc/self/uid_map; cat; touch /data/root
                ls /sys/class/net; echo x > /dev/null; hostname; exit 7
                """
            let bundle = try fixture.prepare("c", mapping, script)
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"], input: "given\n")
            #expect(result.code == 7, "\(result)")
            let maps = mapping.list(fixture.user).map { "\($0.containerID) \($0.hostID) \($0.size)" }
            #expect(result.lines == ["0", "0"] + maps + ["given", "lo", "box"], "\(result)")
            #expect(
                owner(fixture.bundles.inRoot("c", "/data/root"))
                    == "\(fixture.root(mapping)):\(fixture.root(mapping)) 644")
            try await fixture.bundles.expectNothingLeft("c")
        }
    }

    @Test(arguments: Mapping.possible) func `from create to delete`(mapping: Mapping) async throws {
        try await RootlessFixture.with("life") { fixture in
            let bundle = try fixture.prepare(
                "c", mapping, "trap 'exit 3' TERM; touch /data/on; while :; do sleep 1; done")
            let file = fixture.runtimeDirectory + "/pid"
            try await fixture.succeed("create", "--bundle", bundle, "--pid-file", file, "c")
            let created = try await fixture.succeed("state", "c").json()
            #expect(created["status"] == "created")
            #expect(created["owner"] == "rootless")
            #expect(created["pid"]?.integer == Int64(try Files.text(file)))
            try await fixture.succeed("start", "c")
            try await fixture.bundles.waitFile(fixture.bundles.inRoot("c", "/data/on"))
            #expect(try await fixture.succeed("state", "c").json()["status"] == "running")
            let listed = try await fixture.succeed("list", "--quiet")
            #expect(listed.lines == ["c"])
            let early = try await fixture.runtime(["delete", "c"])
            #expect(early.code == 1 && early.errors.contains("not stopped"), "\(early)")
            try await fixture.succeed("kill", "c", "TERM")
            try await waitUntil("it has stopped") {
                try await fixture.succeed("state", "c").json()["status"] == "stopped"
            }
            try await fixture.succeed("delete", "c")
            try await fixture.bundles.expectNothingLeft("c")
            try await fixture.succeed("create", "--bundle", bundle, "c")
            try await fixture.succeed("delete", "--force", "c")
            try await fixture.bundles.expectNothingLeft("c")
        }
    }

    /// Each kind of namespace is the first process's: the user namespace has to be joined before those that it owns.
    @Test(arguments: Mapping.possible) func `exec is in every namespace of the container`(mapping: Mapping) async throws
    {
        try await RootlessFixture.with("exec") { fixture in
            let kinds: [Kind] = [.user, .pid, .network, .ipc, .uts, .mount, .cgroup, .time]
            let first = try await fixture.launch("c", mapping) {
                $0.add(.cgroup)
                $0.add(.time)
                $0.linux?.timeOffsets = try decoded(#"{"monotonic":{"secs":86400}}"#)
            }
            let wanted = kinds.map { linkTarget("/proc/\(first)/ns/\($0.file)") ?? "" }
            for (kind, space) in zip(kinds, wanted) { #expect(space != kind.own && !space.isEmpty, "\(kind)") }
            let files = kinds.map { "/proc/self/ns/" + $0.file }.joined(separator: " ")
            let inside = try await fixture.exec("c", "for name in \(files); do readlink $name; done")
            #expect(inside.lines == wanted, "\(inside)")
            let status = try await fixture.exec("c", "id -u; cat; echo error >&2; exit 9")
            #expect(status.code == 9 && status.line == "0" && status.errors == "error\n", "\(status)")
            // Seen from inside it has no parent: that is the runtime, which is not in the container.
            let parent = try await fixture.exec("c", "echo $PPID; test $$ -gt 1 && echo other")
            #expect(parent.lines == ["0", "other"], "\(parent)")
            let missing = try await fixture.exec("c", "exec /bin/nothing")
            #expect(missing.code == 127, "\(missing)")
            let unknown = try await fixture.runtime(["exec", "c", "/bin/nothing"])
            #expect(unknown.code == 255 && unknown.errors.contains("/bin/nothing"), "\(unknown)")
            #expect(isAlive(first))
        }
    }

    @Test(arguments: Mapping.possible) func `exec detached, and what it leaves`(mapping: Mapping) async throws {
        try await RootlessFixture.with("detach") { fixture in
            let first = try await fixture.launch("c", mapping)
            let file = fixture.runtimeDirectory + "/pid"
            try await fixture.succeed("exec", "--detach", "--pid-file", file, "c", "sleep", "1000")
            let pid = try #require(Int32(try Files.text(file)))
            #expect(isAlive(pid))
            #expect(linkTarget("/proc/\(pid)/ns/pid") == linkTarget("/proc/\(first)/ns/pid"))
            let status = try Files.text("/proc/\(pid)/status")
            #expect(status.contains("Uid:\t\(fixture.root(mapping))\t"))
            // No process of the runtime's stays beside it.
            #expect(fixture.bundles.processes("c") == [])
            try await fixture.succeed("kill", "c", "KILL")
            try await waitUntil("both have ended") { !isAlive(pid) && !isAlive(first) }
            try await fixture.succeed("delete", "c")
            try await fixture.bundles.expectNothingLeft("c")
            let ended = try await fixture.exec("c", "true")
            #expect(ended.code == 255 && !ended.errors.isEmpty, "\(ended)")
        }
    }

    @Test(arguments: Mapping.possible) func `ps lists its processes, and kill --all reaches them`(
        mapping: Mapping
    ) async throws {
        try await RootlessFixture.with("ps") { fixture in
            let first = try await fixture.launch("c", mapping)
            let file = fixture.runtimeDirectory + "/pid"
            try await fixture.succeed("exec", "--detach", "--pid-file", file, "c", "sleep", "2000")
            let pids = [first, try #require(pid_t(try Files.text(file)))].sorted()
            let listed = try await fixture.succeed("ps", "--format", "json", "c")
            #expect(listed.line == "[\(pids.map(String.init).joined(separator: ","))]")
            let table = try await fixture.succeed("ps", "c")
            #expect(table.output.contains("sleep 1000") && table.output.contains("sleep 2000"), "\(table)")
            #expect(table.lines.count == 3, "\(table)")
            try await fixture.succeed("kill", "--all", "c", "KILL")
            try await waitUntil("all have ended") { pids.allSatisfy { !isAlive($0) } }
        }
    }

    @Test(.enabled(if: RootlessFixture.hasHelpers, "needs newuidmap and newgidmap (Debian's package uidmap)"))
    func `with a range exec becomes any user of it, with groups`() async throws {
        try await RootlessFixture.with("users") { fixture in
            for mapping in [Mapping.ownAndRange, .range] {
                _ = try await fixture.launch(mapping.rawValue, mapping) { $0.grant(["CAP_CHOWN"]) }
                let other = try await fixture.exec(
                    mapping.rawValue, "id -u; id -g; id -G", flags: ["--user", "7:8", "--additional-gids", "9"])
                #expect(other.lines == ["7", "8", "8 9"], "\(other)")
                let made = try await fixture.exec(
                    mapping.rawValue, "touch /data/file && chown 7:8 /data/file && stat -c %u:%g /data/file")
                #expect(made.line == "7:8", "\(made)")
                let first = RootlessFixture.subordinate.lowerBound - (mapping == .range ? 0 : 1)
                #expect(
                    owner(fixture.bundles.inRoot(mapping.rawValue, "/data/file")) == "\(first + 7):\(first + 8) 644")
                try await fixture.succeed("delete", "--force", mapping.rawValue)
            }
        }
    }

    @Test func `with one identifier there is no other user, and no further group`() async throws {
        try await RootlessFixture.with("alone") { fixture in
            _ = try await fixture.launch("c", .own)
            let other = try await fixture.exec("c", "true", flags: ["--user", "7:8"])
            #expect(other.code == 255 && other.errors.contains("process.user.gid"), "\(other)")
            let groups = try await fixture.exec("c", "true", flags: ["--additional-gids", "9"])
            #expect(groups.code == 255 && groups.errors.contains("setgroups"), "\(groups)")
            let denied = try await fixture.exec("c", "cat /proc/self/setgroups")
            #expect(denied.line == "deny", "\(denied)")
        }
    }

    /// The kernel denies setgroups(2) there, whatever the container's own namespaces are (user_namespaces(7)).
    @Test func `as root of a user namespace with one identifier, a container without one of its own`() async throws {
        try await RootlessFixture.with("inner") { fixture in
            let bundle = try fixture.prepare("c", .own, "id -u") {
                $0.linux?.namespaces?.removeAll { $0.type == .user }
                $0.linux?.uidMappings = nil
                $0.linux?.gidMappings = nil
            }
            let result = try await fixture.command(
                ["unshare", "--user", "--map-root-user", fixture.program, "--root", fixture.bundles.stateRoot]
                    + ["run", "--bundle", bundle, "c"])
            #expect(result.code == 0 && result.line == "0", "\(result)")
        }
    }

    @Test(arguments: Mapping.possible) func `terminals, of create and of exec`(mapping: Mapping) async throws {
        try await RootlessFixture.with("terminal") { fixture in
            let path = fixture.bundles.directory.path("console")
            let listener = try UnixSocket.listen(path)
            chmod(path, 0o777)
            let bundle = try fixture.prepare("c", mapping, "tty; stty size; read line; echo got $line; exec sleep 1000")
            {
                $0.process?.terminal = true
                $0.process?.consoleSize = try decoded(#"{"height":33,"width":101}"#)
            }
            try await fixture.succeed("create", "--bundle", bundle, "--console-socket", path, "c")
            let first = try await ConsolePeer.master(listener)
            try await fixture.succeed("start", "c")
            _ = try await ConsolePeer.read(first, until: "33 101")
            try Bytes.writeAll(first.rawValue, Array("line\n".utf8))
            _ = try await ConsolePeer.read(first, until: "got line")
            try await fixture.succeed(
                "exec", "--tty", "--detach", "--console-socket", path, "c", "/bin/sh", "-c", "tty; read x; echo got $x")
            let second = try await ConsolePeer.master(listener)
            _ = try await ConsolePeer.read(second, until: "/dev/pts/")
            try Bytes.writeAll(second.rawValue, Array("other\n".utf8))
            _ = try await ConsolePeer.read(second, until: "got other")
        }
    }

    @Test func `a process may be killed more easily, but not less (proc(5): oom_score_adj)`() async throws {
        try await RootlessFixture.with("score") { fixture in
            _ = try await fixture.launch("c", .own)
            func process(_ score: Int) throws -> String {
                var process = ProcessConfiguration(args: ["cat", "/proc/self/oom_score_adj"], cwd: "/")
                process.user = .init()
                process.env = ["PATH=/bin"]
                process.oomScoreAdj = score
                let text = String(decoding: try JSONCoding.encode(process), as: UTF8.self)
                return try fixture.bundles.directory.write("process\(score).json", text)
            }
            let higher = try await fixture.succeed("exec", "--process", process(321), "c")
            #expect(higher.line == "321", "\(higher)")
            let lower = try await fixture.runtime(["exec", "--process", process(-999), "c"])
            #expect(lower.code == 255 && lower.errors.contains("oom_score_adj"), "\(lower)")
        }
    }

    @Test(.enabled(if: RootlessFixture.hasHelpers, "needs newuidmap and newgidmap (Debian's package uidmap)"))
    func `identifiers that are not the user's are refused, and nothing is left`() async throws {
        try await RootlessFixture.with("foreign") { fixture in
            let bundle = try fixture.prepare("c", .range) {
                $0.linux?.uidMappings = [.init(containerID: 0, hostID: 0, size: 10)]
            }
            let result = try await fixture.runtime(["create", "--bundle", bundle, "c"])
            #expect(result.code == 1)
            #expect(result.errors.contains("linux.uidMappings") && result.errors.contains("subuid"), "\(result)")
            try await fixture.bundles.expectNothingLeft("c")
        }
    }

    @Test func `limits without a group are an error, and nothing is left`() async throws {
        try await RootlessFixture.with("limits") { fixture in
            let bundle = try fixture.prepare("c", .own) {
                $0.linux?.resources = try decoded(#"{"pids":{"limit":5}}"#)
            }
            let result = try await fixture.runtime(["create", "--bundle", bundle, "c"])
            #expect(result.code == 1)
            #expect(result.errors.contains("linux.resources"), "\(result)")
            try await fixture.bundles.expectNothingLeft("c")
        }
    }
}
