import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `--systemd-cgroup` as an ordinary user: the scope is made by the user's own systemd, which has only the controllers
/// that it was given (systemd.resource-control(5): Delegate).
@Suite(
    .rootless, .serialized,
    .enabled(
        "needs systemd that runs another for a user (user@.service) and the message bus",
        {
            await SystemdAccount.isPossible()
        }))
struct SystemdUserTests {
    typealias Mapping = RootlessFixture.Mapping

    @Test(.timeLimit(.minutes(5)), arguments: Mapping.possible)
    func `limits are the scope's, and it goes with the container`(mapping: Mapping) async throws {
        try await SystemdAccount.with { account in
            try await RootlessFixture.with(
                "sd", user: account.user, runtimeDirectory: account.runtimeDirectory
            ) { fixture in
                let name = mapping.rawValue + "\(getpid())"
                let scope = SystemdScope(name, slice: "martlettest\(getpid()).slice", account: account)
                let bundle = try fixture.prepare("c", mapping) {
                    $0.linux?.cgroupsPath = scope.path(name)
                    $0.linux?.resources = try decoded(#"{"memory":{"limit":67108864},"pids":{"limit":23}}"#)
                    $0.add(.cgroup)
                    $0.mount(
                        "cgroup", "/sys/fs/cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"], type: "cgroup")
                }
                let options = ["--systemd-cgroup"]
                try await fixture.succeed(options + ["create", "--bundle", bundle, "c"])
                let pid = try await fixture.bundles.pid("c")
                let group = try SystemdScope.group(of: pid)
                #expect(group.hasSuffix("/user@\(account.user).service/\(scope.slice)/\(scope.unit)"), "\(group)")
                #expect(SystemdScope.file("cgroup.procs", group) == "\(pid)")
                #expect(SystemdScope.file("memory.max", group) == "\(64 << 20)")
                #expect(SystemdScope.file("pids.max", group) == "23")
                let tasks = try await scope.property("TasksMax")
                #expect(tasks == "23")
                try await fixture.succeed(options + ["start", "c"])
                let file = account.runtimeDirectory + "/pid"
                try await fixture.succeed(options + ["exec", "--detach", "--pid-file", file, "c", "sleep", "1000"])
                let other = try #require(pid_t(try Files.text(file)))
                #expect(try SystemdScope.group(of: other) == group)
                let inside = try await fixture.exec("c", "cat /sys/fs/cgroup/pids.max; cut -d: -f3 /proc/self/cgroup")
                #expect(inside.lines == ["23", "/"], "\(inside)")
                try await fixture.succeed(options + ["update", "--pids-limit", "31", "c"])
                #expect(SystemdScope.file("pids.max", group) == "31")
                let listed = try await fixture.succeed(options + ["ps", "--format", "json", "c"])
                #expect(listed.line == "[\([pid, other].sorted().map(String.init).joined(separator: ","))]")
                try await fixture.succeed(options + ["delete", "--force", "c"])
                #expect(try await scope.isGone())
                #expect(!Files.exists("/sys/fs/cgroup" + group))
                let script = "cat /proc/self/cgroup; exit 3"
                _ = try fixture.prepare("c", mapping, script) { $0.linux?.cgroupsPath = scope.path(name) }
                let run = try await fixture.runtime(options + ["run", "--bundle", bundle, "c"])
                #expect(run.code == 3 && run.output.contains(scope.unit), "\(run)")
                #expect(try await scope.isGone())
            }
        }
    }
}
