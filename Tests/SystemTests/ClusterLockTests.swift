import JSON
import Lab
import LinuxSystem
import TestSupport
import Testing
import Values

extension ClusterTests {
    /// Managers that lock their keys (Docker: autolock). The tests build on each other.
    @Suite(
        .serialized,
        .enabled(if: ClusterClient.docker.path != nil, "the docker CLI is not there: scripts/setup --tests gets it"),
        ClusterLab.hosts("sylock", managers: 3, subnet: 93) { cluster in
            for host in ["h1", "h2", "h3"] { try await cluster.loadImage("hello:v1", version: "v1", on: host) }
            try await cluster.output("service", "create", "-d", "--name", "web", "--mode", "global", "hello:v1")
            try await cluster.waitForTasks(3, of: "web")
        })
    struct Locking {
        private static let locked = "Swarm is encrypted and needs to be unlocked before it can be used."

        private func cluster() throws -> Cluster { try Cluster.required() }

        private func state(_ host: String) async throws -> String {
            try await cluster().output(.docker, on: host, "info", "--format", "{{.Swarm.LocalNodeState}}")
        }

        private func unlock(
            _ host: String, _ key: String, by client: ClusterClient = .docker
        ) async throws -> Command {
            let cluster = try cluster()
            return try await Command.run(
                [try #require(client.path), "swarm", "unlock"], input: Array((key + "\n").utf8),
                environment: ["DOCKER_HOST=unix://\(try cluster.lab.host(host).socketPath)"])
        }

        private func restart(_ host: String) async throws {
            try await cluster().lab.stop(host)
            try await cluster().lab.start(host)
        }

        /// What lies in a host's key file.
        private func keyFile(_ host: String) async throws -> JSONValue {
            let result = try await cluster().lab.exec(on: host, ["cat", "/var/lib/martlet/cluster/keys.json"])
            return try JSONValue(parsing: result.output)
        }

        private func waitUntilLocked(_ hosts: String...) async throws {
            for host in hosts {
                try await waitUntil("the keys of \(host) are locked") {
                    let file = try await keyFile(host)
                    return file["box"] != nil && file["keys"] == nil
                }
            }
        }

        /// The hosts on whose disks a text is found.
        private func hosts(showing text: String) async throws -> [String] {
            var found: [String] = []
            for host in ["h1", "h2", "h3"] {
                let result = try await cluster().lab.exec(on: host, ["grep", "-rlaF", text, "/var/lib/martlet"])
                if result.code != 1 { found.append("\(host): \(String(decoding: result.output, as: UTF8.self))") }
            }
            return found
        }

        /// The identifier of the key that a host's log lies under: it stands open on each page.
        private func databaseKey(_ host: String) async throws -> String {
            let command = "dd if=/var/lib/martlet/cluster/raft.sqlite bs=1 skip=4048 count=8 2>/dev/null | od -An -tx1"
            let result = try await cluster().lab.exec(on: host, ["sh", "-c", command])
            return String(decoding: result.output, as: UTF8.self).filter { !$0.isWhitespace }
        }

        private func containers(_ host: String) async throws -> [String] {
            try await cluster().words(.docker, on: host, "ps", "--no-trunc", "--format", "{{.ID}}").sorted()
        }

        @Test("What managers share lies encrypted on their disks, under a key of each host's own")
        func encrypted() async throws {
            let cluster = try cluster()
            let folder = try TemporaryDirectory("config")
            let (data, encoded) = ("the data of a config", Base64.encode(Array("the data of a config".utf8)))
            try Files.write(folder.path("data"), data)
            try await cluster.output(
                .docker, "config", "create", "--label", "note=easily-found", "conf", folder.path("data"))
            var keys: Set<String> = []
            for host in ["h1", "h2", "h3"] {
                // It waits for the file.
                let seen = try await cluster.output(.martlet, on: host, "sql", "SELECT body FROM config")
                #expect(seen.contains("easily-found") && seen.contains(encoded))
                let key = try await databaseKey(host)
                #expect(try await keyFile(host).pretty().contains("\"\(key)\""))
                keys.insert(key)
            }
            #expect(keys.count == 3)
            for form in ["easily-found", data, encoded] {
                #expect(try await hosts(showing: form) == [])
            }
            let own = try await cluster.output(.docker, on: "h1", "info", "--format", "{{.Swarm.NodeID}}")
            #expect(try await hosts(showing: own).count > 0, "the search finds what lies there open")
        }

        @Test("A manager that restarts is locked, its containers go on, and its key alone makes it a manager again")
        func locks() async throws {
            let cluster = try cluster()
            #expect(try await cluster.refusal(.docker, "swarm", "unlock-key").contains("no unlock key is set"))
            #expect(try await keyFile("h2")["box"] == nil)
            let databaseKey = try await databaseKey("h2")
            let told = try await cluster.output(.docker, "swarm", "update", "--autolock=true")
            let key = try await cluster.output(.docker, on: "h3", "swarm", "unlock-key", "-q")
            #expect(key.hasPrefix("SWMKEY-1-") && key.utf8.count == 52 && told.contains(key))
            #expect(try await cluster.output(.martlet, on: "h2", "swarm", "unlock-key", "-q") == key)
            try await waitUntilLocked("h1", "h2", "h3")

            let before = try await containers("h2")
            #expect(before.count == 1)
            try await restart("h2")
            #expect(try await state("h2") == "locked")
            #expect(try await containers("h2") == before, "what runs goes on")
            for arguments in [["node", "ls"], ["service", "ls"], ["swarm", "unlock-key"], ["secret", "ls"]] {
                let result = try await cluster.run(.docker, on: "h2", arguments)
                #expect(!result.succeeded && result.errorOutput.contains(Self.locked), "\(arguments)")
            }
            #expect(
                try await cluster.refusal(.docker, on: "h2", "swarm", "leave")
                    .contains("Swarm is encrypted and locked. Please unlock it first or use `--force`"))
            #expect(try await unlock("h2", "nonsense").errorOutput.contains("invalid key string"))
            let other = "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
            #expect(
                try await unlock("h2", other).errorOutput
                    .contains("swarm could not be unlocked: invalid key provided"))
            #expect(try await state("h2") == "locked")
            let unlocked = try await unlock("h2", key)
            #expect(unlocked.succeeded, "\(unlocked.errorOutput)")
            #expect(try await state("h2") == "active")
            try await cluster.waitForReadyNodes(3, on: "h2")
            #expect(try await self.databaseKey("h2") != databaseKey, "the one of before lay there open")
            #expect(try await containers("h2") == before)
            #expect(try await unlock("h2", key).errorOutput.contains("swarm is not locked"))
            try await cluster.output(.docker, on: "h2", "service", "update", "-d", "--label-add", "a=b", "web")
        }

        @Test("A manager that was down takes the key of then, and has the newest one afterwards")
        func rotation() async throws {
            let cluster = try cluster()
            let old = try await cluster.output(.docker, "swarm", "unlock-key", "-q")
            try await cluster.lab.stop("h3")
            let new = try await cluster.output(.docker, "swarm", "unlock-key", "--rotate", "-q")
            #expect(new != old && new.hasPrefix("SWMKEY-1-"))
            try await cluster.lab.start("h3")
            #expect(try await !unlock("h3", new).succeeded)
            #expect(try await unlock("h3", old).succeeded)
            try await waitUntil("h3 has the new key") {
                try await restart("h3")
                guard try await !unlock("h3", old).succeeded else {
                    try await cluster.waitForReadyNodes(3, on: "h3")
                    return false
                }
                return try await unlock("h3", new).succeeded
            }
            try await cluster.waitForReadyNodes(3, on: "h3")
            // One that was up has it, after a loss of power too.
            try await cluster.lab.stop("h2", kill: true)
            try await cluster.lab.start("h2")
            #expect(try await !unlock("h2", old).succeeded)
            #expect(try await unlock("h2", new).succeeded)
            try await cluster.waitForReadyNodes(3, on: "h2")
        }

        @Test("Neither keys nor tokens are in any file or log of a locked manager, or in what it shows")
        func nothingIsReadable() async throws {
            let cluster = try cluster()
            let key = try await cluster.output(.docker, "swarm", "unlock-key", "-q")
            let token = try await cluster.output(.docker, "swarm", "join-token", "-q", "manager")
            try await restart("h2")
            for form in [String(key.dropFirst(9)), String(token.suffix(25)), "PRIVATE KEY", "easily-found"] {
                for host in ["h1", "h2", "h3"] {
                    let found = try await cluster.lab.exec(on: host, ["grep", "-rlaF", form, "/var/lib/martlet"])
                    #expect(found.code == 1, "\(String(decoding: found.output, as: UTF8.self))")
                    #expect(try !Files.text(cluster.lab.logPath(host)).contains(form))
                }
                for path in ["/info", "/swarm", "/nodes"] {
                    let shown = try await cluster.get(path).pretty()
                    #expect(!shown.contains(form) || path == "/swarm" && token.contains(form), "\(path)")
                }
            }
            #expect(try await !cluster.run(.martlet, "sql", "SELECT body FROM cluster").succeeded)
            #expect(try await unlock("h2", key).succeeded)
            try await cluster.waitForReadyNodes(3, on: "h2")
        }

        @Test("A manager that joins is locked too; one that is locked can leave; without the lock it starts as ever")
        func comingAndGoing() async throws {
            let cluster = try cluster()
            try await restart("h3")
            #expect(try await state("h3") == "locked")
            #expect(try await !cluster.run(.docker, on: "h3", "swarm", "leave").succeeded)
            try await cluster.output(.docker, on: "h3", "swarm", "leave", "--force")
            #expect(try await state("h3") == "inactive")
            // A restored cluster has the lock and the key that it had.
            let key = try await cluster.output(.docker, "swarm", "unlock-key", "-q")
            let folder = try TemporaryDirectory("backup")
            try await cluster.output(.martlet, "cluster", "backup", folder.path("file"))
            try await cluster.output(.martlet, on: "h3", "cluster", "restore", folder.path("file"))
            try await waitUntilLocked("h3")
            try await restart("h3")
            #expect(try await state("h3") == "locked")
            #expect(try await unlock("h3", key).succeeded)
            #expect(try await cluster.output(.docker, on: "h3", "swarm", "unlock-key", "-q") == key)
            try await cluster.output(.docker, on: "h3", "swarm", "leave", "--force")

            let token = try await cluster.output(.docker, "swarm", "join-token", "-q", "manager")
            let address = "\(try cluster.lab.host("h1").address)"
            // Without h3's old place in raft, two of three still agree.
            try await cluster.output(.docker, on: "h3", "swarm", "join", "--token", token, address)
            try await waitUntilLocked("h3")
            try await cluster.output(.martlet, on: "h3", "swarm", "update", "--autolock=false")
            for host in ["h1", "h2", "h3"] {
                try await waitUntil("nothing locks \(host)") { try await keyFile(host)["box"] == nil }
            }
            try await restart("h3")
            #expect(try await state("h3") == "active")
            #expect(try await cluster.refusal(.docker, "swarm", "unlock-key").contains("no unlock key is set"))
        }

        @Test("A swarm that is begun with the lock has it at once", arguments: [ClusterClient.docker, .martlet])
        func begun(client: ClusterClient) async throws {
            let cluster = try cluster()
            try await cluster.output(client, on: "h3", "swarm", "leave", "--force")
            let address = "\(try cluster.lab.host("h3").address)"
            let told = try await cluster.output(
                client, on: "h3", "swarm", "init", "--autolock", "--advertise-addr", address)
            let key = try await cluster.output(client, on: "h3", "swarm", "unlock-key", "-q")
            #expect(told.contains(key))
            try await waitUntilLocked("h3")
            try await restart("h3")
            #expect(try await cluster.refusal(client, on: "h3", "node", "ls").contains(Self.locked))
            let unlocked = try await unlock("h3", key, by: client)
            #expect(unlocked.succeeded, "\(unlocked.errorOutput)")
            let next = try await cluster.output(client, on: "h3", "swarm", "unlock-key", "--rotate", "-q")
            #expect(next != key && next.hasPrefix("SWMKEY-1-"))
            try await cluster.waitForReadyNodes(1, on: "h3")
        }
    }
}
