import JSON
import Lab
import LinuxSystem
import TestSupport
import Testing

/// Constant load on a published port from the underlay, each request on a connection of its own and to the next host.
struct ClusterLoad: Sendable {
    struct Report: Sendable {
        let requests: Int64
        let failed: Int64
        let answers: Set<String>
        let text: String
    }

    private let directory: TemporaryDirectory
    private let running: Task<CapturedProcess, any Error>

    /// Returns when requests are answered.
    static func start(_ cluster: Cluster, port: Int, rate: Int = 100) async throws -> ClusterLoad {
        let directory = try TemporaryDirectory("load")
        let addresses = try cluster.lab.hosts().filter { $0.status == .running }.map { "\($0.address)" }
        let program = Cluster.repository + "/scripts/lib/load.py"
        // It ends when the file is there; the last line is its report.
        let script = """
            python3 '\(program)' --json --rate \(rate) --seconds 120 --port \(port) --path /cgi-bin/hello \
            \(addresses.joined(separator: " ")) &
            load=$!
            touch '\(directory.path)/started'
            while [ ! -e '\(directory.path)/stop' ] && kill -0 $load 2>/dev/null; do sleep 0.05; done
            kill -INT $load; wait $load
            """
        let lab = cluster.lab
        let running = Task {
            try await lab.exec(on: RunningLab.underlayName, ["sh", "-c", script], within: .seconds(150))
        }
        try await waitUntil("the load runs") { Files.exists(directory.path("started")) }
        return ClusterLoad(directory: directory, running: running)
    }

    /// Ends it and says how it went.
    func stop() async throws -> Report {
        try directory.write("stop", "")
        let result = try await running.value
        let text = String(decoding: result.output, as: UTF8.self)
        let errors = String(decoding: result.errors, as: UTF8.self)
        let report = try #require(try? JSONValue(parsing: Array(text.utf8)), "no report: \(text) \(errors)")
        return Report(
            requests: report["requests"]?.integer ?? 0, failed: report["failed"]?.integer ?? -1,
            answers: Set(report["answers"]?.object?.keys.map(\.self) ?? []), text: text)
    }
}
