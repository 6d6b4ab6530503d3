import ClusterManager
import ClusterModel
import EngineClient
import EngineModel
import Glibc
import JSON
import LinuxSystem
import Logging
import TestSupport
import Testing
import Values

@testable import EngineAPI

/// `/configs` and `/secrets` of a manager of one, from the request to the files.
@Suite struct PayloadRouteTests {
    /// A control plane with its data in a folder of its own, and a server of its routes.
    func withManager(
        opened: Bool = true, _ body: @escaping @Sendable (ControlPlane, EngineClient, String) async throws -> Void
    ) async throws {
        let folder = try TemporaryDirectory()
        let log = LogKeeper()
        let control = ControlPlane(configuration: Self.configuration(folder.path), logger: log.logger)
        try await control.start()
        if opened { try await Self.open(control) }
        let register = { @Sendable (router: inout Router) in
            PayloadRoutes(cluster: control).register(&router)
            WatchRoutes(cluster: control).register(&router)
        }
        try await RunningServer.with(register) { server in
            try await body(control, server.client, folder.path)
        }
        await control.shutdown()
        #expect(log.text.contains("this manager leads"), "it was listened to")
        #expect(!log.text.contains(Self.secretText) && !log.text.contains(Self.secretBase64))
    }

    private static func configuration(_ directory: String) -> ControlPlaneConfiguration {
        ControlPlaneConfiguration(
            directory: directory,
            description: NodeDescription(
                hostname: "h1", platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1")))
    }

    /// `swarm init` on a port of this machine that nobody else has.
    private static func open(_ control: ControlPlane) async throws {
        for attempt in 0..<10 {
            let port = UInt16.random(in: 20_000..<30_000)
            let wish: JSONValue = ["AdvertiseAddr": .string("127.0.0.1:\(port)")]
            do {
                _ = try await control.initialise(JSONCoding.docker.decode(SwarmInitRequest.self, from: wish))
                return
            } catch let error as EngineError where attempt < 9 && error.kind == .unavailable {
                continue
            }
        }
    }

    private static let secretText = "correct horse battery staple"
    private static let secretBase64 = Base64.encode(Array(secretText.utf8))

    private func refusal(
        _ client: EngineClient, _ method: String, _ path: String, query: [(String, String)] = [],
        body: JSONValue? = nil
    ) async throws -> EngineClientError {
        let body = body.map { EngineRequestBody.json($0) } ?? .none
        let response = try await client.send(method, path, query: query, body: body)
        let message = try JSONValue(parsing: try await response.bytes())["message"]?.string
        return EngineClientError(status: response.status, message: message ?? "no message")
    }

    private func names(_ client: EngineClient, _ kind: String, _ filters: String) async throws -> [String] {
        let list = try await client.json("GET", "/\(kind)", query: [("filters", filters)])
        return (list.array ?? []).compactMap { $0["Spec"]?["Name"]?.string }
    }

    @Test("From creation to removal", arguments: ["config", "secret"])
    func life(kind: String) async throws {
        try await withManager { _, client, _ in
            let body: JSONValue = ["Name": "site", "Labels": ["tier": "web"], "Data": .string(Self.secretBase64)]
            let created = try await client.perform("POST", "/\(kind)s/create", body: .json(body))
            #expect(created.status == 201)
            let id = try #require(try JSONValue(parsing: try await created.bytes())["ID"]?.string)
            let object = try await client.json("GET", "/\(kind)s/site")
            #expect(object["ID"]?.string == id)
            #expect(object["Spec"]?["Labels"] == ["tier": "web"])
            #expect(object["Spec"]?["Data"]?.string == (kind == "config" ? Self.secretBase64 : nil))
            #expect(try await client.json("GET", "/\(kind)s/\(id.prefix(8))") == object)
            #expect(try await client.json("GET", "/\(kind)s") == [object])

            let version = try #require(object["Version"]?["Index"]?.integer)
            let taken = try await refusal(client, "POST", "/\(kind)s/create", body: body)
            #expect(taken.status == 409)
            #expect(taken.message == "rpc error: code = AlreadyExists desc = \(kind) site already exists")
            let query = [("version", "\(version)")]
            let spec: JSONValue = ["Name": "site", "Labels": ["tier": "db"], "Data": .string(Self.secretBase64)]
            _ = try await client.json("POST", "/\(kind)s/site/update", query: query, body: spec)
            let changed = try await client.json("GET", "/\(kind)s/site")
            #expect(changed["Spec"]?["Labels"] == ["tier": "db"])
            #expect(changed["CreatedAt"] == object["CreatedAt"])
            #expect(try #require(changed["Version"]?["Index"]?.integer) > version)

            let late = try await refusal(client, "POST", "/\(kind)s/site/update", query: query, body: spec)
            #expect(late.status == 500 && late.message == "rpc error: code = Unknown desc = update out of sequence")
            let other: JSONValue = ["Name": "site", "Data": "b3RoZXI="]
            for body in [other, ["Name": "other"]] {
                let refused = try await refusal(client, "POST", "/\(kind)s/site/update", query: query, body: body)
                #expect(refused.status == 400)
                #expect(refused.message.hasSuffix("only updates to Labels are allowed"))
            }
            let noVersion = try await refusal(client, "POST", "/\(kind)s/site/update", body: spec)
            #expect(noVersion.status == 400 && noVersion.message == "invalid \(kind) version")

            #expect(try await client.perform("DELETE", "/\(kind)s/site").status == 204)
            for (method, path) in [("GET", "site"), ("DELETE", "site"), ("POST", "site/update")] {
                let gone = try await refusal(client, method, "/\(kind)s/\(path)", query: query, body: spec)
                #expect(gone.status == 404 && gone.message == "\(kind) site not found")
            }
            _ = try await client.json("POST", "/\(kind)s/create", body: body)
        }
    }

    @Test("Names, beginnings of names and identifiers are alternatives; labels must all be there")
    func filters() async throws {
        try await withManager { _, client, _ in
            var ids: [String: String] = [:]
            for name in ["web", "web-old", "db"] {
                let body: JSONValue = [
                    "Name": .string(name), "Labels": ["tier": .string(String(name.prefix(2)))], "Data": "YQ==",
                ]
                ids[name] = try await client.json("POST", "/configs/create", body: body)["ID"]?.string
            }
            #expect(try await names(client, "configs", #"{"names":["web"]}"#) == ["web"])
            #expect(try await names(client, "configs", #"{"name":["web"]}"#) == ["web", "web-old"])
            let id = try #require(ids["db"])
            #expect(try await names(client, "configs", #"{"id":["\#(id.prefix(9))"]}"#) == ["db"])
            #expect(try await names(client, "configs", #"{"names":["web"],"id":["\#(id)"]}"#) == ["web", "db"])
            #expect(try await names(client, "configs", #"{"label":["tier=we"]}"#) == ["web", "web-old"])
            #expect(try await names(client, "configs", #"{"name":["db"],"label":["tier=we"]}"#) == [])
            let unknown = try await refusal(client, "GET", "/configs", query: [("filters", #"{"driver":["x"]}"#)])
            #expect(unknown.status == 400 && unknown.message == "invalid filter 'driver'")
        }
    }

    @Test("What happens to them is told, as events of the swarm without what they hold")
    func events() async throws {
        try await withManager { control, client, _ in
            var events = control.events().makeAsyncIterator()
            for kind in [EngineEvent.Kind.config, .secret] {
                let path = "/\(kind.rawValue)s"
                let body: JSONValue = ["Name": "site", "Data": .string(Self.secretBase64)]
                let id = try await client.json("POST", "\(path)/create", body: body)["ID"]?.string
                let version = try await client.json("GET", "\(path)/site")["Version"]?["Index"]?.integer
                let query = [("version", "\(version ?? 0)")]
                _ = try await client.json("POST", "\(path)/site/update", query: query, body: ["Name": "site"])
                _ = try await client.perform("DELETE", "\(path)/site")
                // Nobody has looked meanwhile.
                for action in ["create", "update", "remove"] {
                    var event = await events.next()
                    while let other = event, other.kind != kind { event = await events.next() }
                    #expect(event?.action == action && event?.id == id && event?.scope == "swarm")
                    #expect(event?.attributes == ["name": "site"])
                }
            }
        }
    }

    @Test("Outside swarm mode there are none")
    func closed() async throws {
        try await withManager(opened: false) { _, client, _ in
            for kind in ["configs", "secrets"] {
                for (method, path) in [("GET", ""), ("POST", "/create"), ("GET", "/a"), ("DELETE", "/a")] {
                    let refused = try await refusal(
                        client, method, "/\(kind)\(path)", body: ["Name": "a", "Data": "YQ=="])
                    #expect(refused.status == 503 && refused.message.hasPrefix("This node is not a swarm manager."))
                }
            }
        }
    }

    @Test("What a secret holds is in no file of its manager, before a start and after, and opens all the same")
    func sealed() async throws {
        try await withManager { control, client, directory in
            let body: JSONValue = ["Name": "password", "Data": .string(Self.secretBase64)]
            _ = try await client.json("POST", "/secrets/create", body: body)
            let needles = [Self.secretText, Self.secretBase64].map { Array($0.utf8) }
            func check() throws -> Int {
                var files = 0
                for path in try Self.files(directory) {
                    // SQLite takes its own away while it closes.
                    guard let content = try? Files.read(path) else { continue }
                    files += 1
                    for needle in needles { #expect(!Self.contains(content, needle), "in \(path)") }
                }
                return files
            }
            #expect(try check() >= 6, "the log, the state, the keys, the certificates")
            await control.shutdown()
            #expect(try check() >= 5)

            let again = ControlPlane(
                configuration: Self.configuration(directory), logger: Logger(label: "test"))
            try await again.start()
            let state = try await again.state()
            let secret = try #require(state.secrets.named("password"))
            // An update that sends the very data passes only where the sealed value was opened.
            for (data, passes) in [(Self.secretBase64, true), ("b3RoZXI=", false)] {
                let update = try JSONCoding.docker.decode(
                    PayloadRequest.self, from: ["Name": "password", "Data": .string(data)] as JSONValue)
                let version = try #require(try await again.state().secrets[secret.id]).version.index
                do {
                    try await again.updateSecret(secret.id, version: version, update)
                    #expect(passes)
                } catch let error as EngineError {
                    #expect(!passes && error.kind == .invalidParameter, "\(error)")
                }
            }
            await again.shutdown()
        }
    }

    private static func files(_ directory: String) throws -> [String] {
        try Files.list(directory).flatMap { name in
            let path = "\(directory)/\(name)"
            var status = stat()
            guard stat(path, &status) == 0 else { return [String]() }
            return status.st_mode & S_IFMT == S_IFDIR ? try files(path) : [path]
        }
    }

    private static func contains(_ bytes: [UInt8], _ needle: [UInt8]) -> Bool {
        bytes.firstRange(of: needle) != nil
    }
}
