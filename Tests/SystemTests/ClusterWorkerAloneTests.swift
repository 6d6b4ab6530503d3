import Lab
import TestSupport
import Testing

extension ClusterTests {
    /// A worker's host whose managers lose their majority.
    @Suite(
        .serialized,
        ClusterLab.hosts("sylone", managers: 2, workers: 1, subnet: 98) { cluster in
            try await cluster.loadImage("hello:v1", version: "v1")
            try await cluster.output(
                "service", "create", "-d", "--name", "lone", "--constraint", "node.hostname==w1", "--restart-delay",
                "500ms", "hello:v1")
            try await cluster.waitForTasks(1, of: "lone")
        })
    struct WorkerAlone {
        @Test("A worker beside a manager without a majority begins attempts by itself; there it stays one task")
        func attempts() async throws {
            let cluster = try Cluster.required()
            let task = try #require(try await cluster.runningTasks(of: "lone").first)
            func began() async throws -> String {
                try await cluster.output(
                    on: "w1", "inspect", "-f", "{{.State.Running}} {{.State.StartedAt}}", task.containerID)
            }
            try await cluster.lab.stop("h2", kill: true)
            try await waitUntil("h1 has no majority", within: .seconds(30)) {
                try await !cluster.run("node", "ls").succeeded
            }
            for _ in 1...2 {
                let before = try await began()
                #expect(before.hasPrefix("true"))
                try await cluster.output(on: "w1", "kill", task.containerID)
                try await waitUntil("it runs again", within: .seconds(20)) {
                    let now = try await began()
                    return now != before && now.hasPrefix("true")
                }
            }
            let last = try await began()
            try await cluster.lab.start("h2")
            try await cluster.waitForReadyNodes(3)
            try await cluster.waitForTasks(1, of: "lone")
            let after = try await cluster.runningTasks(of: "lone")
            #expect(after.map(\.id) == [task.id] && after.map(\.containerID) == [task.containerID])
            #expect(try await began() == last)
        }
    }
}
