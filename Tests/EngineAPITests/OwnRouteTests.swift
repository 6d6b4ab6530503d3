import ClusterManager
import ClusterModel
import EngineClient
import JSON
import Logging
import TestSupport
import Testing
import Values

@testable import EngineAPI

/// Martlet's own routes over a cluster of one.
@Suite struct OwnRouteTests {
    private static func with(
        _ body: @escaping @Sendable (EngineClient) async throws -> Void
    ) async throws {
        let folder = try TemporaryDirectory()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let control = ControlPlane(
            configuration: ControlPlaneConfiguration(
                directory: folder.path("cluster"), port: UInt16.random(in: 20_000...30_000),
                description: NodeDescription(
                    hostname: "here", platform: .init(architecture: "x86_64"),
                    resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1"))),
            logger: logger)
        try await control.start()
        func register(_ router: inout Router) {
            SwarmRoutes(cluster: control).register(&router)
            ServiceRoutes(cluster: control).register(&router)
            HistoryRoutes(cluster: control).register(&router)
            BackupRoutes(cluster: control).register(&router)
            VersionRoutes(cluster: control).register(&router)
        }
        try await RunningServer.with(register) { server in try await body(server.client) }
        await control.shutdown()
    }

    private static func refusal(_ body: () async throws -> Void) async throws -> EngineClientError? {
        do {
            try await body()
            return nil
        } catch let error as EngineClientError {
            return error
        }
    }

    private static func service(_ image: String) -> JSONValue {
        ["Name": "web", "TaskTemplate": ["ContainerSpec": ["Image": .string(image)]]]
    }

    @Test("A new cluster has the version that its first manager knows")
    func versions() async throws {
        try await Self.with { client in
            let closed = try await Self.refusal { try await client.json("GET", "/martlet/versions") }
            #expect(closed?.status == 503)
            try await client.json(
                "POST", "/swarm/init", body: ["ListenAddr": "", "AdvertiseAddr": "127.0.0.1", "Availability": ""])
            let report = try await client.json("GET", "/martlet/versions")
            let newest = JSONValue.integer(Int64(ClusterVersion.newest.number))
            #expect(report["ClusterVersion"] == newest && report["Next"] == nil)
            let manager = report["Managers"]?.array?.first
            #expect(manager?["Hostname"] == "here" && manager?["Program"] == "1" && manager?["Answered"] == true)
            #expect(manager?["Lowest"] == 1 && manager?["Highest"] == newest)
            let answer = try await client.json(
                "POST", "/martlet/sql", body: ["Statement": "SELECT version FROM applied"])
            #expect(answer["Rows"] == [[newest]])
        }
    }

    @Test("Without a cluster Docker's refusal; then history, differences, rollback, and statements")
    func history() async throws {
        try await Self.with { client in
            let closed = try await Self.refusal { try await client.json("GET", "/martlet/history") }
            #expect(closed?.status == 503 && closed?.message.contains("not a swarm manager") == true)
            try await client.json(
                "POST", "/swarm/init", body: ["ListenAddr": "", "AdvertiseAddr": "127.0.0.1", "Availability": ""])
            let id = try await client.json("POST", "/services/create", body: Self.service("a"))["ID"]?.string ?? ""
            let created = try await client.json("GET", "/services/\(id)")
            let first = created["Version"]?["Index"]?.integer ?? 0
            try await client.json(
                "POST", "/services/\(id)/update", query: [("version", "\(first)")], body: Self.service("b"))
            let log = try await client.json("GET", "/martlet/history", query: [("object", "service/web")]).array ?? []
            #expect(log.map { $0["Change"]?.string } == ["updated", "created"])
            #expect(log[0]["Author"]?["Hostname"] == "here")
            #expect(log[0]["Author"]?["Client"]?.string?.hasPrefix("local socket, user ") == true)
            let shown = try await client.json("GET", "/martlet/history/\(first)")[0]
            #expect(shown?["Specification"]?["TaskTemplate"]?["ContainerSpec"]?["Image"] == "a")
            let differences = try await client.json("GET", "/martlet/history/\(first)/differences")
            #expect(
                differences[0]?["Fields"]
                    == [["Path": "TaskTemplate.ContainerSpec.Image", "Old": "a", "New": "b"]])
            let plan = try await client.json("GET", "/martlet/history/\(first)/rollback")
            #expect(plan["Steps"]?[0]?["Change"] == "updated")
            let stale = try await Self.refusal {
                try await client.json("POST", "/martlet/history/\(first)/rollback", query: [("basis", "\(first)")])
            }
            #expect(stale?.status == 409)
            let basis = plan["Basis"]?.integer ?? 0
            let outcome = try await client.json(
                "POST", "/martlet/history/\(first)/rollback", query: [("basis", "\(basis)")])
            #expect((outcome["Revision"]?.integer ?? 0) > basis)
            #expect(
                try await client.json("GET", "/services/\(id)")["Spec"]?["TaskTemplate"]?["ContainerSpec"]?["Image"]
                    == "a")
            let answer = try await client.json(
                "POST", "/martlet/sql", body: ["Statement": "SELECT name FROM service"])
            #expect(answer == ["Columns": ["name"], "Rows": [["web"]], "Cut": false])
            for (path, status) in [
                ("/martlet/history/0", 404), ("/martlet/history/99999999", 404), ("/martlet/history/x", 400),
                ("/martlet/history?limit=0", 400), ("/martlet/history?object=planet/x", 400),
                ("/martlet/history?since=yesterday", 400), ("/martlet/history/99999999/rollback", 404),
            ] {
                #expect(try await Self.refusal { try await client.json("GET", path) }?.status == status, "\(path)")
            }
            for statement: JSONValue in [["Statement": "DELETE FROM service"], ["Statement": "SELEC"], [:]] {
                let refused = try await Self.refusal { try await client.json("POST", "/martlet/sql", body: statement) }
                #expect(refused?.status == 400)
            }
        }
    }

    @Test("A backup is streamed and restored into a host that is in no cluster; in one it is refused")
    func backup() async throws {
        let bytes = Collected()
        try await Self.with { client in
            try await client.json(
                "POST", "/swarm/init", body: ["ListenAddr": "", "AdvertiseAddr": "127.0.0.1", "Availability": ""])
            try await client.json("POST", "/services/create", body: Self.service("a"))
            let header = [("X-Martlet-Passphrase", Base64.encode(Array("secret".utf8)))]
            let response = try await client.perform("POST", "/martlet/backup", headers: header)
            await bytes.set(try await response.bytes())
            let body = EngineRequestBody.bytes(await bytes.value, contentType: "application/octet-stream")
            let refused = try await Self.refusal {
                _ = try await client.perform("POST", "/martlet/restore", headers: header, body: body)
            }
            #expect(refused?.status == 503 && refused?.message.contains("already part of a swarm") == true)
        }
        let whole = await bytes.value
        try await Self.with { client in
            func restore(_ bytes: [UInt8], _ passphrase: String?) async throws -> EngineClientError? {
                try await Self.refusal {
                    _ = try await client.perform(
                        "POST", "/martlet/restore", query: [("advertiseAddr", "127.0.0.1")],
                        headers: passphrase.map { [("X-Martlet-Passphrase", Base64.encode(Array($0.utf8)))] } ?? [],
                        body: .bytes(bytes, contentType: "application/octet-stream"))
                }
            }
            #expect(try await restore(whole, nil)?.status == 401)
            #expect(try await restore(Array(whole.dropLast()), "secret")?.message == "the backup is cut off")
            #expect(try await restore(Array("nonsense, and more of it".utf8), "secret")?.status == 400)
            #expect(try await Self.refusal { try await client.json("GET", "/swarm") }?.status == 503, "nothing changed")
            #expect(try await restore(whole, "secret") == nil)
            let services = try await client.json("GET", "/services").array ?? []
            #expect(services.map { $0["Spec"]?["Name"] } == ["web"])
            let log = try await client.json("GET", "/martlet/history", query: [("limit", "1")])
            #expect(log[0]?["Note"]?.string?.hasPrefix("restored from the backup of revision ") == true)
            #expect(try await client.json("GET", "/martlet/recovery")["Managers"] == [])
        }
    }

    private actor Collected {
        private(set) var value: [UInt8] = []
        func set(_ bytes: [UInt8]) { value = bytes }
    }
}
