import JSON
import TestSupport
import Testing

/// `pause`, `resume` and `update` as runc has them.
@Suite(.bundles) struct PauseTests {
    @Test func `a paused container says so, and takes no exec until it is resumed`() async throws {
        try await withBundles("pause") { fixture in
            try await fixture.launch("c")
            try await fixture.succeed("pause", "c")
            let paused = try await fixture.state("c")["status"]
            #expect(paused == "paused")
            let refused = try await fixture.exec("c", "true")
            #expect(refused.code != 0)
            #expect(refused.errors.contains("paused"), "\(refused)")
            try await fixture.succeed("resume", "c")
            let running = try await fixture.state("c")["status"]
            #expect(running == "running")
            let taken = try await fixture.exec("c", "echo here")
            #expect(taken.line == "here")
        }
    }

    @Test func `update by flags and from standard input (config-linux.md: PIDs)`() async throws {
        try await withBundles("update") { fixture in
            try await fixture.launch("c")
            try await fixture.succeed("update", "--pids-limit", "77", "c")
            #expect(fixture.groupFile("c", "pids.max") == "77")
            try await fixture.succeed("update", "--resources", "-", "c", input: #"{"pids":{"limit":99}}"#)
            #expect(fixture.groupFile("c", "pids.max") == "99")
        }
    }
}
