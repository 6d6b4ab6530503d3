import Glibc
import LinuxSystem
import TestSupport
import Testing

/// `exec --ignore-paused` and `exec --preserve-fds` as runc has them.
@Suite(.bundles) struct ExecFlagsTests {
    @Test func `--ignore-paused is not refused, and runs when the container is resumed`() async throws {
        try await withBundles("ignorepaused") { fixture in
            try await fixture.launch("c")
            try await fixture.succeed("pause", "c")
            let words = [try #require(BundleFixture.program), "--root", fixture.stateRoot, "exec", "--ignore-paused"]
            let command = try StartedCommand(words + ["c", "echo", "here"], in: fixture.directory)
            do {
                // Its process is frozen as it comes into the group.
                try await waitUntil("the process is in the container's group") {
                    fixture.groups("c").contains { group in
                        let text = (try? Files.text(group + "/cgroup.procs")) ?? ""
                        return text.split(separator: "\n").count > 1
                    }
                }
            } catch {
                try await fixture.succeed("resume", "c")
                try await command.stop()
                throw error
            }
            try await fixture.succeed("resume", "c")
            let result = try await command.end()
            #expect(result.code == 0, "\(result)")
            #expect(result.line == "here", "\(result)")
        }
    }

    @Test func `--preserve-fds keeps so many`() async throws {
        try await withBundles("execpreserve") { fixture in
            try await fixture.launch("c")
            let file = try fixture.directory.write("kept", "kept\n")
            let kept = try Descriptor.open(file, O_RDONLY)
            let other = try Descriptor.open("/dev/null", O_RDONLY)
            let script = "cat <&3; test -e /proc/self/fd/4 || echo none"
            let result = try await fixture.runtime(
                ["exec", "--preserve-fds", "1", "c", "/bin/sh", "-c", script],
                descriptors: [kept.rawValue, other.rawValue])
            #expect(result.lines == ["kept", "none"], "\(result)")
        }
    }

    @Test func `--preserve-fds of what is not open is an error`() async throws {
        try await withBundles("execunopened") { fixture in
            try await fixture.launch("c")
            let result = try await fixture.command("exec", "--preserve-fds", "50", "c", "true")
            #expect(result.code != 0)
            #expect(!result.errors.isEmpty)
        }
    }
}
