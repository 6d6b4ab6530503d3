import ClusterModel

/// The leader's knowledge of all nodes in one term, as a value: who was heard when, through whichever manager, and what
/// each host's data plane holds. Times are nanoseconds of the leader's boot-time clock.
public struct NodeLeases: Sendable {
    private struct Known: Sendable {
        var session: String
        var server: String
        var holding: Holding
    }

    private struct Server: Sendable {
        var number: UInt64
        var through: UInt64
    }

    /// Sessions of one node that are remembered: the last one by the log is among them.
    static let sessionsPerNode = 4
    /// Lives of session servers that are remembered.
    static let serverLimit = 64

    public let term: UInt64
    /// The leader's own session server.
    private let ownServer: String
    private var lastHeard: [String: Int64]
    private var known: [String: [Known]] = [:]
    private var servers: [String: Server] = [:]

    /// A term begins: every node gets a full lease, since nobody knows when the last leader heard it.
    ///
    /// - Parameter server: the leader's own.
    public init(term: UInt64, server: String, nodes: some Sequence<String>, at now: Int64) {
        self.term = term
        ownServer = server
        lastHeard = Dictionary(nodes.map { ($0, now) }) { first, _ in first }
    }

    /// Takes in what a manager reports of the sessions that it serves.
    ///
    /// - Returns: whether something is new of what hosts hold.
    public mutating func take(_ report: SessionReport, in state: ClusterState, at now: Int64) -> Bool {
        guard report.term == term, report.number > servers[report.server]?.number ?? 0,
            report.server == ownServer || state.namesSessions
        else { return false }
        if servers[report.server] == nil, servers.count == Self.serverLimit { forgetServers() }
        var isNews = report.through > servers[report.server]?.through ?? 0
        servers[report.server] = Server(number: report.number, through: report.through)
        for news in report.news {
            if news.isHeard, state.isLast(news.session, of: news.nodeID) { lastHeard[news.nodeID] = now }
            if note(news, by: report.server) { isNews = true }
        }
        return isNews
    }

    private mutating func note(_ news: SessionNews, by server: String) -> Bool {
        var sessions = known[news.nodeID] ?? []
        if let place = sessions.firstIndex(where: { $0.session == news.session }) {
            guard sessions[place].holding != news.holding else { return false }
            sessions[place].holding = news.holding
        } else {
            sessions.append(Known(session: news.session, server: server, holding: news.holding))
            if sessions.count > Self.sessionsPerNode { sessions.removeFirst() }
        }
        known[news.nodeID] = sessions
        return true
    }

    /// Those that have said least are lives that are over.
    private mutating func forgetServers() {
        let used = Set(known.values.joined().map(\.server))
        servers = servers.filter { used.contains($0.key) }
        guard servers.count == Self.serverLimit, let oldest = servers.min(by: { $0.value.through < $1.value.through })
        else { return }
        servers[oldest.key] = nil
        for (node, sessions) in known { known[node] = sessions.filter { $0.server != oldest.key } }
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
            case .current: receipts[nodeID] = servers[last.server]?.through
            }
        }
        return receipts
    }

    // MARK: Silence

    /// Every node gets a full lease from now on: this manager could not hear anybody.
    public mutating func renew(at now: Int64) { for id in lastHeard.keys { lastHeard[id] = now } }

    /// Nodes that were not heard for longer than the lease, in order; one that is new begins its lease.
    public mutating func silentNodes(in state: ClusterState, at now: Int64) -> [String] {
        var silent: [String] = []
        for id in state.nodes.keys {
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
