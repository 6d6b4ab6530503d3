import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// runtime.md, Lifecycle: after a poststart or poststop hook that fails the remaining ones are run all the same.
@Suite(.bundles) struct HookFailureTests {
    private static func hooks(_ file: String) -> [RuntimeConfiguration.Hook] {
        ["exit 7", "echo second >> \(file)", "exit 8", "echo fourth >> \(file)"].map {
            .init(path: "/bin/sh", args: ["sh", "-c", $0])
        }
    }

    @Test func `poststart and poststop`() async throws {
        try await withBundles("hooksgoon") { fixture in
            let (started, stopped) = (fixture.directory.path("started"), fixture.directory.path("stopped"))
            let bundle = try fixture.prepare("c", "exec sleep 1000") {
                var hooks = RuntimeConfiguration.Hooks()
                hooks.poststart = Self.hooks(started)
                hooks.poststop = Self.hooks(stopped)
                $0.hooks = hooks
            }
            try await fixture.succeed("create", "--bundle", bundle, "c")
            let start = try await fixture.succeed("start", "c")
            #expect(try Files.text(started) == "second\nfourth\n")
            #expect(start.errors.contains("poststart[0]") && start.errors.contains("poststart[2]"), "\(start)")
            let delete = try await fixture.succeed("delete", "--force", "c")
            #expect(try Files.text(stopped) == "second\nfourth\n")
            #expect(delete.errors.contains("poststop[0]") && delete.errors.contains("poststop[2]"), "\(delete)")
        }
    }

    @Test func `poststop after a creation that failed`() async throws {
        try await withBundles("hooksundo") { fixture in
            let stopped = fixture.directory.path("stopped")
            let bundle = try fixture.prepare("c", "exec sleep 1000") {
                var hooks = RuntimeConfiguration.Hooks()
                hooks.createRuntime = [.init(path: "/bin/false")]
                hooks.poststop = Self.hooks(stopped)
                $0.hooks = hooks
            }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1 && result.errors.contains("createRuntime[0]"), "\(result)")
            #expect(try Files.text(stopped) == "second\nfourth\n")
            try await fixture.expectNothingLeft("c")
        }
    }
}
