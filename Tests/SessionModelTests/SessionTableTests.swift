import ClusterModel
import NetworkModel
import Testing
import Values

@testable import SessionModel

@Suite struct SessionTableTests {
    /// A cluster with nodes at revision 5.
    static func state(
        _ nodes: [String], _ nodeState: NodeStatus.State = .ready, version: ClusterVersion = .stated
    ) throws -> ClusterState {
        var state = ClusterState()
        let cluster = ClusterObject(
            id: "c", createdAt: .epoch, spec: .null, rootCertificate: "", rootKey: .init(unsealed: ""),
            workerToken: .init(unsealed: ""),
            managerToken: .init(unsealed: ""), addressPools: [], subnetSize: 24, dataPathPort: 4789,
            gatewayPool: CIDR("10.192.0.0/10")!)
        var mutations: [Mutation] = [.putCluster(cluster, expected: 0)]
        if version > .first { mutations.insert(.raiseVersion(to: version), at: 0) }
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

    /// It leads itself.
    private static func open(_ table: inout SessionTable) {
        table.delivered(at: 0, leaderIndex: nil, applied: 0)
    }

    private static func hello(_ known: PlanRevision? = nil) -> AgentMessage {
        .hello(
            AgentHello(
                description: NodeDescription(
                    hostname: "h", platform: .init(architecture: "x86_64"),
                    resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1")),
                bootID: "b", known: known))
    }

    /// One manager's table and its state, with a node `a` whose session `s` begins at revision 6.
    private struct Fixture {
        var state: ClusterState
        var table = SessionTable(server: "m")
        private var view: ClusterView
        private var changes: [AppliedChange] = []
        /// When it is, in nanoseconds.
        var now: Int64 = 1

        init(known: PlanRevision? = nil) throws {
            state = try SessionTableTests.state(["a", "b"])
            view = ClusterView(state)
            SessionTableTests.open(&table)
            try begin("s", known: known)
        }

        mutating func begin(_ session: String, known: PlanRevision? = nil) throws {
            let isOpen = table.open("a", as: session, at: now)
            #expect(isOpen)
            let outcome = table.take(hello(known), from: "a", session: session, in: state)
            guard case .begin(let mutations) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            try apply(mutations)
            table.begun(session, of: "a", at: state.index)
        }

        mutating func apply(_ mutations: [Mutation]) throws {
            changes += try state.apply(Transaction(time: .epoch, mutations: mutations), at: state.index + 1)
        }

        /// Something that concerns nobody.
        mutating func goOn() throws { try apply([]) }

        /// Something that every host is told.
        mutating func changeNetworks(_ name: String) throws {
            let subnet = CIDR("10.0.\(state.index).0/24")!
            let network = NetworkObject(
                id: name, createdAt: .epoch, spec: .init(name: name), subnet: subnet, gateway: subnet.host(1),
                vni: UInt32(state.index))
            try apply([.putNetwork(network, expected: nil)])
        }

        @discardableResult
        mutating func inform() -> [String] {
            let touched = view.update(to: state, changes)
            changes = []
            return table.inform(&view, touched)
        }

        mutating func next(_ session: String = "s") -> SessionTable.Step {
            now += 1
            return table.next(session, of: "a", at: now)
        }

        @discardableResult
        mutating func receipt(_ index: UInt64, failure: String? = nil, history: String = "c") -> SessionTable.Outcome {
            let receipt = HostReceipt(revision: PlanRevision(history: history, index: index), failure: failure)
            return table.take(.receipt(receipt), from: "a", session: "s", in: state)
        }

        /// What the leader is told.
        mutating func news(term: UInt64 = 1) -> [SessionNews] { table.report(term: term).news }
    }

    // MARK: Sessions

    @Test("Who cannot tell the leader anything serves nobody")
    func serving() throws {
        var table = SessionTable(server: "m")
        let refused = table.open("a", as: "s", at: 0)
        #expect(!refused)
        Self.open(&table)
        let taken = table.open("a", as: "s", at: 0)
        #expect(taken && table.isCurrent("s", of: "a"))
        #expect(!table.mustEnd(mayServe: true, at: SessionTiming.orphanNanoseconds))
        #expect(table.mustEnd(mayServe: true, at: SessionTiming.orphanNanoseconds + 1))
        #expect(table.mustEnd(mayServe: false, at: 0))
        table.end()
        #expect(!table.isCurrent("s", of: "a") && table.isEmpty && !table.isOpen)
        #expect(!table.mustEnd(mayServe: false, at: 0))
    }

    @Test("A manager serves as soon as it is as far as the leader was, and no longer where it falls behind")
    func lag() {
        let limit = SessionTiming.orphanNanoseconds
        var table = SessionTable(server: "late")
        table.delivered(at: 1, leaderIndex: 6, applied: 3)
        table.delivered(at: 2, leaderIndex: 9, applied: 5)
        #expect(!table.isOpen)
        table.delivered(at: 3, leaderIndex: 10, applied: 6)
        #expect(table.isOpen)
        table.delivered(at: 3 + limit, leaderIndex: 12, applied: 9)
        #expect(!table.mustEnd(mayServe: true, at: 3 + limit))
        table.delivered(at: 4 + limit, leaderIndex: 12, applied: 9)
        #expect(table.mustEnd(mayServe: true, at: 4 + limit), "it has not applied 10")
        table.delivered(at: 5 + limit, leaderIndex: 12, applied: 10)
        #expect(!table.mustEnd(mayServe: true, at: 5 + limit))
        table.delivered(at: 6 + limit, leaderIndex: nil, applied: 10)
        #expect(!table.mustEnd(mayServe: true, at: 6 + 2 * limit), "who leads is not behind")
    }

    @Test("A hello makes the node ready and puts the session into its row; one of a node that is gone is refused")
    func hello() throws {
        let state = try Self.state(["a"], .down)
        var table = SessionTable(server: "m")
        Self.open(&table)
        _ = table.open("a", as: "s", at: 0)
        guard case .begin(let mutations) = table.take(Self.hello(), from: "a", session: "s", in: state),
            case .observeNode("a", let status, .some) = mutations.first
        else {
            Issue.record("no mutation")
            return
        }
        #expect(status.state == .ready)
        #expect(mutations.dropFirst() == [.openSession(nodeID: "a", session: "s")])
        #expect(table.take(Self.hello(), from: "a", session: "s", in: ClusterState()) == .over)
    }

    @Test("In a cluster of the first version sessions have no place in the log")
    func firstVersion() throws {
        let state = try Self.state(["a"], version: .first)
        var table = SessionTable(server: "m")
        Self.open(&table)
        _ = table.open("a", as: "s", at: 0)
        guard case .begin(let mutations) = table.take(Self.hello(), from: "a", session: "s", in: state) else {
            Issue.record("no mutation")
            return
        }
        #expect(mutations.count == 1)
        table.begun("s", of: "a", at: 5)
        var view = ClusterView(state)
        #expect(table.inform(&view, .init()) == ["a"])
        guard case .say(let messages) = table.next("s", of: "a", at: 1), case .picture = messages.first else {
            Issue.record("no picture")
            return
        }
        var risen = state
        let changes = try risen.apply(Transaction(time: .epoch, mutations: [.raiseVersion(to: .stated)]), at: 6)
        let touched = view.update(to: risen, changes)
        #expect(table.inform(&view, touched) == ["a"])
        #expect(table.next("s", of: "a", at: 1) == .over, "it begins anew, with its name in the log")
    }

    @Test("A host speaks of its own tasks alone")
    func reports() throws {
        var fixture = try Fixture()
        func observation(_ node: String) -> TaskObservation {
            TaskObservation(
                taskID: "t", nodeID: node, status: TaskStatus(timestamp: .epoch, state: .running, message: ""),
                isReady: true, readinessCounter: 1)
        }
        let mixed = AgentMessage.report([observation("b"), observation("a")])
        #expect(
            fixture.table.take(mixed, from: "a", session: "s", in: fixture.state)
                == .propose([.observe(observation("a"))]))
        let foreign = AgentMessage.report([observation("b")])
        #expect(fixture.table.take(foreign, from: "a", session: "s", in: fixture.state) == .nothing)
    }

    @Test("A new session takes the place of the node's last one, which says nothing any more")
    func replaced() throws {
        var fixture = try Fixture()
        try fixture.begin("next")
        #expect(fixture.table.take(.heartbeat, from: "a", session: "s", in: fixture.state) == .over)
        #expect(fixture.table.take(.heartbeat, from: "a", session: "next", in: fixture.state) == .nothing)
        fixture.table.close("s", of: "a")
        #expect(fixture.table.isCurrent("next", of: "a"), "the end of the old one is not that of the new one")
        #expect(fixture.next() == .over)
    }

    @Test("The log says which session is the last one, wherever it is; one that is not ends")
    func elsewhere() throws {
        var fixture = try Fixture()
        fixture.inform()
        _ = fixture.next()
        try fixture.apply([.openSession(nodeID: "a", session: "at another manager")])
        #expect(fixture.inform() == ["a"])
        #expect(fixture.next() == .over)
    }

    @Test("A node that was declared down or removed has lost its session", arguments: [true, false])
    func lost(isRemoved: Bool) throws {
        var fixture = try Fixture()
        fixture.inform()
        try fixture.apply(
            isRemoved
                ? [.removeNode("a", expected: nil)] : NodeLeases.declareDown(["a"], in: fixture.state))
        #expect(fixture.inform() == ["a"])
        #expect(fixture.next() == .over)
    }

    // MARK: What hosts are told

    @Test("A host is told a picture once, when it has changed; and now and then that the manager lives")
    func pictures() throws {
        var fixture = try Fixture()
        #expect(fixture.next() == .wait)
        #expect(fixture.table.mustLook(at: 6))
        #expect(fixture.inform() == ["a"])
        #expect(!fixture.table.mustLook(at: 6) && fixture.table.mustLook(at: 7))
        guard case .say(let begin) = fixture.next(), case .picture(let first)? = begin.first, begin.count == 1 else {
            Issue.record("no picture")
            return
        }
        #expect(first.revision == PlanRevision(history: "c", index: 6))
        #expect(fixture.next() == .wait)
        try fixture.goOn()
        #expect(fixture.inform() == [], "nothing that concerns it")
        #expect(fixture.next() == .wait)
        #expect(fixture.table.quietNodes(at: fixture.now) == [])
        fixture.now += SessionTiming.heartbeatNanoseconds
        #expect(fixture.table.quietNodes(at: fixture.now) == ["a"])
        #expect(fixture.next() == .say([.heartbeat]))
        #expect(fixture.next() == .wait)
        try fixture.changeNetworks("one")
        fixture.inform()
        try fixture.changeNetworks("two")
        #expect(fixture.inform() == ["a"])
        guard case .say(let end) = fixture.next(), case .picture(let last)? = end.first, end.count == 1 else {
            Issue.record("no picture")
            return
        }
        #expect(last.networks.map(\.id) == ["one", "two"], "what came in between is in the newest")
        #expect(fixture.next() == .wait)
    }

    @Test("Nothing is said before the session is in the log, and nothing older than what the host knows")
    func order() throws {
        var fixture = try Fixture(known: PlanRevision(history: "c", index: 8))
        #expect(fixture.inform() == [])
        try fixture.goOn()
        #expect(fixture.inform() == [])
        try fixture.goOn()
        #expect(fixture.inform() == ["a"])
        var other = try Fixture(known: PlanRevision(history: "an older one", index: 80))
        #expect(other.inform() == ["a"], "revisions of another history do not compare")
        _ = other.table.open("b", as: "t", at: 0)
        try other.changeNetworks("one")
        #expect(other.inform() == ["a"], "b has not said hello")
    }

    // MARK: What the leader is told

    @Test("A host that holds what it was told holds all that follows until it has to be told something")
    func holdings() throws {
        var fixture = try Fixture()
        func holding() -> Holding? { fixture.news().first { $0.nodeID == "a" }?.holding }
        #expect(holding() == .unknown)
        fixture.inform()
        _ = fixture.next()
        #expect(fixture.receipt(6) == .report)
        #expect(holding() == .current)
        try fixture.goOn()
        fixture.inform()
        #expect(fixture.table.report(term: 1).through == 7)
        #expect(fixture.news() == [], "nothing is new of it")
        try fixture.changeNetworks("one")
        fixture.inform()
        #expect(holding() == .upTo(7), "not what it is not told yet")
        _ = fixture.next()
        #expect(fixture.receipt(6) == .nothing, "an old one")
        try fixture.goOn()
        fixture.inform()
        #expect(fixture.receipt(8) == .report)
        #expect(holding() == .current)
        #expect(fixture.table.through == 9)
    }

    @Test("What is taken back before the host was told it changes nothing of what it holds")
    func takenBack() throws {
        var fixture = try Fixture()
        fixture.inform()
        _ = fixture.next()
        fixture.receipt(6)
        try fixture.changeNetworks("one")
        fixture.inform()
        #expect(fixture.news().map(\.holding) == [.upTo(6)])
        try fixture.apply([.removeNetwork("one", expected: nil)])
        #expect(fixture.inform() == [])
        #expect(fixture.news().map(\.holding) == [.current])
    }

    @Test("After a failure nothing is certain until the host has mended it")
    func failures() throws {
        var fixture = try Fixture()
        fixture.inform()
        _ = fixture.next()
        fixture.receipt(6)
        _ = fixture.news()
        guard case .failed = fixture.receipt(6, failure: "no") else {
            Issue.record("a failure is no receipt")
            return
        }
        #expect(fixture.news().map(\.holding) == [.unknown])
        #expect(fixture.receipt(6) == .report)
        #expect(fixture.news().map(\.holding) == [.current])
        #expect(fixture.receipt(7, history: "another") == .nothing)
    }

    @Test("A host that moves here holds what it held, and no more before it was told")
    func moved() throws {
        var fixture = try Fixture()
        fixture.receipt(4)
        #expect(fixture.news().map(\.holding) == [.upTo(4)])
        #expect(fixture.news() == [])
        try fixture.goOn()
        fixture.inform()
        #expect(fixture.news().map(\.holding) == [])
    }

    @Test("That a session is over is said whatever became of the one after it, and of one that never began nothing")
    func endsAreTold() throws {
        var fixture = try Fixture()
        fixture.inform()
        _ = fixture.next()
        fixture.receipt(6)
        var leases = NodeLeases(term: 1, server: "m", in: fixture.state, at: 0)
        _ = leases.take(fixture.table.report(term: 1), from: "n", in: fixture.state, at: 1)
        #expect(leases.receipts(in: fixture.state) == ["a": 6])
        _ = fixture.table.open("a", as: "next", at: 1)
        fixture.table.close("next", of: "a")
        try fixture.goOn()
        fixture.inform()
        let report = fixture.table.report(term: 1)
        #expect(report.news.map(\.session) == ["s"])
        _ = leases.take(report, from: "n", in: fixture.state, at: 1)
        #expect(leases.receipts(in: fixture.state) == [:])
    }

    @Test("A session that is over takes nothing more, though its host cannot be told")
    func overAlready() throws {
        var fixture = try Fixture()
        try fixture.apply([.openSession(nodeID: "a", session: "at another manager")])
        fixture.inform()
        #expect(fixture.table.take(.heartbeat, from: "a", session: "s", in: fixture.state) == .over)
    }

    @Test("That a host was heard is said once; what got lost on the way is said again, but not that")
    func lostReports() throws {
        var fixture = try Fixture()
        let first = fixture.table.report(term: 1)
        #expect(first.news == [SessionNews(nodeID: "a", session: "s", isHeard: true, holding: .unknown)])
        fixture.table.lost()
        let second = fixture.table.report(term: 1)
        #expect(second.news == [SessionNews(nodeID: "a", session: "s", isHeard: false, holding: .unknown)])
        #expect(second.number > first.number)
        #expect(fixture.news() == [])
        fixture.table.heard("a")
        #expect(fixture.news().map(\.isHeard) == [true])
        #expect(!fixture.table.hasNews)
        #expect(fixture.news(term: 2).count == 1, "a new leader knows nothing")
        fixture.table.close("s", of: "a")
        #expect(fixture.table.hasNews)
        #expect(fixture.news(term: 2).map(\.holding) == [.unknown])
        #expect(fixture.news(term: 2) == [])
    }
}
