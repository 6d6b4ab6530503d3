import EngineClient
import JSON
import Lab
import LinuxSystem
import TestSupport
import Testing

extension ClusterTests {
    /// The cluster's past, its backups, and its going on alone. The tests build on each other.
    @Suite(
        .serialized,
        ClusterLab.hosts("sypast", managers: 3, workers: 1, subnet: 90) { cluster in
            try await cluster.loadImage("hello:v1", version: "v1")
            // The very image, so that the other host needs nobody to get it from.
            let folder = try TemporaryDirectory("image")
            try await cluster.output(.martlet, "save", "-o", folder.path("image.tar"), "hello:v1")
            try await cluster.output(.martlet, on: "w1", "load", "-i", folder.path("image.tar"))
        })
    struct Past {
        @Test("Every change is in the log with its author, and a rollback makes it what it was")
        func timeTravel() async throws {
            let cluster = try Cluster.required()
            try await cluster.output(on: "h1", "network", "create", "-d", "overlay", "back")
            try await cluster.output(
                on: "h1", "service", "create", "-d", "--name", "web", "--network", "back", "--replicas", "2",
                "hello:v1")
            try await cluster.output(on: "h2", "service", "create", "-d", "--name", "gone", "hello:v1")
            try await cluster.waitForTasks(2, of: "web")
            let log = try await cluster.words(
                .martlet, on: "h3", "cluster", "log", "--limit", "3", "--format",
                "{{.Author}} {{.Change}} {{.Object}} {{.Client}}")
            #expect(
                log == [
                    "h2 created service/gone local socket, user 0", "h1 created service/web local socket, user 0",
                    "h1 created network/back local socket, user 0",
                ])
            let revision = try await cluster.output(
                .martlet, "cluster", "log", "--limit", "1", "--format", "{{.Revision}}")
            try await cluster.output(on: "h2", "service", "update", "-d", "--label-add", "a=b", "web")
            try await cluster.output(on: "h2", "service", "scale", "-d", "web=3")
            try await cluster.output("service", "rm", "gone")
            try await cluster.output(on: "h3", "service", "create", "-d", "--name", "new", "hello:v1")
            let difference = try await cluster.words(.martlet, on: "h3", "cluster", "diff", revision)
            #expect(difference.contains("Labels.a: (none) -> \"b\""), "\(difference)")
            #expect(difference.contains("Mode.Replicated.Replicas: 2 -> 3"))
            #expect(difference.contains { $0.hasPrefix("removed service/gone") })
            #expect(difference.contains { $0.hasPrefix("created service/new") })
            #expect(
                try await cluster.words(.martlet, "cluster", "show", revision).contains(
                    "Author: h2 (local socket, user 0)"))
            #expect(
                try await cluster.words(.martlet, "cluster", "log", "--author", "h3", "--format", "{{.Object}}").first
                    == "service/new")
            let plan = try await cluster.words(.martlet, "cluster", "rollback", "--to", revision, "--dry-run")
            #expect(plan.first == "remove service/new", "\(plan)")
            #expect(try await cluster.run("service", "inspect", "new").succeeded, "nothing was done")
            let done = try await cluster.words(.martlet, on: "h2", "cluster", "rollback", "--to", revision, "--yes")
            #expect(done.last?.hasPrefix("Rolled back to revision \(revision) by revision ") == true)
            #expect(
                Set(try await cluster.words(.any, "service", "ls", "--format", "{{.Name}}")) == ["web", "gone"])
            try await cluster.waitForTasks(2, of: "web")
            try await cluster.waitForTasks(1, of: "gone")
            #expect(
                try await cluster.words(.martlet, "cluster", "log", "--limit", "1", "--format", "{{.Author}} {{.Note}}")
                    == ["h2 rollback to \(revision)"])
            #expect(
                try await cluster.words(.martlet, "cluster", "rollback", "--to", revision, "--yes")
                    == ["Nothing is to be done."])
            for (wrong, words) in [("99999999", "there is no revision 99999999 yet"), ("0", "")] {
                let result = try await cluster.run(.martlet, "cluster", "diff", wrong)
                #expect(result.succeeded == words.isEmpty && (words.isEmpty || result.errorOutput.contains(words)))
            }
        }

        @Test("Statements read the state on any manager, and nothing else")
        func statements() async throws {
            let cluster = try Cluster.required()
            #expect(
                try await cluster.words(.martlet, on: "h2", "sql", "SELECT count(*) AS n FROM node") == ["N", "4"])
            #expect(
                try await cluster.output(
                    .martlet, on: "h3", "sql", "--format", "json", "SELECT name FROM service WHERE name = 'web'")
                    == #"{"name":"web"}"#)
            for statement in ["SELECT body FROM cluster", "DELETE FROM service", "SELECT 1; SELECT 2", "SELEC"] {
                let refused = try await cluster.refusal(.martlet, "sql", statement)
                #expect(refused.hasPrefix("Error response from daemon: "), "\(refused)")
            }
            #expect(try await cluster.refusal(.martlet, on: "w1", "sql", "SELECT 1").contains("not a swarm manager"))
        }

        @Test("A backup that was made under load, restored on another host, is the same cluster")
        func backupAndRestore() async throws {
            let cluster = try Cluster.required()
            let folder = try TemporaryDirectory("backup")
            let (plain, sealed, secret) = (folder.path("plain"), folder.path("sealed"), folder.path("secret"))
            try Files.write(secret, "a passphrase\n")
            let lab = cluster.lab
            let load = Task {
                var count = 0
                while !Task.isCancelled {
                    count += 1
                    _ = try await Command.run(
                        [
                            try #require(Cluster.program("martlet")), "node", "update", "--label-add", "n=\(count)",
                            "w1",
                        ],
                        environment: ["DOCKER_HOST=unix://\(try lab.host("h2").socketPath)"])
                }
            }
            try await cluster.output(.martlet, on: "h3", "cluster", "backup", plain)
            try await cluster.output(
                .martlet, on: "h3", "cluster", "backup", "--encrypt", "--passphrase-file", secret, sealed)
            load.cancel()
            _ = try? await load.value
            let token = try await cluster.output("swarm", "join-token", "-q", "worker")
            let services = Set(try await cluster.words(.any, "service", "ls", "--format", "{{.ID}} {{.Name}}"))

            #expect(
                try await cluster.refusal(.martlet, on: "h1", "cluster", "restore", plain).contains("already part"))
            try await cluster.output(.martlet, on: "w1", "swarm", "leave", "--force")
            for (file, words) in [
                (sealed, "its passphrase is needed"), (secret, "no backup of a Martlet cluster"),
            ] {
                #expect(try await cluster.refusal(.martlet, on: "w1", "cluster", "restore", file).contains(words))
            }
            let whole = try Files.read(plain)
            try Files.write(folder.path("cut"), Array(whole.prefix(whole.count / 2)))
            #expect(
                try await cluster.refusal(.martlet, on: "w1", "cluster", "restore", folder.path("cut"))
                    .contains("cut off"))
            #expect(try await cluster.get("/info", on: "w1")["Swarm"]?["LocalNodeState"] == "inactive")

            let address = "\(try cluster.lab.host("w1").address)"
            let restored = try await cluster.output(
                .martlet, on: "w1", "cluster", "restore", "--advertise-addr", address, "--passphrase-file", secret,
                sealed)
            #expect(restored.hasPrefix("Restored cluster "))
            #expect(
                Set(try await cluster.words(.any, on: "w1", "service", "ls", "--format", "{{.ID}} {{.Name}}"))
                    == services)
            #expect(try await cluster.output(on: "w1", "swarm", "join-token", "-q", "worker") == token)
            try await cluster.waitForTasks(2, of: "web", on: "w1", within: .seconds(40), where: { $0.node == "w1" })
            let log = try await cluster.words(
                .martlet, on: "w1", "cluster", "log", "--format", "{{.Change}} {{.Object}} {{.Note}}")
            #expect(log.contains { $0.contains("restored from the backup of revision") }, "\(log)")
            #expect(log.contains { $0.hasPrefix("created service/web") }, "the past is there, too")
            // The worker that it was and the managers that there were are not heard.
            try await waitUntil("one node is ready", within: .seconds(15)) {
                let nodes = try await cluster.get("/nodes", on: "w1").array ?? []
                return nodes.count == 4 && nodes.count { $0["Status"]?["State"] == "ready" } == 1
            }
            // Another start of the daemon finds it all.
            try await cluster.lab.kill("w1")
            try await cluster.lab.start("w1")
            try await waitUntil("w1 answers again", within: .seconds(30)) {
                try await cluster.run(.martlet, on: "w1", "service", "ls").succeeded
            }
            #expect(
                Set(try await cluster.words(.any, on: "w1", "service", "ls", "--format", "{{.ID}} {{.Name}}"))
                    == services)
        }

        @Test("A manager whose fellows are lost says what could be lost, and goes on alone")
        func recovery() async throws {
            let cluster = try Cluster.required()
            try await cluster.lab.kill("h2")
            try await cluster.lab.kill("h3")
            try await waitUntil("h1 has no majority", within: .seconds(20)) {
                try await !cluster.run(.martlet, on: "h1", "service", "ls").succeeded
            }
            let report = try await cluster.words(.martlet, on: "h1", "cluster", "recover")
            #expect(report.first?.hasPrefix("This manager has the log up to index ") == true, "\(report)")
            #expect(report.contains { $0.contains("h2") && $0.contains("was heard last at") }, "\(report)")
            #expect(report.last?.hasPrefix("Nothing was done.") == true)
            let done = try await cluster.output(.martlet, on: "h1", "cluster", "recover", "--yes")
            #expect(done.hasSuffix("This host is the cluster's only manager now."))
            try await cluster.output(on: "h1", "service", "scale", "-d", "web=4")
            try await cluster.waitForTasks(4, of: "web", within: .seconds(40), where: { $0.node == "h1" })
            #expect(
                try await cluster.words(.martlet, "cluster", "log", "--format", "{{.Note}}")
                    .contains("recovered from the loss of the other managers"))
            // New managers get everything from it.
            try await cluster.lab.start("h2")
            let token = try await cluster.output(on: "h1", "swarm", "join-token", "-q", "manager")
            try await cluster.output(.martlet, on: "h2", "swarm", "leave", "--force")
            let address = "\(try cluster.lab.host("h1").address)"
            try await cluster.output(.martlet, on: "h2", "swarm", "join", "--token", token, address)
            try await waitUntil("h2 answers as a manager", within: .seconds(20)) {
                try await cluster.run(.martlet, on: "h2", "service", "inspect", "web").succeeded
            }
            let logs = [
                try await cluster.words(.martlet, on: "h1", "cluster", "log", "--limit", "1000"),
                try await cluster.words(.martlet, on: "h2", "cluster", "log", "--limit", "1000"),
            ]
            #expect(logs[0] == logs[1])
        }
    }
}
