import JSON
import Lab
import TestSupport
import Testing

extension ClusterTests {
    /// Four managers: spares, dead ones, and those that are taken out.
    @Suite(.serialized, ClusterLab.hosts("symgr", managers: 4, subnet: 94))
    struct Managers {
        private static let hosts = ["h1", "h2", "h3", "h4"]

        /// Each manager and whether it votes, as a manager says.
        private func votes(_ cluster: Cluster, on host: String) async throws -> [String: Bool] {
            var votes: [String: Bool] = [:]
            for node in try await cluster.get("/nodes", on: host).array ?? [] {
                guard let status = node["ManagerStatus"] else { continue }
                votes[node["Description"]?["Hostname"]?.string ?? ""] = status["Spare"] != true
            }
            return votes
        }

        private func waitForVoters(
            _ cluster: Cluster, _ voters: Set<String>, spares: Set<String>, on host: String
        ) async throws {
            try await waitUntil("\(voters.sorted()) vote", within: .seconds(40), every: .milliseconds(100)) {
                guard let votes = try? await votes(cluster, on: host) else { return false }
                return Set(votes.filter(\.value).keys) == voters && Set(votes.filter { !$0.value }.keys) == spares
            }
        }

        private func writes(_ cluster: Cluster, on host: String, _ value: String) async throws {
            try await cluster.output(on: host, "node", "update", "--label-add", "written=\(value)", host)
        }

        @Test("A spare takes the vote of a manager that dies, and the next death costs nothing")
        func spare() async throws {
            let cluster = try Cluster.required()
            try await waitForVoters(cluster, Set(Self.hosts), spares: [], on: "h1")
            #expect(
                try await cluster.refusal(.martlet, "cluster", "policy", "--managers", "4").contains("3, 5 or 7"))
            try await cluster.output(.martlet, "cluster", "policy", "--managers", "3", "--demote-after", "10s")
            let leader = try #require(try await cluster.leader())
            let spare = try #require(Self.hosts.last { $0 != leader })
            let voters = Self.hosts.filter { $0 != spare }
            try await waitForVoters(cluster, Set(voters), spares: [spare], on: "h1")
            // A spare is a manager like the others: it answers, also with changes.
            try await writes(cluster, on: spare, "spare")
            let shown = try await cluster.words(.martlet, on: spare, "cluster", "policy")
            #expect(shown.starts(with: ["Voting managers: 3", "Lose their vote: after 10s of silence"]))
            #expect(shown.contains("\(leader) yes leader"))
            #expect(shown.contains("\(spare) spare reachable"))
            for (client, word) in [(ClusterClient.docker, "Reachable"), (.martlet, "Spare")] where client.path != nil {
                let format = "{{.Hostname}} {{.ManagerStatus}}"
                #expect(
                    try await cluster.output(client, "node", "ls", "--format", format).contains("\(spare) \(word)"))
            }

            // One that becomes a manager now is a spare at once.
            try await cluster.output(.martlet, on: leader, "node", "demote", spare)
            try await waitForVoters(cluster, Set(voters), spares: [], on: leader)
            try await waitUntil("it is a worker", within: .seconds(15)) {
                try await cluster.run(.martlet, on: spare, "node", "ls").errorOutput.contains("not a swarm manager")
            }
            try await cluster.output(.martlet, on: leader, "node", "promote", spare)
            try await waitForVoters(cluster, Set(voters), spares: [spare], on: leader)
            try await waitUntil("it answers again", within: .seconds(15)) {
                try await cluster.run(.martlet, on: spare, "node", "ls").succeeded
            }

            let first = try #require(voters.first { $0 != leader })
            let second = try #require(voters.last { $0 != leader })
            try await cluster.lab.kill(first)
            try await waitForVoters(cluster, [leader, second, spare], spares: [first], on: spare)
            // Two of the first three are gone now, and a majority is there.
            try await cluster.lab.kill(second)
            try await writes(cluster, on: spare, "two of four")
            try await cluster.lab.start(first)
            try await waitForVoters(cluster, [leader, first, spare], spares: [second], on: spare)
            try await cluster.lab.start(second)
            try await cluster.waitForReadyNodes(4, on: leader)
            try await waitForVoters(cluster, [leader, first, spare], spares: [second], on: second)
            try await cluster.output(.martlet, "cluster", "policy", "--managers", "0", "--demote-after", "0")
            try await waitForVoters(cluster, Set(Self.hosts), spares: [], on: leader)
        }

        @Test("A dead manager is demoted and removed, unless the living need it", arguments: ClusterClient.available)
        func removal(client: ClusterClient) async throws {
            let cluster = try Cluster.required()
            try await waitForVoters(cluster, Set(Self.hosts), spares: [], on: "h1")
            let leader = try #require(try await cluster.leader())
            let others = Self.hosts.filter { $0 != leader }
            let token = try await cluster.output(client, "swarm", "join-token", "-q", "manager")
            try await cluster.lab.kill(others[0])
            try await waitUntil("it is down") { try await cluster.nodeStates(on: leader)[others[0]] == "down" }
            for arguments in [["node", "rm", others[0]], ["node", "rm", "--force", others[0]]] {
                let refused = try await cluster.run(client, on: leader, arguments)
                #expect(refused.errorOutput.contains("It must be demoted to worker before removal"))
            }
            try await cluster.output(client, on: leader, "node", "demote", others[0])
            try await waitForVoters(cluster, [leader, others[1], others[2]], spares: [], on: leader)
            try await cluster.output(client, on: leader, "node", "rm", others[0])
            // Two of three: neither can be taken away.
            try await cluster.lab.kill(others[1])
            try await waitUntil("it is down") { try await cluster.nodeStates(on: leader)[others[1]] == "down" }
            #expect(
                try await cluster.refusal(client, on: leader, "node", "demote", others[2]).contains(
                    "can't remove member from the raft: this would result in a loss of quorum"))
            try await cluster.lab.start(others[1])
            try await cluster.waitForReadyNodes(3, on: leader)
            // The removed one has no part in the cluster any more; it joins anew.
            try await cluster.lab.start(others[0])
            try await cluster.output(client, on: others[0], "swarm", "leave", "--force")
            let address = "\(try cluster.lab.host(leader).address)"
            try await cluster.output(client, on: others[0], "swarm", "join", "--token", token, "\(address):2377")
            try await cluster.waitForReadyNodes(4, on: leader)
        }
    }
}
