import ClusterModel

/// The leader's side of all sessions as a value: who was heard when, who has which session, and what each host's data
/// plane holds. Times are nanoseconds of the manager's boot-time clock.
public struct SessionRegistry: Sendable {
    private struct Session: Sendable {
        var number: UInt64
        /// The revision that the host's data plane holds.
        var receipt: UInt64?
    }

    /// Whether this manager leads and so takes sessions.
    public private(set) var isOpen = false
    private var sessions: [String: Session] = [:]
    private var lastHeard: [String: Int64] = [:]
    private var lastNumber: UInt64 = 0

    public init() {}

    // MARK: The term

    /// A term begins: every node gets a full lease, since nobody knows when the last leader heard it.
    public mutating func begin(nodes: some Sequence<String>, at now: Int64) {
        isOpen = true
        lastHeard = Dictionary(uniqueKeysWithValues: nodes.map { ($0, now) })
    }

    /// It ends: agents look for the next leader.
    public mutating func end() {
        isOpen = false
        sessions = [:]
    }

    /// Every node gets a full lease from now on: this manager could not hear anybody.
    public mutating func renewLeases(at now: Int64) { for id in lastHeard.keys { lastHeard[id] = now } }

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

    /// The revision that the data plane of each host with a session holds, where it has said so.
    public var receipts: [String: UInt64] { sessions.compactMapValues(\.receipt) }

    // MARK: One session

    /// Opens a session, which takes the place of the node's last one.
    ///
    /// - Returns: the session's number; nil where this manager does not lead.
    public mutating func open(_ nodeID: String, at now: Int64) -> UInt64? {
        guard isOpen else { return nil }
        lastNumber += 1
        sessions[nodeID] = Session(number: lastNumber)
        lastHeard[nodeID] = now
        return lastNumber
    }

    public func isCurrent(_ number: UInt64, of nodeID: String) -> Bool { sessions[nodeID]?.number == number }

    public mutating func close(_ number: UInt64, of nodeID: String) {
        if isCurrent(number, of: nodeID) { sessions[nodeID] = nil }
    }

    /// A node was heard, whatever it said.
    public mutating func heard(_ nodeID: String, at now: Int64) { lastHeard[nodeID] = now }

    /// What a message asks the manager to do.
    public enum Outcome: Hashable, Sendable {
        case nothing
        /// To be put into the log, in order, before the node's next message is taken.
        case propose([Mutation])
        /// The host's data plane holds what was not known to be there.
        case advanced
        /// The host could not apply its picture.
        case failed(HostReceipt)
        /// Another session has taken this one's place, or the node is gone: it ends.
        case over
    }

    /// Takes in what a node says in a session.
    public mutating func take(
        _ message: AgentMessage, from nodeID: String, session number: UInt64, in state: ClusterState, at now: Int64
    ) -> Outcome {
        guard isCurrent(number, of: nodeID) else { return .over }
        lastHeard[nodeID] = now
        switch message {
        case .hello(let hello):
            guard var status = state.nodes[nodeID]?.status else { return .over }
            status.state = .ready
            status.message = ""
            return .propose([.observeNode(id: nodeID, status, hello.description)])
        case .report(let observations):
            // A host speaks of its own tasks alone.
            let own = observations.filter { $0.nodeID == nodeID }
            return own.isEmpty ? .nothing : .propose(own.map { .observe($0) })
        case .receipt(let receipt):
            guard receipt.failure == nil else { return .failed(receipt) }
            guard receipt.revision.history == state.cluster?.historyID ?? "" else { return .nothing }
            sessions[nodeID]?.receipt = receipt.revision.index
            return .advanced
        case .heartbeat: return .nothing
        }
    }
}

/// What one session has told its host so far, and so what is to be said next.
public struct SessionFeed: Sendable {
    private var last: HostPicture?
    private var lastIndex: UInt64 = 0

    public init() {}

    /// The picture where it has changed, otherwise how far nothing did; nil where the host knows all of that.
    public mutating func next(_ picture: HostPicture) -> ManagerMessage? {
        defer {
            lastIndex = max(lastIndex, picture.revision.index)
            last = picture
        }
        if last?.at(picture.revision) != picture { return .picture(picture) }
        return picture.revision.index > lastIndex ? .unchanged(picture.revision) : nil
    }
}
