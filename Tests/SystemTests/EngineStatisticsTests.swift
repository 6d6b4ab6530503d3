import JSON
import TestSupport
import Testing

extension EngineSystemTests {
    /// What `docker stats` and its API show of a container (Engine API: ContainerStats).
    @Suite(.enabled(if: EngineHost.isDriven, EngineHost.drivenReason)) struct StatisticsTests {
        private static func figures(_ host: EngineHost) async throws -> JSONValue {
            try JSONValue(
                parsing: await host.client.perform("GET", "/containers/box/stats?stream=false&one-shot=true").bytes())
        }

        @Test func theGroupsFiguresAreShown() async throws {
            try await EngineHost.with("figures") { host in
                try await host.docker(
                    "run", "-d", "--name", "box", "--cpus", "0.1", "--memory", "32m", EngineHost.image, "sh", "-c",
                    """
                    dd if=/dev/zero of=/file bs=64k count=4 oflag=direct && dd if=/file of=/dev/null bs=64k iflag=direct
                    touch /done; while :; do :; done
                    """)
                try await waitUntil("it has been throttled") {
                    let data = try await Self.figures(host)["cpu_stats"]?["throttling_data"]
                    return (data?["throttled_periods"]?.integer ?? 0) > 0 && (data?["throttled_time"]?.integer ?? 0) > 0
                        && (data?["periods"]?.integer ?? 0) > 0
                }
                try await waitUntil("it has read") {
                    try await host.attempt(["exec", "box", "test", "-e", "/done"]).succeeded
                }
                let figures = try await Self.figures(host)
                let memory = try #require(figures["memory_stats"])
                #expect(memory["limit"] == 33_554_432 && (memory["usage"]?.integer ?? 0) > 0)
                #expect(memory["stats"]?["inactive_file"]?.integer != nil && memory["stats"]?["pgfault"] != 0)
                if memory["stats"]?["total_inactive_file"] != nil {
                    #expect((memory["max_usage"]?.integer ?? 0) >= 65_536, "cgroup v1 keeps the maximum: \(memory)")
                }
                guard let blocks = figures["blkio_stats"]?["io_service_bytes_recursive"]?.array else {
                    print("not exercised: block I/O, which this machine's kernel does not count without a limit")
                    return
                }
                for operation in ["read", "write"] {
                    let bytes = blocks.filter { $0["op"]?.string?.lowercased() == operation }.compactMap(
                        \.["value"]?.integer)
                    #expect(bytes.reduce(0, +) >= 262_144, "\(blocks)")
                }
                let shown = try await host.docker("stats", "--no-stream", "--format", "{{.BlockIO}}", "box")
                #expect(!shown.contains("0B"), "\(shown)")
            }
        }
    }
}
