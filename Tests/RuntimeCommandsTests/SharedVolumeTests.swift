import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts: the runtime makes destinations that are missing.
@Suite(.bundles) struct SharedVolumeTests {
    @Test func `containers may make the same places in a volume at the same time`() async throws {
        try await withBundles("volume") { fixture in
            let place = "/data/" + (0..<150).map { "\($0)" }.joined(separator: "/")
            let file = try fixture.directory.write("file", "host\n")
            for round in 0..<4 {
                let volume = fixture.directory.path("volume\(round)")
                try Files.makeDirectories(volume)
                let results = try await withThrowingTaskGroup(of: CommandResult.self) { group in
                    for index in 0..<3 {
                        let id = "c\(round)-\(index)"
                        let bundle = try fixture.prepare(id, "cat \(place)/file") {
                            $0.mount(volume, "/data", ["bind"])
                            $0.mount(file, place + "/file", ["bind"])
                        }
                        group.addTask { try await fixture.runtime(["run", "--bundle", bundle, id]) }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                for result in results { #expect(result.line == "host", "\(result)") }
            }
        }
    }
}
