import Glibc
import LinuxSystem
import TestSupport
import Testing

/// podman as an ordinary user: it makes a user namespace and drives the runtime as root of that.
@Suite(
    .rootless, .serialized,
    .enabled(if: RootlessPodman.isPossible, "needs podman, conmon, newuidmap and newgidmap (Debian: podman, uidmap)"))
struct RootlessPodmanTests {
    /// With `keep-id` the container has a user namespace of its own within podman's.
    @Test(arguments: [("host", "0"), ("keep-id", "\(RootlessFixture.nobodys)")])
    func `run, exec, top, stop`(users: String, user: String) async throws {
        try await RootlessPodman.with { podman in
            let flags = ["--userns", users]
            let code = try await podman.run(
                ["run", "--rm"] + flags + podman.options + ["/bin/sh", "-c", "id -u; echo error >&2; exit 5"])
            #expect(code.code == 5 && code.line == user && code.errors.contains("error"), "\(code)")
            try await podman.succeed(
                ["run", "--detach", "--name", "box"] + flags + podman.options + ["/bin/sh", "-c", "exec sleep 1000"])
            let inside = try await podman.run(["exec", "box", "/bin/sh", "-c", "id -u; readlink /proc/1/ns/pid"])
            let pid = try await podman.succeed(["inspect", "--format", "{{.State.Pid}}", "box"]).line
            #expect(inside.lines == [user, linkTarget("/proc/\(pid)/ns/pid") ?? ""], "\(inside)")
            let other = try await podman.run(["exec", "--user", "7:8", "box", "/bin/sh", "-c", "id -u; exit 4"])
            #expect(other.code == 4 && other.line == "7", "\(other)")
            let top = try await podman.succeed(["top", "box", "args"])
            #expect(top.output.contains("sleep 1000"), "\(top)")
            try await podman.succeed(["stop", "--time", "0", "box"])
            let end = try await podman.succeed(["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "box"])
            #expect(end.line == "exited 137")
            try await podman.succeed(["rm", "box"])
        }
    }
}

/// podman of a user who has all of it in a fixture's directory.
struct RootlessPodman {
    static let isPossible =
        RootlessFixture.hasHelpers && ["podman", "conmon"].allSatisfy { TestEnvironment.command($0) != nil }

    private let fixture: RootlessFixture

    /// Of every container: no network, since the program for that may be missing, and a directory as its root.
    var options: [String] {
        [
            "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--env", "PATH=/bin",
            "--rootfs", fixture.bundles.inRoot("image", ""),
        ]
    }

    // A run root may have 50 characters.
    private var tools: [String] {
        [
            "env", "-u", "USER", "HOME=" + fixture.home,
            "CONTAINERS_CONF=" + fixture.bundles.directory.path("containers.conf"),
            "podman", "--storage-driver", "vfs", "--root", fixture.home + "/storage", "--runroot",
            fixture.runtimeDirectory + "/c", "--tmpdir", fixture.runtimeDirectory + "/tmp", "--cgroup-manager",
            "cgroupfs", "--events-backend", "file", "--runtime", fixture.program,
        ]
    }

    /// Hands out a podman; nothing of it may stay.
    static func with(_ body: (RootlessPodman) async throws -> Void) async throws {
        try await RootlessFixture.with("pod") { fixture in
            let podman = RootlessPodman(fixture: fixture)
            _ = try fixture.prepare("image", .ownAndRange)
            // What podman mounts needs places in the root, which its root makes, whoever that is.
            try await Command.run(["chmod", "-R", "a+rwX", fixture.bundles.inRoot("image", "")])
            try fixture.bundles.directory.write(
                "containers.conf", "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\n")
            do {
                try await body(podman)
            } catch {
                await podman.end()
                throw error
            }
            await podman.end()
            try await waitUntil("no process of the user's is left") { fixture.processes().isEmpty }
        }
    }

    /// Takes everything away, also the process that keeps podman's namespaces.
    private func end() async {
        for words in [["rm", "--all", "--force", "--time", "0"], ["system", "migrate"]] { _ = try? await run(words) }
    }

    func run(_ words: [String]) async throws -> CommandResult {
        try await fixture.command(tools + words, within: .seconds(120))
    }

    @discardableResult
    func succeed(_ words: [String], location: SourceLocation = #_sourceLocation) async throws -> CommandResult {
        let result = try await run(words)
        try #require(result.code == 0, "\(words): \(result)", sourceLocation: location)
        return result
    }
}
