import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `run`: what it leaves, whom signals reach, who takes orphans.
@Suite(.bundles) struct RunTests {
    private static func hook(_ script: String) -> RuntimeConfiguration.Hook {
        .init(path: "/bin/sh", args: ["sh", "-c", script])
    }

    @Test func `--detach of a program that ends at once succeeds`() async throws {
        try await withBundles("short") { fixture in
            let bundle = try fixture.prepare("c", ["/bin/true"])
            for _ in 0..<20 {
                let result = try await fixture.runtime(["run", "--detach", "--bundle", bundle, "c"])
                try #require(result.code == 0, "\(result)")
                try await fixture.waitStatus("c", "stopped")
                try await fixture.succeed("delete", "c")
            }
        }
    }

    /// A directory lies where the container's own socket is to be.
    @Test(arguments: [["--detach"], []])
    func `what cannot be started leaves nothing`(flags: [String]) async throws {
        try await withBundles("unstarted") { fixture in
            let bundle = try fixture.prepare("c", "exec sleep 1000") {
                var hooks = RuntimeConfiguration.Hooks()
                hooks.createRuntime = [Self.hook("/bin/mkdir \(fixture.stateRoot)/c/notify/notify.sock")]
                $0.hooks = hooks
            }
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle] + flags + ["c"],
                environment: ["NOTIFY_SOCKET=" + fixture.directory.path("nobody")])
            #expect(result.code == 1 && result.errors.contains("notify"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `a signal that comes before the program is the program's`() async throws {
        try await withBundles("early") { fixture in
            let result = try await fixture.run("c", "exec sleep 1000") {
                // A first process of a PID namespace ignores what it has not asked for.
                $0.remove(.pid)
                var hooks = RuntimeConfiguration.Hooks()
                hooks.createRuntime = [Self.hook("kill -TERM $PPID")]
                $0.hooks = hooks
            }
            #expect(result.code == 128 + SIGTERM, "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(arguments: [[], ["--no-subreaper"]])
    func `orphans come to it, unless --no-subreaper says otherwise`(flags: [String]) async throws {
        try await withBundles("orphan") { fixture in
            let script = "(sh -c 'echo $$ > /data/new; mv /data/new /data/orphan; exec sleep 1000' &); exec sleep 1000"
            let bundle = try fixture.prepare("c", script) { $0.remove(.pid) }
            let words = [try #require(BundleFixture.program), "--root", fixture.stateRoot, "run"] + flags
            let command = try StartedCommand(words + ["--bundle", bundle, "c"], in: fixture.directory)
            try await fixture.waitFile(fixture.inRoot("c", "/data/orphan"))
            let text = try Files.text(fixture.inRoot("c", "/data/orphan"))
            let orphan = try #require(pid_t(text.prefix { $0 != "\n" }))
            let first = try await fixture.pid("c")
            try await waitUntil("its parent has ended") { Self.parent(orphan) != nil && Self.isOrphan(orphan, first) }
            #expect((Self.parent(orphan) == command.pid) == flags.isEmpty)
            kill(command.pid, SIGTERM)
            #expect(try await command.end().code == 128 + SIGTERM)
            try await fixture.expectNothingLeft("c")
        }
    }

    private static func parent(_ process: pid_t) -> pid_t? {
        guard let text = try? Files.text("/proc/\(process)/status") else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("PPid:") }
        return line.flatMap { pid_t($0.dropFirst(6)) }
    }

    /// Whether the parent is neither the container's shell nor a child of that.
    private static func isOrphan(_ process: pid_t, _ first: pid_t) -> Bool {
        guard let parent = parent(process) else { return false }
        return parent != first && Self.parent(parent) != first
    }
}
