import JSON
import Lab
import TestSupport
import Testing

extension ClusterTests {
    /// Two managers, of which one is lost for good. The tests build on each other.
    @Suite(
        .serialized,
        ClusterLab.hosts("syforce", managers: 2, subnet: 96) { cluster in
            try await cluster.loadImage("hello:v1", version: "v1")
            try await cluster.output(
                "service", "create", "-d", "--name", "kept", "--constraint", "node.hostname==h1", "--replicas", "2",
                "--label", "a=b", "--publish", "8080:8080", "hello:v1")
            try await cluster.output(
                "service", "create", "-d", "--name", "moved", "--replicas", "2", "--restart-delay", "500ms", "hello:v1")
            try await cluster.waitForTasks(2, of: "kept")
            try await cluster.waitForTasks(2, of: "moved")
        })
    struct ForcingNew {
        /// The tasks that run on h1, and with each its container and since when that runs.
        private func running(_ service: String, _ cluster: Cluster) async throws -> [String: String] {
            var found: [String: String] = [:]
            for task in try await cluster.runningTasks(of: service) where task.node == "h1" {
                let began = try await cluster.output("inspect", "-f", "{{.State.StartedAt}}", task.containerID)
                found[task.id] = "\(task.containerID) \(began)"
            }
            return found
        }

        /// Those that run on h1 and did before.
        private func rest(
            of before: [String: String], _ service: String, _ cluster: Cluster
        ) async throws -> [String: String] {
            try await running(service, cluster).filter { before[$0.key] != nil }
        }

        @Test("The manager that is left is the only one and leads, and what runs there is what ran before")
        func forceNewCluster() async throws {
            let cluster = try Cluster.required()
            let (service, node) = (try await cluster.get("/services/kept"), try await cluster.nodeID("h1"))
            let token = try await cluster.output("swarm", "join-token", "-q", "worker")
            let (kept, other) = (try await running("kept", cluster), try await running("moved", cluster))
            #expect(kept.count == 2)
            let address = "\(try cluster.lab.host("h1").address)"
            try await cluster.lab.kill("h2")
            try await waitUntil("h1 has no majority", within: .seconds(20)) {
                try await !cluster.run("service", "ls").succeeded
            }
            #expect(
                try await cluster.refusal("swarm", "init", "--advertise-addr", address).contains(
                    "This node is already part of a swarm."))
            try await cluster.output("swarm", "init", "--force-new-cluster", "--advertise-addr", address)

            #expect(
                try await cluster.words(.any, "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").sorted()
                    == ["h1 Leader", "h2"])
            try await waitUntil("h1 is ready", within: .seconds(15)) {
                try await cluster.nodeStates() == ["h1": "ready", "h2": "down"]
            }
            let swarm = try await cluster.get("/info")["Swarm"]
            #expect(swarm?["LocalNodeState"] == "active" && swarm?["ControlAvailable"] == true)
            #expect(swarm?["Managers"]?.integer == 1 && swarm?["Nodes"]?.integer == 2)
            #expect(try await cluster.nodeID("h1") == node)
            #expect(try await cluster.output("swarm", "join-token", "-q", "worker") == token)
            let after = try await cluster.get("/services/kept")
            for member in ["ID", "Version", "Spec", "Endpoint"] {
                #expect(after[member] != nil && after[member] == service[member], "\(member)")
            }
            try await cluster.waitForTasks(2, of: "kept")
            try await cluster.waitForTasks(2, of: "moved", within: .seconds(40), where: { $0.node == "h1" })
            #expect(try await running("kept", cluster) == kept)
            #expect(try await rest(of: other, "moved", cluster) == other)
            #expect(try await cluster.answer("h1", port: 8080).first == "v1")
            #expect(
                try await cluster.words(.martlet, "cluster", "log", "--format", "{{.Note}}")
                    .contains("recovered from the loss of the other managers"))

            try await cluster.output("service", "scale", "-d", "kept=3")
            try await cluster.waitForTasks(3, of: "kept")
            #expect(try await rest(of: kept, "kept", cluster) == kept)
            // It is so for its next daemon, too.
            let all = try await running("kept", cluster)
            try await cluster.lab.stop("h1", kill: true)
            try await cluster.lab.start("h1")
            try await waitUntil("h1 leads again", within: .seconds(20)) {
                (try? await cluster.leader()) == "h1"
            }
            try await cluster.waitForTasks(3, of: "kept")
            #expect(try await running("kept", cluster) == all)
        }

        @Test("The lost one, started again, has no leader and is none, disturbs nobody, and can be removed")
        func lateManager() async throws {
            let cluster = try Cluster.required()
            let (kept, moved) = (try await running("kept", cluster), try await running("moved", cluster))
            #expect(kept.count == 3 && moved.count == 2)
            let term = try #require(try await cluster.get("/martlet/recovery")["Term"])
            try await cluster.lab.start("h2")
            // It looks for a majority as long as it is asked.
            #expect(
                try await cluster.refusal(on: "h2", "node", "ls").contains("The swarm does not have a leader."))
            let address = "\(try cluster.lab.host("h1").address)"
            let token = try await cluster.output("swarm", "join-token", "-q", "manager")
            #expect(
                try await cluster.refusal(on: "h2", "swarm", "join", "--token", token, address).contains(
                    "This node is already part of a swarm."))

            #expect(try await cluster.get("/martlet/recovery")["Term"] == term, "there was no election")
            #expect(try await cluster.leader() == "h1")
            #expect(try await cluster.nodeStates() == ["h1": "ready", "h2": "down"])
            #expect(try await running("kept", cluster) == kept)
            #expect(try await running("moved", cluster) == moved)
            try await cluster.output("node", "rm", "h2")
            try await cluster.output("service", "scale", "-d", "kept=2")
            try await cluster.waitForTasks(2, of: "kept")
            #expect(try await cluster.nodeStates() == ["h1": "ready"])
        }
    }
}
