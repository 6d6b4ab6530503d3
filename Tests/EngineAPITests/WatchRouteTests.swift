import ClusterModel
import EngineClient
import JSON
import Testing
import Values
import WatchModel

@testable import EngineAPI

/// `/martlet/watch` of a manager of one.
@Suite struct WatchRouteTests {
    private static func lines(
        _ client: EngineClient, _ query: [(String, String)], count: Int
    ) async throws -> [JSONValue] {
        let response = try await client.send("GET", "/martlet/watch", query: query)
        #expect(response.status == 200)
        var found: [JSONValue] = []
        defer { response.close() }
        for try await line in response.jsonLines() {
            found.append(line)
            if found.count == count { break }
        }
        return found
    }

    private static func words(_ line: JSONValue) -> [String] {
        (line["changes"]?.array ?? []).map { change in
            ["change", "kind", "name"].map { change[$0]?.string ?? "" }.joined(separator: " ")
        }
    }

    @Test("A client that comes back gets what it has not seen; one from elsewhere is told to look")
    func resumption() async throws {
        try await PayloadRouteTests().withManager { _, client, _ in
            let begin = try await Self.lines(client, [("kind", "config,secret")], count: 1)[0]
            let history = begin["history"]?.string ?? ""
            func query(_ line: JSONValue) -> [(String, String)] {
                [("kind", "config"), ("history", history), ("revision", "\(line["revision"]?.integer ?? 0)")]
            }
            for name in ["one", "two"] {
                _ = try await client.json("POST", "/configs/create", body: ["Name": .string(name), "Data": "YQ=="])
            }
            _ = try await client.perform("DELETE", "/configs/one")
            let all = try await Self.lines(client, query(begin), count: 4)
            #expect(all[0]["revision"] == begin["revision"])
            #expect(
                all[1...].map(Self.words) == [["created config one"], ["created config two"], ["removed config one"]])
            let rest = try await Self.lines(client, query(all[2]), count: 2)
            #expect(rest[1] == all[3])
            let foreign = try await Self.lines(
                client, [("history", "another"), ("revision", "1"), ("kind", "config")], count: 2)
            #expect(foreign[1]["resynchronise"] == true && foreign[1]["history"]?.string == history)
        }
    }

    @Test(
        "What cannot be asked for",
        arguments: [
            [("revision", "1")], [("revision", "x"), ("history", "h")], [("kind", "planet")], [("object", "config")],
            [("object", "planet/x")], [("object", "config/x"), ("kind", "config")],
        ])
    func refusals(query: [(String, String)]) async throws {
        try await PayloadRouteTests().withManager { _, client, _ in
            let response = try await client.send("GET", "/martlet/watch", query: query)
            #expect(response.status == 400)
            response.close()
        }
    }

    @Test("A revision's changes are one line")
    func lines() {
        let changes = [(1, "a"), (1, "b"), (2, "c")].map { revision, id in
            RevisedChange(
                revision: revision, time: .epoch,
                change: AppliedChange(kind: .config, id: id, action: .update, after: .config(name: "config-\(id)")))
        }
        let lines = WatchRoutes.lines(.changes(changes, upTo: 9), history: "h")
        #expect(lines.map { $0["revision"]?.integer } == [1, 2])
        #expect(
            lines.map(Self.words) == [
                ["updated config config-a", "updated config config-b"],
                ["updated config config-c"],
            ])
    }
}
