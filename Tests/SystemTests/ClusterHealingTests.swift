import JSON
import Lab
import TestSupport
import Testing

extension ClusterTests.Services {
    @Test("A task whose health check fails is replaced, alone")
    func health() async throws {
        let cluster = try Cluster.required()
        try await cluster.output(
            "service", "create", "-d", "--name", "sick", "--replicas", "2", "--health-cmd", "test ! -e /tmp/sick",
            "--health-interval", "200ms", "--health-retries", "2", "--restart-delay", "100ms", "hello:v1")
        let before = try await cluster.waitForTasks(2, of: "sick")
        let victim = try #require(before.first { $0.slot == 1 })
        try await cluster.output(on: victim.node, "exec", victim.containerID, "sh", "-c", "echo >/tmp/sick")
        try await waitUntil("the task fails", within: .seconds(10)) {
            try await cluster.tasks(of: "sick").contains { $0.id == victim.id && $0.state == "failed" }
        }
        let after = try await cluster.waitForTasks(2, of: "sick")
        #expect(!after.contains { $0.id == victim.id })
        #expect(after.contains { task in before.contains { $0.id == task.id } }, "the healthy one stays")
        try await cluster.output("service", "rm", "sick")
    }

    @Test("A task that ends is made anew as often and for such an end as its service says")
    func restarts() async throws {
        let cluster = try Cluster.required()
        // The last one is made anew all the time: while it was, the others could have been too.
        for (name, condition, attempts, code) in [
            ("thrice", "on-failure", 2, 3), ("done", "on-failure", 2, 0), ("once", "none", 2, 3),
            ("endless", "any", 0, 3),
        ] {
            try await cluster.output(
                "service", "create", "-d", "--name", name, "--restart-condition", condition, "--restart-max-attempts",
                "\(attempts)", "--restart-delay", "100ms", "hello:v1", "sh", "-c", "exit \(code)")
        }
        let expected = ["thrice": ["failed", "failed", "failed"], "done": ["complete"], "once": ["failed"]]
        func isAsExpected() async throws -> Bool {
            for (name, states) in expected where try await cluster.tasks(of: name).map(\.state) != states {
                return false
            }
            return true
        }
        try await waitUntil("every task has ended", within: .seconds(20)) { try await isAsExpected() }
        var seen = Set(try await cluster.tasks(of: "endless").map(\.id))
        let before = seen.count
        try await waitUntil("four more attempts of the other", within: .seconds(20)) {
            seen.formUnion(try await cluster.tasks(of: "endless").map(\.id))
            return seen.count >= before + 4
        }
        for (name, states) in expected { #expect(try await cluster.tasks(of: name).map(\.state) == states, "\(name)") }
        #expect(try await cluster.tasks(of: "thrice").allSatisfy { $0.error.contains("non-zero exit (3)") })
        #expect(try await cluster.replicas(of: "thrice") == "0/1")
        try await cluster.output("service", "rm", "thrice", "done", "once", "endless")
    }

    @Test(
        "An update whose tasks fail is paused, or rolled back, as it says; the others go on",
        arguments: ["pause", "rollback"])
    func updateFailure(action: String) async throws {
        let cluster = try Cluster.required()
        try await cluster.output(
            "service", "create", "-d", "--name", "fragile", "--replicas", "3", "--update-failure-action", action,
            "--update-monitor", "1s", "--rollback-monitor", "500ms", "--restart-delay", "200ms", "hello:v1", "sh", "-c",
            "trap 'exit 0' TERM; sleep 1000 & wait")
        let before = try await cluster.waitForTasks(3, of: "fragile")
        try await cluster.output("service", "update", "-d", "--args", "sh -c 'exit 3'", "fragile")
        let wanted = action == "pause" ? "paused" : "rollback_completed"
        try await waitUntil("the update is \(wanted)", within: .seconds(20)) {
            try await cluster.updateState(of: "fragile") == wanted
        }
        #expect(
            try await cluster.tasks(of: "fragile").contains { $0.error.contains("non-zero exit (3)") })
        if action == "rollback" {
            try await cluster.waitForTasks(3, of: "fragile")
        } else {
            let after = try await cluster.runningTasks(of: "fragile")
            #expect(after.count { task in before.contains { $0.id == task.id } } == 2, "two places were not touched")
        }
        try await cluster.output("service", "rm", "fragile")
    }

    @Test("A host that drains is emptied, and never fewer replicas are ready", arguments: ClusterClient.available)
    func drain(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        try await cluster.output(
            client, "service", "create", "-d", "--name", "drained", "--replicas", "4", "--publish", "7171:8080",
            "hello:v1")
        try await cluster.waitForTasks(4, of: "drained")
        for host in ["h1", "h2", "h3", "w1"] { _ = try await cluster.answer(host, port: 7171) }
        let load = try await ClusterLoad.start(cluster, port: 7171, rate: 50)
        try await cluster.output(client, "node", "update", "--availability", "drain", "w1")
        var least = Int.max
        try await waitUntil("w1 is empty", within: .seconds(20)) {
            least = min(least, try await cluster.runningTasks(of: "drained").count)
            let tasks = try await cluster.tasks(of: "drained")
            return !tasks.contains { $0.node == "w1" && $0.state == "running" }
        }
        let report = try await load.stop()
        #expect(least >= 4)
        #expect(report.failed == 0 && report.requests > 50, "\(report.text)")
        try await cluster.waitForTasks(4, of: "drained", where: { $0.node != "w1" })
        try await cluster.output(client, "node", "update", "--availability", "active", "w1")
        try await cluster.output(client, "service", "rm", "drained")
    }

    /// Each change comes while the one before is carried out, by a host that may not have noticed it yet.
    @Test("A node that is promoted, demoted and promoted at once is a manager in the end") func changeOfMind()
        async throws
    {
        let cluster = try Cluster.required()
        for pause in [0, 100, 400] {
            for verb in ["promote", "demote", "promote"] {
                // Another change of the node may come in between.
                try await waitUntil("w1 is \(verb)d", within: .seconds(15)) {
                    try await cluster.run(.martlet, on: "h1", "node", verb, "w1").succeeded
                }
                try await Task.sleep(for: .milliseconds(pause))
            }
            try await waitUntil("w1 answers as a manager", within: .seconds(30)) {
                try await cluster.run(.martlet, on: "w1", "node", "ls").succeeded
            }
            try await cluster.output(.martlet, "node", "demote", "w1")
            try await waitUntil("w1 is a worker", within: .seconds(15)) {
                try await cluster.run(.martlet, on: "w1", "node", "ls").errorOutput.contains(
                    "This node is not a swarm manager")
            }
        }
    }

    @Test("A worker becomes a manager and a worker again", arguments: ClusterClient.available)
    func roles(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        try await cluster.output(client, "node", "promote", "w1")
        try await waitUntil("w1 answers as a manager", within: .seconds(15)) {
            try await cluster.run(client, on: "w1", "node", "ls").succeeded
        }
        try await waitUntil("the others see it", within: .seconds(15)) {
            try await cluster.output(
                client, on: "h2", "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"
            ).contains("w1 Reachable")
        }
        #expect(
            try await cluster.refusal(client, on: "w1", "service", "rm", "nosuch").lowercased().contains("nosuch"))
        try await cluster.output(client, "node", "demote", "w1")
        try await waitUntil("w1 is a worker", within: .seconds(15)) {
            try await cluster.run(client, on: "w1", "node", "ls").errorOutput.contains(
                "This node is not a swarm manager")
        }
        try await cluster.waitForReadyNodes(4)
        // The next round is promoted from a settled cluster.
        try await waitUntil("raft has three members", within: .seconds(10)) {
            try await cluster.get("/nodes").array?.count { $0["ManagerStatus"] != nil } == 3
        }
    }
}
