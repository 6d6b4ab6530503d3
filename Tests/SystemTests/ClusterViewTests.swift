import JSON
import TestSupport
import Testing
import Values

/// What people read, and what they watch.
extension ClusterTests.Services {
    @Test(
        "A rollback goes as its own configuration says, not as the update's, and both are shown",
        arguments: ClusterClient.available)
    func rollback(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        let name = "back-\(client)"
        try await cluster.output(
            client, "service", "create", "-d", "--name", name, "--replicas", "3", "--network", "app", "--label",
            "tier=back", "--constraint", "node.role==manager", "--env", "COLOUR=red", "--publish",
            client == .docker ? "8281:8080" : "8282:8080", "--update-parallelism", "3", "--update-monitor", "100ms",
            "--update-failure-action", "continue", "--rollback-parallelism", "1", "--rollback-delay", "700ms",
            "--rollback-order", "start-first", "--rollback-monitor", "100ms", "--rollback-failure-action", "pause",
            "--rollback-max-failure-ratio", "0.25", "hello:v1")
        try await cluster.waitForTasks(3, of: name)
        let pretty = try await cluster.words(client, on: "h3", "service", "inspect", "--pretty", name)
        for line in ["Name: \(name)", "Service Mode: Replicated", "Replicas: 3", "Delay: 700ms", "Endpoint Mode: vip"] {
            #expect(pretty.contains(line), "\(line) in \(pretty)")
        }
        for (word, value) in [
            ("tier", "back"), ("Constraints", "node.role==manager"), ("Image", "hello:v1"), ("Env", "COLOUR=red"),
        ] { #expect(pretty.contains { $0.contains(word) && $0.contains(value) }, "\(word) in \(pretty)") }
        let sections = pretty.drop { $0 != "UpdateConfig:" }.split { $0.hasSuffix("Config:") || $0 == "ContainerSpec:" }
        try #require(sections.count >= 2, "\(pretty)")
        #expect(sections[0].contains("Parallelism: 3") && sections[0].contains("On failure: continue"))
        #expect(sections[1].contains("Parallelism: 1") && sections[1].contains("On failure: pause"))
        #expect(sections[1].contains { $0.hasSuffix("rder: start-first") })

        /// When the running tasks of an image were made.
        func moments(_ image: String) async throws -> [Timestamp] {
            let tasks = try await cluster.waitForTasks(3, of: name, where: { $0.image.hasPrefix(image) })
            var moments: [Timestamp] = []
            for task in tasks {
                moments.append(
                    try #require(
                        Timestamp(rfc3339: try await cluster.get("/tasks/\(task.id)")["CreatedAt"]?.string ?? "")))
            }
            return moments.sorted { $0.nanosecondsSinceEpoch < $1.nanosecondsSinceEpoch }
        }
        func gaps(_ moments: [Timestamp]) -> [Int64] {
            zip(moments, moments.dropFirst()).map { Int64($1.nanoseconds(since: $0)) }
        }
        try await cluster.output(client, "service", "update", "-d", "--image", "hello:v2", name)
        let updated = gaps(try await moments("hello:v2"))
        #expect(updated.allSatisfy { $0 < 500_000_000 }, "all at once: \(updated)")
        try await waitUntil("the update is complete") { try await cluster.updateState(of: name) == "completed" }

        try await cluster.output(client, on: "h2", "service", "rollback", "-d", name)
        var least = Int.max
        try await waitUntil("it is rolled back", within: .seconds(30), every: .milliseconds(50)) {
            least = min(least, try await cluster.runningTasks(of: name).count)
            return try await cluster.updateState(of: name) == "rollback_completed"
        }
        #expect(least >= 3, "start-first")
        let back = gaps(try await moments("hello:v1"))
        #expect(back.allSatisfy { $0 >= 700_000_000 }, "one by one: \(back)")
        let done = try await cluster.words(client, "service", "inspect", "--pretty", name)
        #expect(done.contains("State: rollback_completed"))
        try await cluster.output(client, "service", "rm", name)
    }

    @Test(
        "service logs -f goes on with what tasks add, from any manager", arguments: ClusterClient.available)
    func follow(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        let name = "spoken-\(client)"
        try await cluster.output(
            client, "service", "create", "-d", "--name", name, "--stop-grace-period", "1s", "hello:v1", "sh", "-c",
            "echo first; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo second; exec sleep 1000")
        let task = try #require(try await cluster.waitForTasks(1, of: name).first)
        let other = try #require(["h1", "h2", "h3"].first { $0 != task.node })
        let logs = try cluster.start(client, on: other, "service", "logs", "-f", name)
        func lines(_ word: String, slot: Int = 1) -> Int {
            logs.output.split(separator: "\n").count {
                $0.hasPrefix("\(name).\(slot).") && $0.hasSuffix("| \(word)")
            }
        }
        try await waitUntil("what was said before") { lines("first") == 1 }
        #expect(lines("second") == 0)
        try await cluster.output(client, on: task.node, "exec", task.containerID, "sh", "-c", "echo >/tmp/go")
        try await waitUntil("what is added") { lines("second") == 1 }
        try await cluster.output(client, "service", "scale", "-d", "\(name)=2")
        try await waitUntil("what a task that came later says") { lines("first", slot: 2) == 1 }
        #expect(lines("first") == 1 && logs.errorOutput.isEmpty, "\(logs.output) \(logs.errorOutput)")
        try await cluster.output(client, "service", "rm", name)
        try await waitUntil("it ends with the service") { logs.hasEnded }
    }
}
