import ClusterModel
import ClusterStore
import JSON
import Logging
import RaftNode
import SessionModel
import Synchronization
import TestSupport
import Testing
import Values

@testable import ClusterManager

/// One manager's sessions over its store, without raft and connections.
@Suite struct SessionServerTests {
    /// A manager that serves, and what one host makes of what it is told.
    private final class Fixture: Sendable {
        let store: ClusterStore
        let server: SessionServer
        private let folder: TemporaryDirectory
        private let reader = Mutex(PictureReader())
        private let pictures = Mutex<[HostPicture]>([])
        private let index = Mutex<UInt64>(0)

        init() throws {
            folder = try TemporaryDirectory()
            let logger = Logger(label: "test")
            store = try ClusterStore(directory: folder.path, logger: logger)
            server = SessionServer(store: store, logger: logger)
            try apply(
                [.raiseVersion(to: .newest)]
                    + ["a", "b"].map {
                        .putNode(
                            NodeObject(
                                id: $0, createdAt: .epoch, spec: NodeSpec(role: .worker), description: nil,
                                status: NodeStatus(state: .unknown, addr: "192.0.2.1"),
                                clusterAddress: "192.0.2.1:2377"), expected: 0)
                    })
            server.reportDelivered(leaderIndex: nil)
        }

        @discardableResult
        func apply(_ mutations: [Mutation]) throws -> UInt64 {
            try index.withLock { index in
                index += 1
                let transaction = Transaction(time: .epoch, mutations: mutations)
                let command = CommittedCommand(index: index, term: 1, bytes: try JSONCoding.encode(transaction))
                _ = try store.apply([command])
                return index
            }
        }

        func changeNetworks(_ name: String) throws -> UInt64 {
            let number = index.withLock { $0 }
            let subnet = CIDR("10.0.\(number).0/24")!
            let network = NetworkObject(
                id: name, createdAt: .epoch, spec: .init(name: name), subnet: subnet, gateway: subnet.host(1),
                vni: UInt32(number))
            return try apply([.putNetwork(network, expected: nil)])
        }

        /// Serves a host until the task is cancelled. It says hello, and what it holds of each picture.
        func serve(_ node: String) async {
            let (inbound, said) = AsyncThrowingStream.makeStream(of: AgentMessage.self)
            let description = NodeDescription(
                hostname: node, platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1"))
            let hello = AgentMessage.hello(AgentHello(description: description, bootID: "b"))
            said.yield(reader.withLock { $0.complete(hello) })
            try? await server.serve(
                nodeID: node, inbound: inbound, propose: { [self] in try apply($0) },
                send: { [self] message in
                    let read = try reader.withLock { try $0.read(message.encoded()) }
                    guard case .picture(let picture)? = read else { return }
                    pictures.withLock { $0.append(picture) }
                    said.yield(.receipt(HostReceipt(revision: picture.revision)))
                })
        }

        var last: HostPicture? { pictures.withLock(\.last) }

        /// What the leader is told of a host.
        func holding(of node: String) -> Holding? {
            let report = server.report(term: .random(in: 1...(.max)))
            return report.news.first { $0.nodeID == node }?.holding
        }
    }

    private func run(_ body: @Sendable (Fixture) async throws -> Void) async throws {
        let fixture = try Fixture()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await fixture.server.informAll() }
            group.addTask { await fixture.serve("a") }
            defer { group.cancelAll() }
            try await body(fixture)
        }
    }

    @Test("Each change is told as soon as it is there, and nobody is said to hold it before")
    func changes() async throws {
        try await run { fixture in
            try await waitUntil("the first picture") { fixture.last != nil }
            for number in 0..<20 {
                let index = try fixture.changeNetworks("n\(number)")
                try await waitUntil("network \(number)") { fixture.last?.networks.count == number + 1 }
                #expect(fixture.last?.revision.index == index)
                try await waitUntil("it holds it") { fixture.holding(of: "a") == .current }
            }
        }
    }

    @Test("A host whose session begins while nothing else happens is told its picture")
    func begins() async throws {
        try await run { fixture in
            try await waitUntil("the first picture") { fixture.last != nil }
            _ = try fixture.changeNetworks("n")
            try await waitUntil("the network") { fixture.last?.networks.count == 1 }
            let other = Task { await fixture.serve("b") }
            try await waitUntil("b's picture") { fixture.last?.nodeID == "b" }
            #expect(fixture.last?.networks.count == 1)
            other.cancel()
        }
    }
}
