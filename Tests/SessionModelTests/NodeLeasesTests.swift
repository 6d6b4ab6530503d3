import ClusterModel
import NetworkModel
import Testing
import Values

@testable import SessionModel

@Suite struct NodeLeasesTests {
    private static let second: Int64 = 1_000_000_000

    private static func state(_ sessions: [String: String?]) throws -> ClusterState {
        var state = try SessionTableTests.state(sessions.keys.sorted())
        let openings = sessions.compactMap { node, session in
            session.map { Mutation.openSession(nodeID: node, session: $0) }
        }
        _ = try state.apply(Transaction(time: .epoch, mutations: openings), at: 6)
        return state
    }

    private static func report(
        _ number: UInt64, by server: String = "m", term: UInt64 = 1, through: UInt64 = 6, _ news: SessionNews...
    ) -> SessionReport {
        SessionReport(server: server, number: number, term: term, through: through, news: news)
    }

    private static func news(_ session: String, _ holding: Holding, isHeard: Bool = true) -> SessionNews {
        SessionNews(nodeID: "a", session: session, isHeard: isHeard, holding: holding)
    }

    @Test("A node that is silent for longer than the lease is down; a new leader grants it a full one")
    func leases() throws {
        let state = try Self.state(["a": nil, "b": "s"])
        var leases = NodeLeases(term: 1, server: "leader", in: state, at: 100)
        let heard = SessionNews(nodeID: "b", session: "s", isHeard: true, holding: .unknown)
        _ = leases.take(Self.report(1, heard), from: "n", in: state, at: 3 * Self.second)
        #expect(leases.silentNodes(in: state, at: 100 + SessionTiming.leaseNanoseconds) == [])
        #expect(leases.silentNodes(in: state, at: 101 + SessionTiming.leaseNanoseconds) == ["a"])
        leases.renew(at: 10 * Self.second)
        #expect(leases.silentNodes(in: state, at: 15 * Self.second) == [])
        // One that was added since begins its lease when it is first seen.
        let more = try SessionTableTests.state(["a", "b", "new"])
        #expect(leases.silentNodes(in: more, at: 14 * Self.second) == [])
        #expect(leases.silentNodes(in: more, at: 20 * Self.second) == ["a", "b", "new"])
        let down = NodeLeases.declareDown(["a"], in: state)
        #expect(
            down == [
                .observeNode(id: "a", NodeStatus(state: .down, message: "heartbeat failure", addr: "192.0.2.1"), nil)
            ])
        #expect(NodeLeases.declareDown(["a"], in: try SessionTableTests.state(["a"], .down)) == [])
        #expect(NodeLeases.declareDown(["gone"], in: state) == [])
    }

    @Test("A session that begins is a sign of life: a node that comes back is not declared down at once")
    func comesBack() throws {
        let state = try Self.state(["a": "s"])
        var leases = NodeLeases(term: 1, server: "leader", in: state, at: 0)
        let late = 10 * Self.second
        #expect(leases.silentNodes(in: state, at: late) == ["a"])
        #expect(leases.silentNodes(in: try Self.state(["a": "next"]), at: late + 1) == [])
        #expect(leases.silentNodes(in: try Self.state(["a": "next"]), at: 2 * late) == ["a"])
    }

    @Test("Only the session that the log names keeps a node alive and says what it holds")
    func lastSession() throws {
        let state = try Self.state(["a": "new"])
        var leases = NodeLeases(term: 1, server: "leader", in: state, at: 0)
        let late = 10 * Self.second
        _ = leases.take(Self.report(1, by: "old manager", Self.news("old", .upTo(6))), from: "x", in: state, at: late)
        #expect(leases.receipts(in: state) == [:])
        #expect(leases.silentNodes(in: state, at: late) == ["a"])
        _ = leases.take(Self.report(1, by: "new manager", Self.news("new", .upTo(4))), from: "n", in: state, at: late)
        #expect(leases.receipts(in: state) == ["a": 4])
        #expect(leases.silentNodes(in: state, at: late) == [])
        _ = leases.take(Self.report(2, by: "old manager", Self.news("old", .upTo(9))), from: "x", in: state, at: late)
        #expect(leases.receipts(in: state) == ["a": 4])
    }

    @Test("A host that is current goes on with its server, not with another life of it")
    func through() throws {
        let state = try Self.state(["a": "s"])
        var leases = NodeLeases(term: 1, server: "leader", in: state, at: 0)
        func take(_ report: SessionReport) -> Bool { leases.take(report, from: "n", in: state, at: 1) }
        let isNews = take(Self.report(1, Self.news("s", .current)))
        #expect(isNews && leases.receipts(in: state) == ["a": 6])
        let isFurther = take(Self.report(2, through: 9))
        #expect(isFurther && leases.receipts(in: state) == ["a": 9])
        let isSame = take(Self.report(3, through: 9, Self.news("s", .current)))
        #expect(!isSame)
        _ = take(Self.report(4, through: 12, Self.news("s", .upTo(11))))
        #expect(leases.receipts(in: state) == ["a": 11])
        _ = take(Self.report(5, through: 13, Self.news("s", .unknown)))
        #expect(leases.receipts(in: state) == [:])
        _ = take(Self.report(6, through: 13, Self.news("s", .current)))
        _ = take(Self.report(1, by: "m, restarted", through: 50))
        #expect(leases.receipts(in: state) == [:])
        let isLate = take(Self.report(7, through: 60, Self.news("s", .current)))
        #expect(!isLate && leases.receipts(in: state) == [:], "its life is over")
    }

    @Test("A report that comes late, a second time, or from another term says nothing")
    func lateReports() throws {
        let state = try Self.state(["a": "s"])
        var leases = NodeLeases(term: 2, server: "leader", in: state, at: 0)
        let late = 10 * Self.second
        let current = Self.report(7, term: 2, through: 20, Self.news("s", .upTo(8)))
        _ = leases.take(current, from: "n", in: state, at: 1)
        for report in [
            Self.report(6, term: 2, through: 30, Self.news("s", .current)),
            Self.report(7, term: 2, through: 30, Self.news("s", .current)),
            Self.report(8, term: 1, through: 30, Self.news("s", .current)),
        ] {
            let isNews = leases.take(report, from: "n", in: state, at: late)
            #expect(!isNews)
        }
        #expect(leases.receipts(in: state) == ["a": 8])
        #expect(leases.silentNodes(in: state, at: late) == ["a"])
    }

    @Test("In a cluster of the first version only the leader's own sessions count")
    func firstVersion() throws {
        let state = try SessionTableTests.state(["a"], version: .first)
        var leases = NodeLeases(term: 1, server: "leader", in: state, at: 0)
        _ = leases.take(Self.report(1, by: "leader", Self.news("s", .current)), from: "n", in: state, at: 1)
        _ = leases.take(Self.report(1, by: "the one before", Self.news("old", .unknown)), from: "n", in: state, at: 1)
        #expect(leases.receipts(in: state) == ["a": 6])
    }

    @Test("What is remembered is bounded, and what counts is among it")
    func bounds() throws {
        let state = try Self.state(["a": "last"])
        var leases = NodeLeases(term: 1, server: "leader", in: state, at: 0)
        let named = Self.report(1, by: "now", through: 600, Self.news("last", .current))
        _ = leases.take(named, from: "other", in: state, at: 1)
        for life in 0..<100 {
            let some = (0..<9).map { Self.news("\(life)/\($0)", .unknown) }
            let strange = SessionNews(nodeID: "stranger", session: "s", isHeard: true, holding: .current)
            let report = SessionReport(
                server: "life \(life)", number: 1, term: 1, through: 1, news: some + [strange])
            _ = leases.take(report, from: "n", in: state, at: 1)
        }
        #expect(leases.receipts(in: state) == ["a": 600])
        #expect(leases.rememberedSessions == NodeLeases.sessionLimit)
        #expect(leases.rememberedLives <= 1 + 1 + NodeLeases.lifeLimit)
    }
}

@Suite struct SessionChoiceTests {
    @Test("Managers share the nodes, each node has an order of its own, and few move when a manager goes")
    func shares() {
        let managers = (1...5).map { "manager\($0)" }
        let nodes = (0..<1_000).map { "node\($0)" }
        var counts: [String: Int] = [:]
        var moved = 0
        for node in nodes {
            let order = SessionChoice.order(managers, for: node)
            #expect(order.sorted() == managers)
            counts[order[0], default: 0] += 1
            let without = SessionChoice.order(Array(managers.dropLast()), for: node)
            if order[0] != managers.last, order[0] != without[0] { moved += 1 }
        }
        #expect(moved == 0)
        #expect(counts.values.allSatisfy { (130...270).contains($0) }, "\(counts)")
    }
}
