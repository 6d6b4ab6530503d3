import JSON
import LinuxSystem
import TestSupport
import Testing
import Values

/// Configs and secrets, as the docker CLI has them.
extension ClusterTests.Services {
    @Test(
        "Configs: made on one manager, shown by another, removed on a third",
        .enabled(if: ClusterClient.docker.path != nil, "the docker CLI is not there: scripts/setup --tests gets it"))
    func configs() async throws {
        let cluster = try Cluster.required()
        let folder = try TemporaryDirectory("payload")
        let file = try folder.write("site.conf", "listen 8080;\n")
        let id = try await cluster.output(
            .docker, "config", "create", "--label", "tier=web", "--template-driver", "golang", "site", file)
        #expect(id.utf8.count == 25)
        let list = try await cluster.output(.docker, on: "h2", "config", "ls", "--format", "{{.ID}} {{.Name}}")
        #expect(list == "\(id) site")
        let object = try JSONValue(
            parsing: Array(try await cluster.output(.docker, on: "h3", "config", "inspect", "site").utf8))
        #expect(object[0]?["Spec"]?["Data"]?.string.flatMap { Base64.decode($0) } == Array("listen 8080;\n".utf8))
        #expect(object[0]?["Spec"]?["Labels"] == ["tier": "web"])
        #expect(object[0]?["Spec"]?["Templating"]?["Name"] == "golang")
        #expect(
            try await cluster.words(.docker, "config", "inspect", "--pretty", "site").contains("listen 8080;"))

        for (filter, found) in [("name=si", "site"), ("label=tier=web", "site"), ("label=tier=db", "")] {
            let shown = try await cluster.output(
                .docker, on: "h2", "config", "ls", "--filter", filter, "--format", "{{.Name}}")
            #expect(shown == found, "\(filter)")
        }
        #expect(
            try await cluster.refusal(.docker, on: "h2", "config", "create", "site", file)
                .contains("rpc error: code = AlreadyExists desc = config site already exists"))
        #expect(
            try await cluster.refusal(.docker, "config", "create", "a b", file)
                .contains("invalid name, only 64 [a-zA-Z0-9-_.] characters allowed"))
        #expect(
            try await cluster.refusal(.docker, on: "w1", "config", "ls").contains("This node is not a swarm manager."))
        #expect(
            try await cluster.refusal(.docker, "service", "create", "--name", "user", "--config", "site", "hello:v1")
                .contains("configs are not supported by this version"))
        #expect(try await cluster.refusal(.docker, "config", "inspect", "nosuch").contains("config nosuch not found"))

        try await cluster.output(.docker, on: "h3", "config", "rm", String(id.prefix(10)))
        #expect(try await cluster.output(.docker, "config", "ls", "-q") == "")
        #expect(try await cluster.refusal(.docker, "config", "rm", "site").contains("config site not found"))
    }

    @Test(
        "Secrets: no manager's files or logs hold them; one that is promoted receives the keys, and gives them back",
        .enabled(if: ClusterClient.docker.path != nil, "the docker CLI is not there: scripts/setup --tests gets it"))
    func secrets() async throws {
        let cluster = try Cluster.required()
        let folder = try TemporaryDirectory("payload")
        let text = "correct-horse-battery-staple-\(UInt64.random(in: 0 ... .max))"
        let file = try folder.write("password", text)
        // The leader seals, and so does a manager that does not lead.
        try await cluster.output(.docker, "secret", "create", "first", file)
        try await cluster.output(.docker, on: "h2", "secret", "create", "--label", "a=b", "second", file)
        try await cluster.output(.docker, on: "h3", "secret", "create", "third", file)
        let object = try await cluster.output(.docker, on: "h3", "secret", "inspect", "second")
        #expect(object.contains("\"a\": \"b\"") && !object.contains("Data"))
        let names = try await cluster.output(.docker, on: "h2", "secret", "ls", "--format", "{{.Name}}")
        #expect(names.split(separator: "\n").sorted() == ["first", "second", "third"])
        #expect(
            try await cluster.refusal(.docker, "secret", "create", "first", file)
                .contains("rpc error: code = AlreadyExists desc = secret first already exists"))
        #expect(
            try await cluster.refusal(.docker, "service", "create", "--name", "user", "--secret", "first", "hello:v1")
                .contains("secrets are not supported by this version"))

        // A join token is no less of a secret.
        let join = try await cluster.output(.docker, "swarm", "join-token", "-q", "worker")
        let forms = [text, Base64.encode(Array(text.utf8)), String(join.suffix(25))]
        func expectNothing(on host: String) async throws {
            for form in forms {
                // grep ends with 1 where it finds nothing.
                let found = try await cluster.lab.exec(on: host, ["grep", "-rlaF", form, "/var/lib/martlet"])
                #expect(found.code == 1, "\(String(decoding: found.output, as: UTF8.self))")
                #expect(try !Files.text(cluster.lab.logPath(host)).contains(form))
            }
        }
        func keys(_ host: String) async throws -> [UInt8] {
            let file = try await cluster.lab.exec(on: host, ["cat", "/var/lib/martlet/cluster/keys.json"])
            let keys = try JSONValue(parsing: file.output)["keys"]?["dataKeys"]?["keys"]
            return keys?.array?.isEmpty == false ? Array(keys!.text.utf8) : []
        }
        let known = try await keys("h1")
        #expect(!known.isEmpty)
        for host in ["h1", "h2", "h3"] {
            try await expectNothing(on: host)
            #expect(try await keys(host) == known)
        }
        #expect(try await keys("w1").isEmpty)

        // Another data key: every manager has it before it seals, and none has the one before when all is sealed anew.
        #expect(try await cluster.output(.martlet, on: "h2", "cluster", "rotate-keys").contains("Every manager has"))
        try await waitUntil("the old data key is gone") {
            let now = try await keys("h1")
            let (second, third) = (try await keys("h2"), try await keys("h3"))
            return now != known && now.count == known.count && second == now && third == now
        }
        let renewed = try await keys("h1")
        #expect(try await cluster.output(.docker, on: "h3", "swarm", "join-token", "-q", "worker") == join)
        #expect(try await cluster.output(.docker, on: "h2", "secret", "inspect", "second").contains("\"a\": \"b\""))

        // After a kill -9, too.
        try await cluster.lab.stop("h2", kill: true)
        try await cluster.lab.start("h2")
        try await cluster.waitForReadyNodes(4, on: "h2")
        try await expectNothing(on: "h2")

        try await cluster.output(.docker, "node", "promote", "w1")
        try await waitUntil("w1 has the keys") { try await keys("w1") == renewed }
        try await waitUntil("w1 answers as a manager") {
            (try? await cluster.get("/secrets", on: "w1").array?.count) == 3
        }
        try await expectNothing(on: "w1")
        try await cluster.output(.docker, "node", "demote", "w1")
        try await waitUntil("w1 has no keys") { try await keys("w1").isEmpty }

        try await cluster.output(.docker, "secret", "rm", "first", "second", "third")
        #expect(try await cluster.output(.docker, on: "h3", "secret", "ls", "-q") == "")
    }
}
