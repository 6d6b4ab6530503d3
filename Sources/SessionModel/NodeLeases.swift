import ClusterModel

/// The leader's knowledge of all nodes in one term, as a value: who was heard when, through whichever manager, and what
/// each host's data plane holds. Times are nanoseconds of the leader's boot-time clock.
public struct NodeLeases: Sendable {
    private struct Known: Sendable {
        var session: String
        var manager: String
        var holding: Holding
    }

    /// A manager's session server in one life.
    private struct Server: Sendable {
        var name: String
        var number: UInt64 = 0
        var through: UInt64 = 0
        /// Lives that are over.
        var earlier: [String] = []
    }

    /// Sessions of one node that are remembered; that which its row names is always among them.
    static let sessionLimit = 4
    /// Lives of one manager's server that are remembered.
    static let lifeLimit = 16

    /// The term that it is for.
    public let term: UInt64
    /// The leader's own session server.
    private let ownServer: String
    private var lastHeard: [String: Int64]
    /// The session that the node's row named last: a new one is a sign of life.
    private var lastSession: [String: String] = [:]
    private var known: [String: [Known]] = [:]
    /// By manager.
    private var servers: [String: Server] = [:]

    /// A term begins: every node gets a full lease, since nobody knows when the last leader heard it.
    ///
    /// - Parameter server: the leader's own.
    public init(term: UInt64, server: String, in state: ClusterState, at now: Int64) {
        self.term = term
        ownServer = server
        lastHeard = Dictionary(uniqueKeysWithValues: state.nodes.keys.map { ($0, now) })
        for (id, node) in state.nodes { lastSession[id] = node.session }
    }

    /// Takes in what a manager reports of the sessions that it serves.
    ///
    /// - Parameter manager: the node that reports it, by its certificate.
    /// - Returns: whether something is new of what hosts hold.
    public mutating func take(
        _ report: SessionReport, from manager: String, in state: ClusterState, at now: Int64
    ) -> Bool {
        guard report.term == term, report.server == ownServer || state.namesSessions else { return false }
        var server = servers[manager] ?? Server(name: report.server)
        guard !server.earlier.contains(report.server) else { return false }
        if report.server != server.name {
            server = Server(name: report.server, earlier: (server.earlier + [server.name]).suffix(Self.lifeLimit))
            for (node, sessions) in known { known[node] = sessions.filter { $0.manager != manager } }
        }
        guard report.number > server.number else { return false }
        var isNews = report.through > server.through
        (server.number, server.through) = (report.number, report.through)
        servers[manager] = server
        for news in report.news where state.nodes[news.nodeID] != nil {
            if news.isHeard, state.isLast(news.session, of: news.nodeID) { lastHeard[news.nodeID] = now }
            if note(news, by: manager, in: state) { isNews = true }
        }
        return isNews
    }

    private mutating func note(_ news: SessionNews, by manager: String, in state: ClusterState) -> Bool {
        var sessions = known[news.nodeID] ?? []
        if let place = sessions.firstIndex(where: { $0.session == news.session }) {
            guard sessions[place].holding != news.holding else { return false }
            sessions[place].holding = news.holding
        } else {
            sessions.append(Known(session: news.session, manager: manager, holding: news.holding))
            if sessions.count > Self.sessionLimit {
                let named = state.nodes[news.nodeID]?.session
                sessions.remove(at: sessions.firstIndex { $0.session != named } ?? 0)
            }
        }
        known[news.nodeID] = sessions
        return true
    }

    /// The revision that the data plane of each host holds, where that is known.
    public func receipts(in state: ClusterState) -> [String: UInt64] {
        var receipts: [String: UInt64] = [:]
        for (nodeID, node) in state.nodes {
            let sessions = known[nodeID] ?? []
            guard let last = state.namesSessions ? sessions.last(where: { $0.session == node.session }) : sessions.last
            else { continue }
            switch last.holding {
            case .unknown: break
            case .upTo(let index): receipts[nodeID] = index
            case .current: receipts[nodeID] = servers[last.manager]?.through
            }
        }
        return receipts
    }

    /// How much is remembered, of how many sessions and of how many lives of managers' servers.
    var rememberedSessions: Int { known.values.reduce(0) { $0 + $1.count } }
    var rememberedLives: Int { servers.values.reduce(0) { $0 + 1 + $1.earlier.count } }

    // MARK: Silence

    /// Every node gets a full lease from now on: this manager could not hear anybody.
    public mutating func renew(at now: Int64) { for id in lastHeard.keys { lastHeard[id] = now } }

    /// Nodes that were not heard for longer than the lease, in order; one that is new begins its lease.
    public mutating func silentNodes(in state: ClusterState, at now: Int64) -> [String] {
        var silent: [String] = []
        if lastHeard.count > 2 * state.nodes.count {
            lastHeard = lastHeard.filter { state.nodes[$0.key] != nil }
            lastSession = lastSession.filter { state.nodes[$0.key] != nil }
            known = known.filter { state.nodes[$0.key] != nil }
        }
        for (id, node) in state.nodes {
            if node.session != lastSession[id] {
                lastSession[id] = node.session
                lastHeard[id] = now
            }
            guard let heard = lastHeard[id] else {
                lastHeard[id] = now
                continue
            }
            if now - heard > SessionTiming.leaseNanoseconds { silent.append(id) }
        }
        return silent.sorted()
    }

    /// What is to be written of silent nodes: those that were ready are down.
    public static func declareDown(_ silent: [String], in state: ClusterState) -> [Mutation] {
        silent.compactMap { id in
            guard var status = state.nodes[id]?.status, status.state == .ready else { return nil }
            status.state = .down
            status.message = "heartbeat failure"
            return .observeNode(id: id, status, nil)
        }
    }
}
