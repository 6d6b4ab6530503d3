import EngineClient
import JSON
import TestSupport
import Testing

extension EngineSystemTests {
    /// Bad input over the API: Docker's status and `{"message": ...}`, and nothing half-made.
    @Suite(.enabled(if: EngineHost.isPossible, EngineHost.possibleReason))
    struct RefusalTests {
        private struct Request {
            var method: String
            var path: String
            var body: String?
            var contentType = "application/json"
            let status: Int
            let message: String

            init(
                _ method: String, _ path: String, _ status: Int, _ message: String, body: String? = nil,
                type: String = "application/json"
            ) {
                (self.method, self.path, self.body, contentType) = (method, path, body, type)
                (self.status, self.message) = (status, message)
            }
        }

        private let requests = [
            // Bodies.
            Request("POST", "/containers/create", 400, "invalid JSON", body: "{bad"),
            Request("POST", "/containers/create", 400, "invalid JSON", body: #"{"Image":"box:1""#),
            Request("POST", "/containers/create", 400, "invalid JSON: got EOF while reading request body", body: ""),
            Request("POST", "/containers/create", 400, "Image", body: #"{"Image":5}"#),
            Request(
                "POST", "/containers/create", 400,
                "unsupported Content-Type header (text/plain): must be 'application/json'", body: #"{"Image":"box:1"}"#,
                type: "text/plain"),
            Request("POST", "/networks/create", 400, "invalid JSON", body: "[]"),
            Request("GET", "/containers/json?filters=bad", 400, "invalid"),
            Request("GET", "/containers/json?filters=%7B%22bogus%22:%5B%22x%22%5D%7D", 400, "invalid filter 'bogus'"),
            // What is not there.
            Request("GET", "/nothing", 404, "page not found"),
            Request("GET", "/containers/absent/json", 404, "No such container: absent"),
            Request("POST", "/containers/absent/start", 404, "No such container: absent"),
            Request("POST", "/containers/absent/kill", 404, "cannot kill container: absent: No such container: absent"),
            Request("GET", "/exec/absent/json", 404, "No such exec instance: absent"),
            Request("GET", "/images/absent/json", 404, "No such image: absent:latest"),
            Request("DELETE", "/images/absent:2", 404, "No such image: absent:2"),
            Request("POST", "/containers/create", 404, "No such image: absent:latest", body: #"{"Image":"absent"}"#),
            Request("DELETE", "/networks/absent", 404, "network absent not found"),
            Request("GET", "/volumes/absent", 404, "get absent: no such volume"),
            Request(
                "POST", "/networks/bridge/connect", 404, "No such container: absent", body: #"{"Container":"absent"}"#),
            // Conflicts.
            Request(
                "POST", "/containers/create?name=one", 409,
                #"Conflict. The container name "/one" is already in use by container"#, body: #"{"Image":"box:1"}"#),
            Request(
                "POST", "/containers/two/rename?name=one", 409,
                #"Error when allocating new name: Conflict. The container name "/one""#),
            Request("DELETE", "/containers/one", 409, #"cannot remove container "/one": container is running"#),
            Request("POST", "/containers/two/kill", 409, "is not running"),
            Request("POST", "/containers/two/pause", 409, "is not running"),
            Request("POST", "/containers/two/exec", 409, "is not running", body: #"{"Cmd":["true"]}"#),
            Request("POST", "/containers/one/unpause", 409, "is not paused"),
            Request("POST", "/networks/create", 409, "network with name net already exists", body: #"{"Name":"net"}"#),
            Request(
                "POST", "/networks/create", 403,
                "invalid pool request: Pool overlaps with other one on this address space",
                body: #"{"Name":"n","IPAM":{"Config":[{"Subnet":"172.17.0.0/24"}]}}"#),
            Request("DELETE", "/networks/bridge", 403, "bridge is a pre-defined network and cannot be removed"),
            Request("DELETE", "/volumes/kept", 409, "remove kept: volume is in use"),
            // Values.
            Request("POST", "/images/box:1/tag?repo=BAD&tag=x", 400, "invalid reference format"),
            Request("POST", "/images/box:1/tag?repo=bad&tag=..", 400, "invalid reference format"),
            Request(
                "POST", "/containers/create?name=bad%20name", 400,
                "Invalid container name (bad name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                body: #"{"Image":"box:1"}"#),
            Request(
                "POST", "/containers/create", 400, "Minimum memory limit allowed is 6MB",
                body: #"{"Image":"box:1","HostConfig":{"Memory":1000}}"#),
            Request(
                "POST", "/containers/create", 400, "invalid mode: bogus",
                body: #"{"Image":"box:1","HostConfig":{"Binds":["/a:/b:bogus"]}}"#),
            Request(
                "POST", "/containers/create", 400, "BOGUS",
                body: #"{"Image":"box:1","HostConfig":{"CapAdd":["BOGUS"]}}"#),
            Request("POST", "/containers/one/kill?signal=BOGUS", 400, "nvalid signal: BOGUS"),
            Request("GET", "/containers/one/logs", 400, "you must choose at least one stream"),
            Request(
                "POST", "/networks/create", 400, "invalid subnet bogus",
                body: #"{"Name":"n","IPAM":{"Config":[{"Subnet":"bogus"}]}}"#),
            Request(
                "POST", "/volumes/create", 400, "includes invalid characters for a local volume name",
                body: #"{"Name":"../up"}"#),
            // Swarm mode is not on.
            Request(
                "GET", "/services", 503,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\""),
        ]

        @Test func statusAndMessage() async throws {
            try await EngineHost.with("refusals") { host in
                for (name, isStarted) in [("one", true), ("two", false)] {
                    let body: JSONValue = [
                        "Image": .string(EngineHost.image), "Cmd": ["sleep", "1000"],
                        "HostConfig": ["Binds": ["kept:/kept"]],
                    ]
                    try await host.client.json("POST", "/containers/create", query: [("name", name)], body: body)
                    if isStarted { try await host.client.json("POST", "/containers/\(name)/start") }
                }
                try await host.client.json("POST", "/networks/create", body: ["Name": "net"])
                let before = try await host.traces()
                let lists = ["/containers/json?all=1&size=0", "/networks", "/volumes", "/images/json"]
                func names() async throws -> [[String]] {
                    var all: [[String]] = []
                    for list in lists {
                        let value = try await host.client.json("GET", list)
                        all.append(
                            (value["Volumes"]?.array ?? value.array ?? []).map { "\($0["Id"] ?? $0["Name"] ?? nil)" }
                                .sorted())
                    }
                    return all
                }
                let known = try await names()
                for request in requests {
                    let body: EngineRequestBody =
                        request.body.map { .bytes(Array($0.utf8), contentType: request.contentType) } ?? .none
                    let answer = try await host.client.send(request.method, request.path, body: body)
                    let bytes = try await answer.bytes()
                    let what = "\(request.method) \(request.path) \(request.body ?? "")"
                    #expect(answer.status == request.status, "\(what)")
                    let message = (try? JSONValue(parsing: bytes))?["message"]?.string ?? ""
                    #expect(message.contains(request.message), "\(what): \(message)")
                }
                #expect(try await host.traces() == before)
                #expect(try await names() == known)
                // Versions, which stand before each path.
                for (version, message) in [("9.99", "too new"), ("1.10", "too old")] {
                    let client = EngineClient(address: host.client.address, apiVersion: version)
                    let answer = try await client.send("GET", "/version")
                    #expect(answer.status == 400)
                    #expect(String(decoding: try await answer.bytes(), as: UTF8.self).contains(message))
                }
            }
        }
    }
}
