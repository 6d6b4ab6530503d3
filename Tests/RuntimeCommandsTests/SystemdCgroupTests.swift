import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `--systemd-cgroup`: a container's group is a scope that systemd makes (systemd.scope(5),
/// systemd.resource-control(5)).
@Suite(
    .bundles, .serialized,
    .enabled(if: SystemdScope.isPossible, "needs a machine booted with systemd, with cgroup v2 alone"))
struct SystemdCgroupTests {
    private static let resources = #"""
        {"memory": {"limit": 67108864, "reservation": 33554432}, "pids": {"limit": 23},
         "cpu": {"shares": 1024, "quota": 20000, "period": 100000, "cpus": "0"},
         "devices": [{"allow": false, "access": "rwm"}]}
        """#

    /// Runs `body` with a fixture and a scope for the container `c`, and looks that nothing of it stays.
    private static func with(_ name: String, _ body: (BundleFixture, SystemdScope) async throws -> Void) async throws {
        try await withBundles("systemd" + name) { fixture in
            let scope = SystemdScope(name + "\(getpid())", slice: "martlettest\(getpid()).slice")
            do {
                try await body(fixture, scope)
                _ = try await run(fixture, "delete", "--force", "c")
                #expect(try await scope.isGone())
            } catch {
                _ = try? await run(fixture, "delete", "--force", "c")
                try? await scope.end()
                throw error
            }
            try await scope.end()
        }
    }

    private static func run(_ fixture: BundleFixture, _ words: String..., input: String = "") async throws
        -> CommandResult
    {
        try await fixture.runtime(words, options: ["--systemd-cgroup"], input: input, within: .seconds(60))
    }

    private static func succeed(
        _ fixture: BundleFixture, _ words: String..., input: String = "", location: SourceLocation = #_sourceLocation
    ) async throws {
        let result = try await fixture.runtime(words, options: ["--systemd-cgroup"], input: input, within: .seconds(60))
        try #require(result.code == 0, "\(words): \(result)", sourceLocation: location)
    }

    private static func prepare(
        _ fixture: BundleFixture, _ scope: SystemdScope, _ script: String = "exec sleep 1000",
        _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }
    ) throws -> String {
        try fixture.prepare("c", script) {
            $0.linux?.cgroupsPath = scope.path(String(scope.unit.dropFirst(8).dropLast(6)))
            $0.linux?.resources = try decoded(resources)
            try change(&$0)
        }
    }

    private static func expectLimits(
        _ scope: SystemdScope, _ group: String, memory: Int, pids: Int, location: SourceLocation = #_sourceLocation
    ) async throws {
        let files = [
            "memory.max": "\(memory)", "memory.low": "33554432", "pids.max": "\(pids)", "cpu.max": "20000 100000",
            "cpu.weight": "100", "cpuset.cpus": "0",
        ]
        for (name, value) in files {
            #expect(SystemdScope.file(name, group) == value, "\(name)", sourceLocation: location)
        }
        let properties = [
            "MemoryMax": "\(memory)", "MemoryLow": "33554432", "TasksMax": "\(pids)", "CPUQuotaPerSecUSec": "200ms",
            "CPUWeight": "100", "AllowedCPUs": "0", "ActiveState": "active", "Delegate": "yes", "Slice": scope.slice,
            "DevicePolicy": "strict",
        ]
        for (name, value) in properties {
            let shown = try await scope.property(name)
            #expect(shown == value, "\(name)", sourceLocation: location)
        }
    }

    @Test(.timeLimit(.minutes(5))) func `limits are the scope's from create on, and stay when systemd writes its own`()
        async throws
    {
        try await Self.with("life") { fixture, scope in
            let bundle = try Self.prepare(fixture, scope) { $0.grant(["CAP_MKNOD"]) }
            try await Self.succeed(fixture, "create", "--bundle", bundle, "c")
            let pid = try await fixture.pid("c")
            let group = try SystemdScope.group(of: pid)
            #expect(group == "/\(scope.slice)/\(scope.unit)")
            // What held the scope open has ended.
            #expect(SystemdScope.file("cgroup.procs", group) == "\(pid)")
            try await Self.expectLimits(scope, group, memory: 64 << 20, pids: 23)
            try await Self.succeed(fixture, "start", "c")
            let file = fixture.directory.path("pid")
            try await Self.succeed(fixture, "exec", "--detach", "--pid-file", file, "c", "sleep", "1000")
            #expect(try SystemdScope.group(of: #require(pid_t(try Files.text(file)))) == group)
            try await scope.reload()
            try await Self.expectLimits(scope, group, memory: 64 << 20, pids: 23)
            let change = #"{"memory": {"limit": 134217728}, "pids": {"limit": 31}}"#
            try await Self.succeed(fixture, "update", "--resources", "-", "c", input: change)
            try await Self.expectLimits(scope, group, memory: 128 << 20, pids: 31)
            try await scope.reload()
            try await Self.expectLimits(scope, group, memory: 128 << 20, pids: 31)
            let devices = try await fixture.exec(
                "c", "mknod /tmp/log c 1 11; head -c 1 /tmp/log; echo x > /dev/null && echo end")
            #expect(devices.errors.contains("Operation not permitted") && devices.line == "end", "\(devices)")
            try await Self.succeed(fixture, "pause", "c")
            #expect(try await fixture.state("c")["status"] == "paused")
            try await Self.succeed(fixture, "resume", "c")
            try await Self.succeed(fixture, "kill", "c", "KILL")
            try await fixture.waitStatus("c", "stopped")
            try await Self.succeed(fixture, "delete", "c")
            #expect(try await scope.isGone())
            #expect(!Files.exists("/sys/fs/cgroup" + group))
            // The name is free.
            try await Self.succeed(fixture, "create", "--bundle", bundle, "c")
            try await Self.succeed(fixture, "delete", "--force", "c")
            #expect(try await scope.isGone())
        }
    }

    @Test(.timeLimit(.minutes(5))) func `run takes the scope away, and so does a creation that fails`() async throws {
        try await Self.with("run") { fixture, scope in
            let bundle = try Self.prepare(fixture, scope, "cat /proc/self/cgroup; exit 3")
            let result = try await Self.run(fixture, "run", "--bundle", bundle, "c")
            #expect(result.code == 3 && result.output.contains("/\(scope.slice)/\(scope.unit)\n"), "\(result)")
            #expect(try await scope.isGone())
            let broken = try Self.prepare(fixture, scope) { $0.process?.args = ["/bin/nothing"] }
            let failed = try await Self.run(fixture, "create", "--bundle", broken, "c")
            #expect(failed.code == 1 && failed.errors.contains("/bin/nothing"), "\(failed)")
            #expect(try await scope.isGone())
        }
    }

    @Test(.timeLimit(.minutes(5))) func `a creation that is killed leaves no unit once it is deleted`() async throws {
        try await Self.with("kill") { fixture, scope in
            let file = fixture.directory.path("hook")
            let bundle = try Self.prepare(fixture, scope) {
                $0.hooks = try decoded(
                    #"{"createRuntime":[{"path":"/bin/sh","args":["sh","-c","echo $$ > \#(file); exec sleep 1000"]}]}"#)
            }
            let creation = try StartedCommand(
                [
                    BundleFixture.program ?? "", "--root", fixture.stateRoot, "--systemd-cgroup", "create", "--bundle",
                    bundle, "c",
                ], in: fixture.directory)
            let hook = try await waitFor("the hook runs") { pid_t((try? Files.text(file).trimmedLine) ?? "") }
            let state = try await scope.property("ActiveState")
            #expect(state == "active")
            try await creation.stop()
            kill(hook, SIGKILL)
            try await Self.succeed(fixture, "delete", "--force", "c")
            #expect(try await scope.isGone())
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(.timeLimit(.minutes(5))) func `a scope that runs is nobody else's, and a path of files is no scope's`()
        async throws
    {
        try await Self.with("name") { fixture, scope in
            let bundle = try Self.prepare(fixture, scope)
            try await Self.succeed(fixture, "create", "--bundle", bundle, "c")
            let pid = try await fixture.pid("c")
            let second = try await Self.run(fixture, "create", "--bundle", bundle, "d")
            #expect(second.code == 1 && second.errors.contains(scope.unit), "\(second)")
            try await fixture.expectNothingLeft("d")
            #expect(isAlive(pid))
            let state = try await scope.property("ActiveState")
            #expect(state == "active")
            let other = try fixture.prepare("e", "true") { $0.linux?.cgroupsPath = "/a/b" }
            let wrong = try await Self.run(fixture, "create", "--bundle", other, "e")
            #expect(wrong.code == 1 && wrong.errors.contains("linux.cgroupsPath"), "\(wrong)")
            try await fixture.expectNothingLeft("e")
        }
    }
}

extension String {
    /// Without the line's end.
    fileprivate var trimmedLine: Substring { prefix { $0 != "\n" } }
}
