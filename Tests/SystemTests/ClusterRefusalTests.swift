import EngineClient
import JSON
import TestSupport
import Testing

extension ClusterTests.Services {
    @Test(
        "Conflicts and unknown names are refused in Docker's words, and leave nothing half-made",
        arguments: ClusterClient.available)
    func conflicts(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        try await cluster.output(
            client, "service", "create", "-d", "--name", "first", "--publish", "7070:8080", "hello:v1")
        #expect(
            try await cluster.refusal(client, on: "h2", "service", "create", "--name", "first", "hello:v1")
                .contains("name conflicts with an existing object"))
        #expect(
            try await cluster.refusal(
                client, on: "h3", "service", "create", "--name", "second", "-p", "7070:1", "hello:v1"
            )
            .contains("port '7070' is already in use by service 'first'"))
        // The docker CLI before 23 has its own words.
        let noNetwork = try await cluster.refusal(
            client, "service", "create", "--name", "second", "--network", "nonet", "hello:v1")
        #expect(noNetwork.contains("nonet not found") || noNetwork.contains("No such network: nonet"))
        #expect(
            try await cluster.refusal(client, "network", "create", "-d", "overlay", "app")
                .contains("network with name app already exists"))
        try await cluster.output(client, "network", "create", "-d", "overlay", "closed")
        #expect(
            try await cluster.refusal(client, "run", "--rm", "--network", "closed", "hello:v1", "true")
                .contains("network closed not manually attachable"))
        try await cluster.output(client, "network", "rm", "closed")
        #expect(try await cluster.refusal(client, "service", "rm", "second").contains("second"))
        #expect(try await cluster.output(client, "service", "ls", "--format", "{{.Name}}") == "first")
        try await cluster.output(client, "service", "rm", "first")
    }

    @Test("A request that is no JSON, lacks what it must have, or is about an older version has its status and message")
    func statuses() async throws {
        let cluster = try Cluster.required()
        let client = try cluster.lab.client("h2")
        func refused(
            _ method: String, _ path: String, query: [(String, String)] = [], _ body: String
        ) async throws -> EngineClientError {
            let body = EngineRequestBody.bytes(Array(body.utf8), contentType: "application/json")
            let response = try await client.send(method, path, query: query, body: body)
            let text = try await response.bytes()
            let message = try JSONValue(parsing: text)["message"]?.string
            return EngineClientError(status: response.status, message: message ?? "no message")
        }
        for body in ["{", "[1", "{\"Name\":}", "nothing", "{\"Name\": \"x\"} more"] {
            let refusal = try await refused("POST", "/services/create", body)
            #expect(refusal.status == 400, "\(body): \(refusal)")
            #expect(refusal.message != "no message" && !refusal.message.isEmpty)
        }
        #expect(try await refused("POST", "/services/create", "{\"Name\": 7}").status == 400)
        #expect(try await refused("POST", "/services/create", "{\"Name\": \"a b\"}").status == 400)
        #expect(try await refused("POST", "/services/nosuch/update", query: [("version", "1")], "{}").status == 404)
        #expect(try await refused("GET", "/services/nosuch", "").message == "service nosuch not found")
        #expect(try await refused("GET", "/tasks/nosuch", "").status == 404)

        try await cluster.output("service", "create", "-d", "--name", "versioned", "--replicas", "0", "hello:v1")
        let object = try await cluster.get("/services/versioned")
        let version = try #require(object["Version"]?["Index"]?.integer)
        let spec = String(decoding: try #require(object["Spec"]).serialized(), as: UTF8.self)
        _ = try await client.json(
            "POST", "/services/versioned/update", query: [("version", "\(version)")], body: object["Spec"])
        let late = try await refused("POST", "/services/versioned/update", query: [("version", "\(version)")], spec)
        #expect(late.message.contains("update out of sequence"), "\(late)")
        #expect(late.status == 500, "Docker's status for it")
        #expect(try await refused("POST", "/services/versioned/update", spec).status == 400)
        try await cluster.output("service", "rm", "versioned")
        #expect(try await cluster.get("/services").array?.isEmpty == true)
    }
}
