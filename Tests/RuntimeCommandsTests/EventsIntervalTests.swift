import LinuxSystem
import TestSupport
import Testing

/// `events --interval` with durations as Go has them.
@Suite(.bundles) struct EventsIntervalTests {
    @Test(arguments: ["1000h", "2540400h", "1m30s"])
    func `a long interval is only that`(interval: String) async throws {
        try await withBundles("interval") { fixture in
            try await fixture.launch("c")
            let output = fixture.directory.path("events")
            let words = [try #require(BundleFixture.program), "--root", fixture.stateRoot, "events", "--interval"]
            let command = try StartedCommand(
                ["/bin/sh", "-c", "exec \"$@\" > \(output)", "sh"] + words + [interval, "c"], in: fixture.directory)
            try await waitUntil("the first figures are there") {
                (try? Files.text(output))?.contains("\"stats\"") == true
            }
            try await fixture.stop("c")
            let result = try await command.end()
            #expect(result.code == 0, "\(result)")
        }
    }
}
