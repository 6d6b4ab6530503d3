import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `events` as runc has it.
@Suite(.bundles) struct StatisticsTests {
    @Test func `events --stats: one line of what the container uses`() async throws {
        try await withBundles("stats") { fixture in
            try await fixture.launch("c", "sleep 1000 & touch /data/ready; wait") {
                var pids = LinuxResources.PIDs()
                pids.limit = 77
                $0.linux?.resources?.pids = pids
                var memory = LinuxResources.Memory()
                memory.limit = 64 << 20
                $0.linux?.resources?.memory = memory
            }
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            let result = try await fixture.succeed("events", "--stats", "c")
            #expect(result.lines.count == 1)
            let event = try result.json()
            #expect(event["type"] == "stats")
            #expect(event["id"] == "c")
            let data = try #require(event["data"])
            #expect(data["pids"]?["current"] == 2)
            #expect(data["pids"]?["limit"] == 77)
            #expect((data["cpu"]?["usage"]?["total"]?.integer ?? 0) > 0)
            #expect(data["cpu"]?["usage"]?["kernel"]?.integer != nil)
            #expect(data["cpu"]?["usage"]?["user"]?.integer != nil)
            #expect(data["cpu"]?["throttling"]?.object != nil)
            #expect((data["memory"]?["usage"]?["usage"]?.integer ?? 0) > 0)
            #expect(data["memory"]?["usage"]?["limit"]?.integer == 64 << 20)
            #expect(data["memory"]?["raw"]?.object?.isEmpty == false)
            for name in ["blkio", "hugetlb", "intel_rdt"] { #expect(data[name]?.object != nil, "\(name): \(result)") }
        }
    }

    @Test func `events repeats them at its interval`() async throws {
        try await withBundles("interval") { fixture in
            try await fixture.launch("c")
            let result = try await fixture.runtime(
                ["events", "--interval", "200ms", "c"], within: .seconds(3))
            #expect(result.code == 137, "it ends with the container: \(result)")
            #expect(result.lines.count >= 2, "\(result)")
            for line in result.lines {
                #expect(try JSONValue(parsing: Array(line.utf8))["type"] == "stats")
            }
        }
    }

    @Test func `events of a container that does not run, and an interval of nothing`() async throws {
        try await withBundles("stopped") { fixture in
            try await fixture.launch("c")
            let none = try await fixture.command("events", "--interval", "0", "c")
            #expect(none.code == 1)
            try await fixture.stop("c")
            let result = try await fixture.command("events", "--stats", "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("not running"), "\(result)")
        }
    }
}
