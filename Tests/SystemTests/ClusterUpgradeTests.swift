import Glibc
import JSON
import Lab
import LinuxSystem
import TestSupport
import Testing
import Values

private let olderProgram = ["MARTLET_HIGHEST_CLUSTER_VERSION=1"]
private let newProgram: [String] = []

extension ClusterTests {
    /// Managers whose program is upgraded one by one; the older one is a debug build that knows no newer clusters than
    /// it is told. The tests build on each other.
    @Suite(
        .serialized, .enabled(if: getenv("MARTLET_BIN") == nil, "only debug builds can be taken for older programs"),
        ClusterLab.hosts("syupgrade", managers: 3, subnet: 94, daemonEnvironment: olderProgram))
    struct Upgrading {
        private func cluster() throws -> Cluster { try Cluster.required() }

        private func version(_ host: String) async throws -> Int64? {
            try await cluster().get("/martlet/versions", on: host)["ClusterVersion"]?.integer
        }

        private func restart(_ host: String, as program: [String]) async throws {
            let cluster = try cluster()
            try await cluster.lab.stop(host)
            try await cluster.lab.start(host, daemonEnvironment: program)
            try await waitUntil("\(host) is a manager again", within: .seconds(30)) {
                try await cluster.get("/martlet/versions", on: host)["Managers"]?.array?
                    .allSatisfy { $0["Answered"] == true } == true
            }
        }

        private func writeConfig(_ name: String, on host: String) async throws {
            let client = try cluster().lab.client(host)
            try await waitUntil("\(host) takes a change", within: .seconds(30)) {
                let body: JSONValue = ["Name": .string(name), "Data": "eA=="]
                return (try? await client.json("POST", "/configs/create", body: body)) != nil
            }
        }

        private func configs(on host: String) async throws -> Set<String> {
            let list = try await cluster().get("/configs", on: host).array ?? []
            return Set(list.compactMap { $0["Spec"]?["Name"]?.string })
        }

        @Test("The cluster's version rises when the last manager is upgraded, not before; nothing is lost")
        func rolling() async throws {
            let cluster = try cluster()
            let hosts = ["h1", "h2", "h3"]
            try await writeConfig("first", on: "h1")
            for host in hosts { #expect(try await version(host) == 1) }
            let lines = try await cluster.words(.martlet, "cluster", "version").dropFirst(2)
            #expect(lines.map { $0.split(separator: " ").last } == ["1", "1", "1"])
            for host in ["h1", "h2"] {
                try await restart(host, as: newProgram)
                for other in hosts { try await writeConfig("\(host)-\(other)", on: other) }
            }
            // Who leads now, new or old, asks or does not, for longer than it takes to ask.
            try await waitUntil("the leader is a new one and waits for h3", within: .seconds(30)) {
                if try await cluster.leader() == "h3" {
                    try await restart("h3", as: olderProgram)
                    return false
                }
                let report = try await cluster.output(.martlet, on: "h2", "cluster", "version")
                let logs = try ["h1", "h2"].map { try Files.text(cluster.lab.logPath($0)) }
                return report.contains("it waits for h3.")
                    && logs.contains { $0.contains("the cluster's version waits for managers to be upgraded") }
            }
            for host in hosts { #expect(try await version(host) == 1) }
            try await restart("h3", as: newProgram)
            try await waitUntil("every manager has the new version", within: .seconds(30)) {
                for host in hosts where try await version(host) != 2 { return false }
                return true
            }
            try await writeConfig("last", on: "h3")
            let names = Set(["first", "last"] + ["h1", "h2"].flatMap { host in hosts.map { "\(host)-\($0)" } })
            for host in hosts { #expect(try await configs(on: host) == names) }
            let log = try await cluster.output(.martlet, on: "h2", "cluster", "log", "--format", "{{.Note}}")
            #expect(log.split(separator: "\n").filter { $0.hasPrefix("cluster version") } == ["cluster version 2"])
            #expect(
                try await cluster.output(
                    .martlet, on: "h1", "sql", "--format", "json", "SELECT version FROM applied"
                ).contains("2"))
        }

        @Test("Afterwards an old program does not start on a manager and says why; the new one goes on")
        func goingBack() async throws {
            let cluster = try cluster()
            try await cluster.lab.stop("h3")
            do {
                try await cluster.lab.start("h3", daemonEnvironment: olderProgram)
                Issue.record("an old program started on a newer state")
            } catch {
                #expect("\(error)".contains("the cluster has version 2, and this martletd supports 1"), "\(error)")
            }
            try await writeConfig("meanwhile", on: "h1")
            try await restart("h3", as: newProgram)
            try await waitUntil("h3 has caught up") { try await configs(on: "h3").contains("meanwhile") }
        }

        @Test("A host with an old program does not join as a manager, nor take a backup; it may be a worker")
        func joining() async throws {
            let cluster = try cluster()
            try await cluster.output(.martlet, on: "h1", "node", "demote", "h3")
            try await waitUntil("h3 is a worker", within: .seconds(30)) {
                (try? await version("h3")) == nil
            }
            // A worker has no state; outside of the cluster it would begin one of its own with the newest version.
            try await cluster.lab.stop("h3")
            try await cluster.lab.start("h3", daemonEnvironment: olderProgram)
            try await cluster.output(.martlet, on: "h3", "swarm", "leave")
            let address = "\(try cluster.lab.host("h1").address)"
            func token(_ role: String) async throws -> String {
                try await cluster.output(.martlet, "swarm", "join-token", "-q", role)
            }
            let words = "the cluster has version 2, and that host's martletd supports 1"
            let refusal = try await cluster.refusal(
                .martlet, on: "h3", "swarm", "join", "--token", token("manager"), address)
            #expect(refusal.contains(words), "\(refusal)")
            #expect(try await cluster.get("/nodes").array?.count == 3, "no node was made for it")

            let folder = try TemporaryDirectory("backup")
            try await cluster.output(.martlet, "cluster", "backup", folder.path("file"))
            let restoring = try await cluster.refusal(.martlet, on: "h3", "cluster", "restore", folder.path("file"))
            #expect(restoring.contains("the cluster has version 2, and this martletd supports 1"), "\(restoring)")

            try await cluster.output(.martlet, on: "h3", "swarm", "join", "--token", token("worker"), address)
            try await waitUntil("h3 is a ready worker", within: .seconds(30)) {
                try await cluster.get("/nodes").array?.contains {
                    $0["Description"]?["Hostname"] == "h3" && $0["Status"]?["State"] == "ready"
                } == true
            }
            // Its old row is there, too, under the same name.
            let id = try #require(try await cluster.get("/info", on: "h3")["Swarm"]?["NodeID"]?.string)
            #expect(try await cluster.refusal(.martlet, "node", "promote", id).contains(words))
            try await cluster.lab.stop("h3")
            try await cluster.lab.start("h3", daemonEnvironment: newProgram)
            try await waitUntil("h3 is promoted", within: .seconds(30)) {
                try await cluster.run(.martlet, "node", "promote", id).succeeded
            }
            try await waitUntil("h3 is a manager", within: .seconds(30)) { (try? await version("h3")) == 2 }
        }
    }
}
