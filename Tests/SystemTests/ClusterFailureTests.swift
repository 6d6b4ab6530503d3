import JSON
import Lab
import TestSupport
import Testing

extension ClusterTests {
    /// Three managers that die and are cut off.
    @Suite(
        .serialized,
        ClusterLab.hosts("syfail", managers: 3, subnet: 89) { cluster in
            try await cluster.loadImage("hello:v1", version: "v1")
            try await cluster.output("network", "create", "-d", "overlay", "app")
            try await cluster.output(
                "service", "create", "-d", "--name", "hello", "--network", "app", "--replicas", "6", "--publish",
                "8080:8080", "--restart-delay", "500ms", "hello:v1")
            try await cluster.waitForTasks(6, of: "hello")
        })
    struct Failures {
        private let hosts = ["h1", "h2", "h3"]

        private func others(than host: String) -> [String] { hosts.filter { $0 != host } }

        @Test("A host that loses its power is replaced, and is empty and useful when it comes back")
        func hostKilled() async throws {
            let cluster = try Cluster.required()
            let leader = try #require(try await cluster.leader())
            let victim = try #require(others(than: leader).last)
            let rest = others(than: victim)
            try await cluster.lab.kill(victim)
            try await cluster.waitForTasks(6, of: "hello", on: rest[0], where: { $0.node != victim })
            #expect(try await cluster.nodeStates(on: rest[1])[victim] == "down")
            for host in rest { #expect(try await cluster.answer(host, port: 8080).first == "v1") }
            try await cluster.lab.start(victim)
            try await cluster.waitForReadyNodes(3)
            #expect(try await cluster.answer(victim, port: 8080).first == "v1")
            // Its containers are gone: what they were now runs elsewhere.
            try await waitUntil("no container of it runs") {
                try await cluster.output(on: victim, "ps", "-q").isEmpty
            }
            try await cluster.output("service", "scale", "-d", "hello=9")
            try await cluster.waitForTasks(9, of: "hello")
            #expect(try await cluster.runningTasks(of: "hello").count { $0.node == victim } == 3)
            try await cluster.output("service", "scale", "-d", "hello=6")
            try await cluster.waitForTasks(6, of: "hello")
        }

        @Test("The leader dies and the next write is accepted within seconds")
        func leaderKilled() async throws {
            let cluster = try Cluster.required()
            let leader = try #require(try await cluster.leader())
            let rest = others(than: leader)
            try await cluster.lab.kill(leader)
            let time = try await cluster.timeOfNextWrite(on: rest[0], service: "hello")
            #expect(time < .seconds(8))
            let next = try await cluster.leader(on: rest[1])
            #expect(next != leader && next != nil)
            try await cluster.waitForTasks(6, of: "hello", on: rest[0], where: { $0.node != leader })
            try await cluster.lab.start(leader)
            try await cluster.waitForReadyNodes(3, on: leader)
        }

        @Test(
            "Without managers a host starts its tasks again by itself, and they are the same tasks when there are some")
        func hostsAlone() async throws {
            let cluster = try Cluster.required()
            let task = try #require(try await cluster.runningTasks(of: "hello").first)
            let host = task.node
            for other in others(than: host) { try await cluster.lab.stop(other, kill: true) }
            // It may have led, and have a lease. Then it waits for a leader for longer than a session outlives one.
            try await waitUntil("there is no leader", within: .seconds(60)) {
                try await !cluster.run(.any, on: host, "node", "ls").succeeded
            }
            func began() async throws -> String {
                try await cluster.output(
                    on: host, "inspect", "-f", "{{.State.Running}} {{.State.StartedAt}}", task.containerID)
            }
            let before = try await began()
            #expect(before.hasPrefix("true"))
            try await cluster.output(on: host, "kill", task.containerID)
            try await waitUntil("it runs again", within: .seconds(20)) {
                let now = try await began()
                return now != before && now.hasPrefix("true")
            }
            for other in others(than: host) { try await cluster.lab.start(other) }
            try await cluster.waitForReadyNodes(3)
            try await cluster.waitForTasks(6, of: "hello")
            let after = try await cluster.runningTasks(of: "hello")
            #expect(after.contains { $0.id == task.id && $0.containerID == task.containerID })
            #expect(try await cluster.answer(host, port: 8080).first == "v1")
        }

        @Test("A leader that is cut off accepts nothing, the others go on, and all agree again when it is over")
        func partition() async throws {
            let cluster = try Cluster.required()
            let leader = try #require(try await cluster.leader())
            let rest = others(than: leader)
            for host in rest { try await cluster.lab.cut(leader, host) }
            let time = try await cluster.timeOfNextWrite(on: rest[0], service: "hello")
            #expect(time < .seconds(8))
            let refused = try await cluster.run(.any, on: leader, "service", "scale", "-d", "hello=1")
            #expect(refused.errorOutput.contains("The swarm does not have a leader."))
            let stale = try await cluster.run(.any, on: leader, "service", "ls")
            #expect(stale.errorOutput.contains("The swarm does not have a leader."))
            try await cluster.waitForTasks(6, of: "hello", on: rest[1], where: { $0.node != leader })
            try await cluster.lab.mend()
            try await cluster.waitForReadyNodes(3, on: leader)
            let objects = try await hosts.asyncMap { try await cluster.get("/services/hello", on: $0)["Version"] }
            #expect(Set(objects).count == 1)
            try await cluster.waitForTasks(6, of: "hello", on: leader)
            for host in hosts { #expect(try await cluster.answer(host, port: 8080).first == "v1") }
            try await waitUntil("what ran on both sides ends") {
                try await cluster.output(on: leader, "ps", "-q").isEmpty
            }
        }

        @Test("All hosts lose their power at once and nothing is lost")
        func allKilled() async throws {
            let cluster = try Cluster.required()
            try await cluster.output(
                "service", "create", "-d", "--name", "late", "--label", "kept=yes", "--network", "app", "hello:v1")
            let token = try await cluster.output("swarm", "join-token", "-q", "worker")
            let nodes = try await hosts.asyncMap { try await cluster.nodeID($0) }
            let lab = cluster.lab
            try await withThrowingTaskGroup { group in
                for host in hosts { group.addTask { try await lab.kill(host) } }
                try await group.waitForAll()
            }
            try await withThrowingTaskGroup { group in
                for host in hosts { group.addTask { try await lab.start(host) } }
                try await group.waitForAll()
            }
            try await cluster.waitForReadyNodes(3, on: "h2", within: .seconds(30))
            try await cluster.waitForTasks(6, of: "hello", on: "h3")
            try await cluster.waitForTasks(1, of: "late", on: "h1")
            #expect(try await cluster.get("/services/late")["Spec"]?["Labels"]?["kept"] == "yes")
            #expect(try await cluster.output(on: "h3", "swarm", "join-token", "-q", "worker") == token)
            #expect(try await hosts.asyncMap { try await cluster.nodeID($0, on: "h2") } == nodes)
            for host in hosts { #expect(try await cluster.answer(host, port: 8080).first == "v1") }
        }
    }
}

extension Sequence where Element: Sendable {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async rethrows -> [Value] {
        var result: [Value] = []
        for element in self { result.append(try await body(element)) }
        return result
    }
}
