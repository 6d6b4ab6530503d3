import JSON
import Lab
import TestSupport
import Testing
import Values

extension ClusterTests {
    /// Hosts whose addresses change under a swarm: nobody joins again.
    @Suite(.serialized, ClusterLab.hosts("symove", managers: 3, workers: 1, subnet: 93))
    struct Addresses {
        /// Gives a host another address in the underlay's network.
        private func move(_ cluster: Cluster, _ host: String, to address: String) async throws {
            let script = """
                old=$(ip -4 -o addr show dev eth0 | awk '{ print $4 }')
                ip addr del "$old" dev eth0
                ip addr add \(address)/24 brd + dev eth0
                ip route replace default via 10.93.0.1
                """
            let result = try await cluster.lab.exec(on: host, ["sh", "-euc", script])
            try #require(result.code == 0, "\(String(decoding: result.errors, as: UTF8.self))")
        }

        private func waitFor(
            _ cluster: Cluster, _ host: String, at address: String, on manager: String
        ) async throws {
            try await waitUntil("\(manager) has \(host) at \(address), and ready", within: .seconds(40)) {
                guard let node = try? await cluster.get("/nodes/\(host)", on: manager) else { return false }
                let status = node["ManagerStatus"]
                let isReached = status == nil || status?["Reachability"] == "reachable"
                return node["Status"]?["Addr"]?.string == address && node["Status"]?["State"] == "ready" && isReached
                    && (status == nil || status?["Addr"]?.string == "\(address):2377")
            }
        }

        @Test("A manager that comes back at another address is reached there, and its vote counts")
        func manager() async throws {
            let cluster = try Cluster.required()
            let leader = try #require(try await cluster.leader())
            let others = ["h1", "h2", "h3"].filter { $0 != leader }
            let id = try await cluster.nodeID(others[0])
            try await cluster.lab.stop(others[0])
            try await move(cluster, others[0], to: "10.93.0.101")
            try await cluster.lab.start(others[0])
            try await waitFor(cluster, others[0], at: "10.93.0.101", on: leader)
            #expect(try await cluster.nodeID(others[0], on: others[0]) == id)
            // The other one is gone, so its vote is needed.
            try await cluster.lab.stop(others[1])
            try await cluster.output(on: others[0], "node", "update", "--label-add", "moved=yes", leader)
            try await cluster.lab.start(others[1])
            try await cluster.waitForReadyNodes(4, on: others[1])
            #expect(try await cluster.get("/info", on: others[0])["Swarm"]?["NodeAddr"] == "10.93.0.101")
        }

        @Test("A leader whose address changes while it runs goes on, or another one does")
        func leader() async throws {
            let cluster = try Cluster.required()
            let leader = try #require(try await cluster.leader())
            let other = ["h1", "h2", "h3"].first { $0 != leader }!
            try await move(cluster, leader, to: "10.93.0.102")
            try await waitFor(cluster, leader, at: "10.93.0.102", on: other)
            try await cluster.waitForReadyNodes(4, on: leader)
        }

        @Test("Two of three managers come back at other addresses at once") func majority() async throws {
            let cluster = try Cluster.required()
            for (host, address) in [("h1", "10.93.0.111"), ("h2", "10.93.0.112")] {
                try await cluster.lab.stop(host)
                try await move(cluster, host, to: address)
            }
            for host in ["h1", "h2"] { try await cluster.lab.start(host) }
            for (host, address) in [("h1", "10.93.0.111"), ("h2", "10.93.0.112")] {
                try await waitFor(cluster, host, at: address, on: "h3")
            }
            try await cluster.waitForReadyNodes(4, on: "h1", within: .seconds(40))
            try await cluster.output(on: "h2", "node", "update", "--label-add", "moved=twice", "h3")
        }

        @Test("A worker moves, and finds managers that moved while it was away") func worker() async throws {
            let cluster = try Cluster.required()
            try await move(cluster, "w1", to: "10.93.0.121")
            try await waitFor(cluster, "w1", at: "10.93.0.121", on: "h1")
            try await cluster.lab.stop("w1")
            for (number, host) in ["h1", "h2", "h3"].enumerated() {
                let address = "10.93.0.13\(number)"
                try await move(cluster, host, to: address)
                try await waitFor(cluster, host, at: address, on: host)
                for other in ["h1", "h2", "h3"] { try await waitFor(cluster, host, at: address, on: other) }
            }
            try await cluster.lab.start("w1")
            try await cluster.waitForReadyNodes(4, on: "h2", within: .seconds(40))
        }
    }
}
