import EngineClient
import JSON
import TestSupport
import Testing

extension ClusterTests {
    /// From two hosts that are in no cluster to a swarm and back.
    @Suite(.serialized, ClusterLab.hosts("syjoin", managers: 2, subnet: 86, formsSwarm: false))
    struct Joining {
        @Test("Tokens that are garbage, forged or another cluster's are refused, a worker knows what it is, and leaves")
        func tokens() async throws {
            let cluster = try Cluster.required()
            let noSwarm = try await cluster.refusal("node", "ls")
            #expect(
                noSwarm.contains(
                    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect "
                        + "this "
                        + "node to swarm and try again."))
            #expect(try await cluster.refusal("swarm", "leave").contains("This node is not part of a swarm"))
            let address = "\(try cluster.lab.host("h1").address)"
            try await cluster.output("swarm", "init", "--advertise-addr", address)
            #expect(
                try await cluster.refusal("swarm", "init").contains("This node is already part of a swarm."))
            let token = try await cluster.output("swarm", "join-token", "-q", "worker")
            #expect(token.hasPrefix("SWMTKN-1-"))

            let garbage = try await cluster.refusal(on: "h2", "swarm", "join", "--token", "garbage", "\(address):2377")
            #expect(garbage.contains("invalid join token"))
            let forged = String(token.dropLast(5)) + "aaaaa"
            #expect(
                try await cluster.refusal(on: "h2", "swarm", "join", "--token", forged, "\(address):2377")
                    .contains("A valid join token is necessary to join this cluster"))
            // The digest of another cluster's CA.
            var foreign = Array(token)
            foreign[12] = foreign[12] == "a" ? "b" : "a"
            let untrusted = "remote CA does not match fingerprint. Expected: "
            #expect(
                try await cluster.refusal(on: "h2", "swarm", "join", "--token", String(foreign), "\(address):2377")
                    .contains(untrusted))
            for (token, status, message) in [
                (String(foreign), 500, untrusted), (forged, 400, "A valid join token is necessary"),
                ("garbage", 400, "invalid join token"),
            ] {
                let failure = await #expect(throws: EngineClientError.self) {
                    try await cluster.lab.client("h2").json(
                        "POST", "/swarm/join",
                        body: [
                            "ListenAddr": "0.0.0.0:2377", "RemoteAddrs": [.string("\(address):2377")],
                            "JoinToken": .string(token),
                        ])
                }
                #expect(failure?.status == status && failure?.message.contains(message) == true, "\(token)")
            }
            let client = ClusterClient.any
            #expect(
                try await cluster.output(client, on: "h2", "info", "--format", "{{.Swarm.LocalNodeState}}")
                    == "inactive")

            for client in ClusterClient.available {
                let old = try await cluster.output(client, "swarm", "join-token", "-q", "worker")
                let manager = try await cluster.output(client, "swarm", "join-token", "-q", "manager")
                let token = try await cluster.output(client, "swarm", "join-token", "-q", "--rotate", "worker")
                // The secret is another, the CA is the same; the managers' token stays.
                #expect(token != old && token.hasPrefix(old.prefix(59)))
                #expect(try await cluster.output(client, "swarm", "join-token", "-q", "worker") == token)
                #expect(try await cluster.output(client, "swarm", "join-token", "-q", "manager") == manager)
                #expect(
                    try await cluster.refusal(client, on: "h2", "swarm", "join", "--token", old, "\(address):2377")
                        .contains("A valid join token is necessary to join this cluster"))
                try await cluster.output(client, on: "h2", "swarm", "join", "--token", token, "\(address):2377")
                try await cluster.waitForReadyNodes(2)
                #expect(
                    try await cluster.refusal(client, on: "h2", "node", "ls").contains(
                        "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. "
                            + "Please run this command on a manager node or promote the current node to a manager."))
                #expect(
                    try await cluster.refusal(client, "node", "rm", "h2").contains("is not down and can't be removed"))
                try await cluster.output(client, on: "h2", "swarm", "leave")
                try await waitUntil("h2 is down") { try await cluster.nodeStates()["h2"] == "down" }
                try await cluster.output(client, "node", "rm", "h2")
                #expect(try await cluster.nodeStates().keys.sorted() == ["h1"])
            }
        }

        @Test("The last manager leaves only when forced, and nothing of its swarm stays")
        func lastManager() async throws {
            let cluster = try Cluster.required()
            #expect(
                try await cluster.refusal("swarm", "leave").contains(
                    "Removing the last manager erases all current state of the swarm."))
            try await cluster.output("network", "create", "-d", "overlay", "gone")
            try await cluster.output("swarm", "leave", "--force")
            #expect(try await cluster.refusal("service", "ls").contains("This node is not a swarm manager."))
            #expect(try await !cluster.output("network", "ls", "--format", "{{.Name}}").contains("gone"))
        }
    }
}
