import ClusterModel
import ClusterStore
import EngineModel
import JSON
import Logging
import RaftNode
import TestSupport
import Testing
import Values

@testable import ClusterManager

@Suite struct ClusterEventsTests {
    private static func command(_ index: UInt64, _ mutations: Mutation...) throws -> CommittedCommand {
        let transaction = Transaction(time: Timestamp(secondsSinceEpoch: Int64(index)), mutations: mutations)
        return CommittedCommand(index: index, term: 1, bytes: try JSONCoding.encode(transaction))
    }

    private static func config(_ id: String, _ name: String) -> Mutation {
        .putConfig(
            ConfigObject(id: id, createdAt: .epoch, spec: PayloadSpec(name: name), data: ""), expected: 0)
    }

    private static func next(_ count: Int, of events: ClusterEvents) async -> [EngineEvent] {
        var found: [EngineEvent] = []
        while found.count < count, let event = await events.next() { found.append(event) }
        return found
    }

    @Test("What comes and goes between two looks is told of, both with its name")
    func comingAndGoing() async throws {
        let folder = try TemporaryDirectory()
        let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
        let events = ClusterEvents(store, from: nil)
        _ = try store.apply([
            Self.command(1, Self.config("1", "site")), Self.command(2, .removeConfig("1", expected: nil)),
            Self.command(3, Self.config("2", "brief"), .removeConfig("2", expected: nil)),
        ])
        let found = await Self.next(4, of: events)
        #expect(found.map(\.action) == ["create", "remove", "create", "remove"])
        #expect(found.map { $0.attributes["name"] } == ["site", "site", "brief", "brief"])
        #expect(found.map(\.time.secondsSinceEpoch) == [1, 2, 3, 3])
    }

    @Test("Events since a moment are those that are still held")
    func since() async throws {
        let folder = try TemporaryDirectory()
        let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
        for index in 1...4 as ClosedRange<UInt64> {
            _ = try store.apply([Self.command(index, Self.config("\(index)", "config-\(index)"))])
        }
        let position = store.position(before: Timestamp(secondsSinceEpoch: 3))
        let found = await Self.next(2, of: ClusterEvents(store, from: position))
        #expect(found.map(\.id) == ["3", "4"])
    }

    @Test("A node's change of state is told, with what it was before each step")
    func nodes() async throws {
        let folder = try TemporaryDirectory()
        let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
        let events = ClusterEvents(store, from: nil)
        let node = NodeObject(
            id: "n", createdAt: .epoch, spec: NodeSpec(name: "host", role: .worker), description: nil,
            status: NodeStatus(state: .ready, addr: ""), clusterAddress: "")
        func observation(_ state: NodeStatus.State) -> Mutation {
            .observeNode(id: "n", NodeStatus(state: state, addr: ""), nil)
        }
        _ = try store.apply([
            Self.command(1, .putNode(node, expected: 0)), Self.command(2, observation(.down)),
            Self.command(3, observation(.ready)),
        ])
        let found = await Self.next(3, of: events)
        #expect(found.map { $0.attributes["state.old"] } == [nil, "ready", "down"])
        #expect(found.map { $0.attributes["state.new"] } == [nil, "down", "ready"])
        #expect(found.allSatisfy { $0.attributes["name"] == "host" && $0.scope == "swarm" })
    }
}
