import ClusterModel

/// One manager's side of the sessions that it serves, as a value: who has which session, what each host was told, and
/// what its data plane holds. Times are nanoseconds of the manager's boot-time clock.
///
/// A session begins with a transaction that puts its identifier into the node's row (`Mutation.openSession`): the log
/// decides which of two sessions of a node is the later one, on whatever managers they are.
public struct SessionTable: Sendable {
    private struct Session: Sendable {
        let id: String
        var conversation = Conversation()
        var lastSaid: Int64
    }

    /// Names this life of the server.
    public let server: String
    /// Whether this manager serves: it can tell the leader what hosts say, and does not lag behind it.
    public private(set) var isOpen = false
    private var lastDelivery: Int64 = 0
    /// How far the leader was, and when that was said: what has to be applied here next.
    private var goal: (index: UInt64, since: Int64)?
    private var isLate = false
    /// The revision of the newest picture that all sessions were compared with.
    public private(set) var through: UInt64 = 0
    private var hasNewSessions = false
    private var sessions: [String: Session] = [:]
    /// Nodes that said something since the last report.
    private var heard: Set<String> = []
    /// Sessions of which the leader has to be told something, with their nodes; also of those that are over.
    private var pending: [String: String] = [:]
    /// What is on its way to the leader.
    private var reported: [String: String]?
    private var reportedThrough: UInt64 = 0
    private var lastNumber: UInt64 = 0
    private var lastTerm: UInt64 = 0

    /// - Parameter server: new for each life of the manager's daemon.
    public init(server: String) { self.server = server }

    /// A report has come to the leader, so there may be sessions here as soon as this manager is as far as it was.
    ///
    /// - Parameters:
    ///   - leaderIndex: what the leader had applied; nil where this manager leads itself.
    ///   - index: what this manager has applied.
    public mutating func delivered(at now: Int64, leaderIndex: UInt64?, applied index: UInt64) {
        lastDelivery = now
        reported = nil
        isLate = false
        guard let leaderIndex else {
            (isOpen, goal) = (true, nil)
            return
        }
        if let goal, index < goal.index {
            isLate = now - goal.since > SessionTiming.orphanNanoseconds
            return
        }
        if goal != nil { isOpen = true }
        goal = (leaderIndex, now)
    }

    /// Whether the sessions have to end, so that their hosts look for another manager: nobody would hear of them, or
    /// this manager hears of nothing.
    ///
    /// - Parameter mayServe: whether other managers than the leader may, or this is the leader.
    public func mustEnd(mayServe: Bool, at now: Int64) -> Bool {
        isOpen && (!mayServe || isLate || now - lastDelivery > SessionTiming.orphanNanoseconds)
    }

    /// All sessions are over: hosts look for another manager.
    public mutating func end() {
        (isOpen, goal, isLate) = (false, nil, false)
        for node in Array(sessions.keys) { remove(node) }
    }

    // MARK: One session

    /// Opens a session, which takes the place of the node's last one here.
    ///
    /// - Parameter id: new for each session.
    /// - Returns: whether this manager serves.
    public mutating func open(_ nodeID: String, as id: String, at now: Int64) -> Bool {
        guard isOpen else { return false }
        if sessions[nodeID] != nil { remove(nodeID) }
        sessions[nodeID] = Session(id: id, lastSaid: now)
        return true
    }

    public func isCurrent(_ id: String, of nodeID: String) -> Bool { sessions[nodeID]?.id == id }

    public mutating func close(_ id: String, of nodeID: String) {
        if isCurrent(id, of: nodeID) { remove(nodeID) }
    }

    private mutating func remove(_ nodeID: String) {
        guard let session = sessions.removeValue(forKey: nodeID) else { return }
        heard.remove(nodeID)
        // The leader knows nothing of one that never began.
        pending[session.id] = session.conversation.beginning == nil ? nil : nodeID
    }

    /// A node was heard, whatever it said.
    public mutating func heard(_ nodeID: String) {
        if sessions[nodeID] != nil { heard.insert(nodeID) }
    }

    /// What a message asks the manager to do.
    public enum Outcome: Hashable, Sendable {
        case nothing
        /// To be put into the log, in order, before the node's next message is taken.
        case propose([Mutation])
        /// The same; then the session is `begun`.
        case begin([Mutation])
        /// The leader has to be told what the host's data plane holds.
        case report
        /// The host could not apply its picture.
        case failed(HostReceipt)
        /// Another session has taken this one's place, or the node is gone: it ends.
        case over
    }

    /// Takes in what a node says in a session.
    public mutating func take(
        _ message: AgentMessage, from nodeID: String, session id: String, in state: ClusterState
    ) -> Outcome {
        guard let session = sessions[nodeID], session.id == id, !session.conversation.isOver else { return .over }
        heard.insert(nodeID)
        switch message {
        case .hello(let hello):
            guard var status = state.nodes[nodeID]?.status else { return .over }
            status.state = .ready
            status.message = ""
            sessions[nodeID]?.conversation.known = hello.known
            sessions[nodeID]?.conversation.held = hello.sections
            var mutations = [Mutation.observeNode(id: nodeID, status, hello.description)]
            if state.namesSessions { mutations.append(.openSession(nodeID: nodeID, session: id)) }
            return .begin(mutations)
        case .report(let observations):
            // A host speaks of its own tasks alone.
            let own = observations.filter { $0.nodeID == nodeID }
            return own.isEmpty ? .nothing : .propose(own.map { .observe($0) })
        case .receipt(let receipt):
            guard receipt.revision.history == state.historyID else { return .nothing }
            let before = sessions[nodeID]?.conversation.holding
            sessions[nodeID]?.conversation.take(receipt, through: through)
            let isNews = sessions[nodeID]?.conversation.holding != before
            if isNews { pending[id] = nodeID }
            if receipt.failure != nil { return .failed(receipt) }
            return isNews ? .report : .nothing
        case .heartbeat: return .nothing
        }
    }

    /// The transaction that begins a session was applied at `index`.
    public mutating func begun(_ id: String, of nodeID: String, at index: UInt64) {
        guard isCurrent(id, of: nodeID) else { return }
        sessions[nodeID]?.conversation.beginning = index
        hasNewSessions = true
        heard.insert(nodeID)
        pending[id] = nodeID
    }

    // MARK: What hosts have to know

    /// Whether there is anything to compare with the state of a revision.
    public func mustLook(at index: UInt64) -> Bool { index > through || hasNewSessions && index == through }

    /// Begins a look at a state: the nodes that it may have something new for, which are to be informed, in parts or at
    /// once, before `endLook`.
    public mutating func beginLook(_ touched: ClusterView.Touched) -> [String] {
        hasNewSessions = false
        return sessions.filter { nodeID, session in
            session.conversation.isNew || touched.nodes.contains(nodeID)
                || session.conversation.needs(oneOf: touched.sections)
        }.keys.sorted()
    }

    /// All nodes of a look were informed of the state of a revision.
    public mutating func endLook(at index: UInt64) { through = max(through, index) }

    /// A whole look.
    ///
    /// - Parameter touched: what has changed since the last look.
    /// - Returns: the nodes to which there is something to say.
    public mutating func inform(_ view: inout ClusterView, _ touched: ClusterView.Touched) -> [String] {
        let due = inform(beginLook(touched), &view)
        endLook(at: view.state.index)
        return due
    }

    /// Compares what some hosts were told with what is so now.
    ///
    /// - Returns: those to which there is something to say.
    public mutating func inform(_ nodes: some Sequence<String>, _ view: inout ClusterView) -> [String] {
        var due: [String] = []
        for nodeID in nodes {
            guard let session = sessions[nodeID], session.conversation.hasBegun(in: view.state) else { continue }
            let before = session.conversation.holding
            // A node that was declared down begins anew.
            guard let index = view.index(of: nodeID), view.state.isLast(session.id, of: nodeID),
                view.state.nodes[nodeID]?.status.state != .down
            else {
                sessions[nodeID]?.conversation.isOver = true
                due.append(nodeID)
                continue
            }
            sessions[nodeID]?.conversation.look(at: index, in: &view, through: through)
            guard let now = sessions[nodeID]?.conversation else { continue }
            if now.holding != before { pending[session.id] = nodeID }
            if now.waiting != nil { due.append(nodeID) }
        }
        return due
    }

    /// Nodes that have been told nothing for so long that they are told that this manager lives.
    public func quietNodes(at now: Int64) -> [String] {
        sessions.filter { now - $0.value.lastSaid >= SessionTiming.heartbeatNanoseconds }.map(\.key).sorted()
    }

    /// Whether anybody has a session here.
    public var isEmpty: Bool { sessions.isEmpty }

    /// What is to be done next in a session.
    public enum Step: Hashable, Sendable {
        /// In order.
        case say([ManagerMessage])
        case wait
        case over
    }

    /// What is to be said now; it counts as said.
    public mutating func next(_ id: String, of nodeID: String, at now: Int64) -> Step {
        guard isCurrent(id, of: nodeID), let session = sessions[nodeID], !session.conversation.isOver else {
            return .over
        }
        let messages: [ManagerMessage]
        if session.conversation.waiting != nil {
            messages = sessions[nodeID]?.conversation.say() ?? []
        } else if now - session.lastSaid >= SessionTiming.heartbeatNanoseconds {
            messages = [.heartbeat]
        } else {
            return .wait
        }
        sessions[nodeID]?.lastSaid = now
        return .say(messages)
    }

    // MARK: What the leader has to know

    /// Whether the leader has to be told at once, and not only that hosts live.
    public var hasNews: Bool { !pending.isEmpty || through > reportedThrough }

    /// What is new for the leader of a term; all there is where the term is new. One report is on its way at a time:
    /// `delivered` or `lost` says what became of it.
    public mutating func report(term: UInt64) -> SessionReport {
        if term != lastTerm {
            for (node, session) in sessions where session.conversation.beginning != nil { pending[session.id] = node }
        }
        lastTerm = term
        lastNumber += 1
        var news = pending.map { id, node in
            let holding = isCurrent(id, of: node) ? sessions[node]?.conversation.holding : nil
            return SessionNews(
                nodeID: node, session: id, isHeard: isCurrent(id, of: node) && heard.contains(node),
                holding: holding ?? .unknown)
        }
        for node in heard {
            guard let session = sessions[node], session.conversation.beginning != nil, pending[session.id] == nil
            else { continue }
            news.append(
                SessionNews(
                    nodeID: node, session: session.id, isHeard: true, holding: session.conversation.holding))
        }
        news.sort { ($0.nodeID, $0.session) < ($1.nodeID, $1.session) }
        let report = SessionReport(server: server, number: lastNumber, term: term, through: through, news: news)
        (reported, reportedThrough) = (pending, through)
        pending = [:]
        // That a host was heard is worth nothing later.
        heard = heard.filter { sessions[$0]?.conversation.beginning == nil }
        return report
    }

    /// The last report may not have come to the leader: what it said is said again.
    public mutating func lost() {
        guard let lost = reported else { return }
        pending.merge(lost) { newer, _ in newer }
        (reported, reportedThrough) = (nil, 0)
    }
}

extension ClusterState {
    /// Names the log that its indices count in; empty before there is a cluster.
    public var historyID: String { cluster?.historyID ?? "" }

    /// Whether sessions are named in nodes' rows, and so all managers may serve them. Those that began before that end.
    public var namesSessions: Bool { version >= .stated }

    /// Whether a session that has begun is a node's last one.
    func isLast(_ session: String, of nodeID: String) -> Bool {
        guard let node = nodes[nodeID] else { return false }
        return !namesSessions || node.session == session
    }
}
