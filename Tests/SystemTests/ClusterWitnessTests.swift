import JSON
import Lab
import TestSupport
import Testing

extension ClusterTests {
    /// Two managers, of which one may be lost.
    @Suite(.serialized, ClusterLab.hosts("sywit", managers: 2, workers: 1, subnet: 97))
    struct Witness {
        private func voters(_ cluster: Cluster, on host: String) async throws -> String {
            try await cluster.words(.martlet, on: host, "cluster", "policy").joined(separator: "; ")
        }

        private func files(_ cluster: Cluster) async throws -> String {
            String(
                decoding: try await cluster.lab.exec(on: "w1", ["ls", "/var/lib/martlet/cluster"]).output, as: UTF8.self
            )
        }

        @Test("A worker that is the witness decides which of two managers goes on, and keeps no state")
        func oneOfTwoIsLost() async throws {
            let cluster = try Cluster.required()
            #expect(
                try await cluster.refusal(.martlet, "cluster", "policy", "--witness", "h2").contains(
                    "is a manager: demote it before it can be the cluster's witness"))
            try await cluster.output(.martlet, "cluster", "policy", "--witness", "w1")
            #expect(try await voters(cluster, on: "h2").contains("Witness: w1"))
            try await waitUntil("w1 has its vote", within: .seconds(20)) {
                let file = try await cluster.lab.exec(on: "w1", ["cat", "/var/lib/martlet/cluster/node.json"]).output
                let raft = String(decoding: file, as: UTF8.self)
                return raft.contains("\"isWitness\":true") && !raft.contains("\"raftMember\":0")
            }
            try await waitUntil("raft counts three voters", within: .seconds(20)) {
                try await !cluster.refusal(.martlet, on: "h1", "swarm", "leave").contains("out of 2")
            }
            for refused in [["promote", "w1"], ["rm", "--force", "w1"]] {
                let result = try await cluster.run(.martlet, on: "h1", ["node"] + refused)
                #expect(!result.succeeded && result.errorOutput.contains("is the cluster's witness"))
            }
            // One leaves at a time, in turn: what was written without the other is there afterwards.
            for (lost, left) in [("h1", "h2"), ("h2", "h1")] {
                try await cluster.lab.kill(lost)
                try await waitUntil("\(left) takes changes", within: .seconds(30)) {
                    try await cluster.run(.martlet, on: left, "node", "update", "--label-add", "without=\(lost)", left)
                        .succeeded
                }
                #expect(
                    try await cluster.refusal(.martlet, on: left, "cluster", "policy", "--witness", "none").contains(
                        "this would result in a loss of quorum"))
                try await cluster.lab.start(lost)
                try await cluster.waitForReadyNodes(3, on: left)
            }
            let files = try await files(cluster)
            #expect(files.contains("raft.sqlite") && !files.contains("state-"), "\(files)")
            #expect(
                try await cluster.run(.martlet, on: "w1", "node", "ls").errorOutput.contains("not a swarm manager"))

            // Raft hears the one that came back a moment later.
            try await waitUntil("the witness may go", within: .seconds(20)) {
                try await cluster.run(.martlet, on: "h1", "cluster", "policy", "--witness", "none").succeeded
            }
            try await waitUntil("w1 has no log", within: .seconds(20)) {
                try await !self.files(cluster).contains("raft.sqlite")
            }
            try await waitUntil("raft counts two voters", within: .seconds(20)) {
                try await cluster.refusal(.martlet, on: "h1", "swarm", "leave").contains("out of 2")
            }
            try await cluster.output(.martlet, on: "h1", "node", "update", "--label-add", "end=true", "h1")
        }
    }
}
