import RuntimeSpec
import TestSupport
import Testing

/// What an ordinary user's runtime cannot do is told, not left out.
@Suite(.rootless) struct RootlessRefusalTests {
    @Test(arguments: [
        (#"{"memory":{"limit":67108864}}"#, "memory.limit"), (#"{"pids":{"limit":5}}"#, "pids.limit"),
        (#"{"cpu":{"shares":512}}"#, "cpu.shares"), (#"{"unified":{"pids.max":"5"}}"#, "unified"),
    ])
    func `a limit beside rules of devices is one (config-linux.md: Control groups)`(
        text: String, member: String
    ) async throws {
        try await RootlessFixture.with("ruleslimit") { fixture in
            let bundle = try fixture.prepare("c", .own) {
                var resources = try decoded(text, as: LinuxResources.self)
                resources.devices = [.init(allow: false)]
                $0.linux?.resources = resources
            }
            let result = try await fixture.runtime(["create", "--bundle", bundle, "c"])
            #expect(result.code == 1)
            #expect(result.errors.contains("linux.resources." + member), "\(result)")
            try await fixture.bundles.expectNothingLeft("c")
        }
    }

    @Test func `rules of devices alone, and members that ask for nothing, are none`() async throws {
        try await RootlessFixture.with("rules") { fixture in
            let bundle = try fixture.prepare("c", .own, "echo here") {
                $0.linux?.resources = try decoded(
                    #"{"devices":[{"allow":false,"access":"rwm"}],"memory":{},"cpu":{"shares":0},"blockIO":{}}"#)
            }
            let result = try await fixture.succeed("run", "--bundle", bundle, "c")
            #expect(result.line == "here", "\(result)")
        }
    }

    @Test func `an update without a group changes nothing, and so has nothing to take back`() async throws {
        try await RootlessFixture.with("noupdate") { fixture in
            _ = try await fixture.launch("c", .own)
            let result = try await fixture.runtime(["update", "--memory", "64m", "c"])
            #expect(result.code == 1 && result.errors.contains("linux.resources.memory.limit"), "\(result)")
            #expect(!result.errors.contains("before the update"), "\(result)")
        }
    }

    /// Until it is started its first process is a copy of the runtime, into which nobody may look (ptrace(2)).
    @Test func `exec into a container that was not started`() async throws {
        try await RootlessFixture.with("unstarted") { fixture in
            let bundle = try fixture.prepare("c", .own)
            try await fixture.succeed("create", "--bundle", bundle, "c")
            let early = try await fixture.exec("c", "true")
            #expect(early.code == 255 && early.errors.contains("has not been started"), "\(early)")
            try await fixture.succeed("start", "c")
            let result = try await fixture.exec("c", "echo here")
            #expect(result.code == 0 && result.line == "here", "\(result)")
        }
    }
}
