import ClusterModel
import NetworkModel
import SessionModel
import Testing
import Values

@Suite struct SessionRegistryTests {
    private static let second: Int64 = 1_000_000_000

    private static func state(_ nodes: [String], _ nodeState: NodeStatus.State = .ready) throws -> ClusterState {
        var state = ClusterState()
        let cluster = ClusterObject(
            id: "c", createdAt: .epoch, spec: .null, rootCertificate: "", rootKey: .init(unsealed: ""),
            workerToken: .init(unsealed: ""),
            managerToken: .init(unsealed: ""), addressPools: [], subnetSize: 24, dataPathPort: 4789,
            gatewayPool: CIDR("10.192.0.0/10")!)
        var mutations: [Mutation] = [.putCluster(cluster, expected: 0)]
        for node in nodes {
            mutations.append(
                .putNode(
                    NodeObject(
                        id: node, createdAt: .epoch, spec: NodeSpec(role: .worker), description: nil,
                        status: NodeStatus(state: nodeState, addr: "192.0.2.1"), clusterAddress: "192.0.2.1:2377"),
                    expected: 0))
        }
        _ = try state.apply(Transaction(time: .epoch, mutations: mutations), at: 5)
        return state
    }

    private static func open(_ registry: inout SessionRegistry) throws -> UInt64 {
        let number = registry.open("a", at: 1)
        return try #require(number)
    }

    private static let hello = AgentMessage.hello(
        AgentHello(
            description: NodeDescription(
                hostname: "h", platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1")),
            bootID: "b"))

    @Test("without a term there are no sessions") func closed() throws {
        var registry = SessionRegistry()
        let refused = registry.open("a", at: 0)
        #expect(refused == nil)
        registry.begin(nodes: ["a"], at: 0)
        let number = try Self.open(&registry)
        #expect(number == 1)
        registry.end()
        #expect(!registry.isCurrent(1, of: "a"))
    }

    @Test("a node that is silent for longer than the lease is down; a new leader grants it a full one") func leases()
        throws
    {
        let state = try Self.state(["a", "b"])
        var registry = SessionRegistry()
        registry.begin(nodes: ["a", "b"], at: 100)
        registry.heard("b", at: 3 * Self.second)
        #expect(registry.silentNodes(in: state, at: 100 + SessionTiming.leaseNanoseconds) == [])
        #expect(registry.silentNodes(in: state, at: 101 + SessionTiming.leaseNanoseconds) == ["a"])
        registry.renewLeases(at: 10 * Self.second)
        #expect(registry.silentNodes(in: state, at: 15 * Self.second) == [])
        // One that was added since begins its lease when it is first seen.
        let more = try Self.state(["a", "b", "new"])
        #expect(registry.silentNodes(in: more, at: 14 * Self.second) == [])
        #expect(registry.silentNodes(in: more, at: 20 * Self.second) == ["a", "b", "new"])
        let down = SessionRegistry.declareDown(["a"], in: state)
        #expect(
            down == [
                .observeNode(id: "a", NodeStatus(state: .down, message: "heartbeat failure", addr: "192.0.2.1"), nil)
            ])
        #expect(SessionRegistry.declareDown(["a"], in: try Self.state(["a"], .down)) == [])
        #expect(SessionRegistry.declareDown(["gone"], in: state) == [])
    }

    @Test("a new session takes the place of the node's last one, which says nothing any more") func replaced() throws {
        let state = try Self.state(["a"])
        var registry = SessionRegistry()
        registry.begin(nodes: ["a"], at: 0)
        let first = try Self.open(&registry)
        let second = try Self.open(&registry)
        #expect(registry.take(.heartbeat, from: "a", session: first, in: state, at: 2) == .over)
        #expect(registry.take(.heartbeat, from: "a", session: second, in: state, at: 2) == .nothing)
        registry.close(first, of: "a")
        #expect(registry.isCurrent(second, of: "a"), "the end of the old one is not that of the new one")
    }

    @Test("a hello makes the node ready; one of a node that is gone ends the session") func hello() throws {
        let state = try Self.state(["a"], .down)
        var registry = SessionRegistry()
        registry.begin(nodes: [], at: 0)
        let session = try Self.open(&registry)
        guard case .propose(let mutations) = registry.take(Self.hello, from: "a", session: session, in: state, at: 1),
            case .observeNode("a", let status, .some) = mutations.first
        else {
            Issue.record("no mutation")
            return
        }
        #expect(status.state == .ready && mutations.count == 1)
        #expect(registry.take(Self.hello, from: "a", session: session, in: ClusterState(), at: 1) == .over)
    }

    @Test("a host speaks of its own tasks alone") func reports() throws {
        let state = try Self.state(["a"])
        var registry = SessionRegistry()
        registry.begin(nodes: ["a"], at: 0)
        let session = try Self.open(&registry)
        func observation(_ node: String) -> TaskObservation {
            TaskObservation(
                taskID: "t", nodeID: node, status: TaskStatus(timestamp: .epoch, state: .running, message: ""),
                isReady: true, readinessCounter: 1)
        }
        let report = AgentMessage.report([observation("b"), observation("a")])
        #expect(
            registry.take(report, from: "a", session: session, in: state, at: 1)
                == .propose([.observe(observation("a"))]))
        let foreign = AgentMessage.report([observation("b")])
        #expect(registry.take(foreign, from: "a", session: session, in: state, at: 1) == .nothing)
    }

    @Test("receipts count in their history, and end with the session") func receipts() throws {
        let state = try Self.state(["a"])
        var registry = SessionRegistry()
        registry.begin(nodes: ["a"], at: 0)
        let session = try Self.open(&registry)
        func receipt(_ history: String, _ index: UInt64, failure: String? = nil) -> HostReceipt {
            HostReceipt(revision: PlanRevision(history: history, index: index), failure: failure)
        }
        func take(_ receipt: HostReceipt) -> SessionRegistry.Outcome {
            registry.take(.receipt(receipt), from: "a", session: session, in: state, at: 1)
        }
        #expect(take(receipt("c", 4)) == .advanced)
        #expect(registry.receipts == ["a": 4])
        #expect(take(receipt("other", 9)) == .nothing)
        #expect(take(receipt("c", 5, failure: "no")) == .failed(receipt("c", 5, failure: "no")))
        #expect(registry.receipts == ["a": 4])
        registry.close(session, of: "a")
        #expect(registry.receipts == [:])
    }

    @Test("a host is told a picture once, then how far it holds") func feed() throws {
        let state = try Self.state(["a"])
        var feed = SessionFeed()
        let picture = try #require(ClusterPicture(state, history: "c").host("a"))
        #expect(feed.next(picture) == .picture(picture))
        #expect(feed.next(picture) == nil)
        let later = picture.at(PlanRevision(history: "c", index: 9))
        #expect(feed.next(later) == .unchanged(later.revision))
        var other = later
        other.role = .manager
        #expect(feed.next(other) == .picture(other))
    }
}
