import ClusterModel
import ClusterStore
import JSON
import LinuxSystem
import Logging
import Orchestration
import RaftNode
import SessionModel
import Values

/// What the leader does while it leads: it orchestrates, notices who is gone, and keeps raft's members as the nodes'
/// roles want them. It never forwards: what it decided in a term that is over is dropped.
final class LeaderLoop: Sendable {
    /// The longest pause between two looks, in nanoseconds.
    static let tickNanoseconds: Int64 = 500_000_000

    private let store: ClusterStore
    private let raft: RaftNode
    private let sessions: SessionServer
    private let term: UInt64
    private let nodeID: String
    private let logger: Logger

    init(
        store: ClusterStore, raft: RaftNode, sessions: SessionServer, term: UInt64, nodeID: String, logger: Logger
    ) {
        self.store = store
        self.raft = raft
        self.sessions = sessions
        self.term = term
        self.nodeID = nodeID
        self.logger = logger
    }

    func run() async {
        sessions.begin(nodes: store.state.nodes.keys) { [self] mutations in try await propose(mutations) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.orchestrate() }
            group.addTask { await self.watchNodes() }
            group.addTask { await self.keepMembers() }
        }
    }

    private func propose(_ mutations: [Mutation]) async throws {
        let transaction = Transaction(time: max(Clock.now(), store.state.time), author: nodeID, mutations: mutations)
        let (_, result) = try await raft.propose(JSONCoding.encode(transaction), inTerm: term)
        if let refusal = try JSONCoding.decode(CommandOutcome.self, from: result).refusal { throw refusal }
    }

    private func orchestrate() async {
        let watch = store.watch()
        defer { watch.finish() }
        sessions.onReceipt { watch.wake() }
        var generator = SystemRandomNumberGenerator()
        while !Task.isCancelled {
            let state = store.state
            let now = max(Clock.now(), state.time)
            let plan = Orchestrator.plan(state, receipts: sessions.receipts, now: now, using: &generator)
            if !plan.mutations.isEmpty {
                do {
                    try await propose(plan.mutations)
                    continue
                } catch is RaftError {
                    return
                } catch {
                    // Somebody changed a service meanwhile: the next look sees it.
                    logger.debug("a plan was refused", metadata: ["reason": "\(error)"])
                }
            }
            var pause = Self.tickNanoseconds
            if let wakeAt = plan.wakeAt { pause = min(pause, max(1_000_000, wakeAt.nanoseconds(since: now))) }
            let timer = Task {
                try await Task.sleep(for: .nanoseconds(pause))
                watch.wake()
            }
            let update = await watch.next()
            timer.cancel()
            if update == nil { return }
        }
    }

    /// Declares nodes down whose session is silent.
    private func watchNodes() async {
        while !Task.isCancelled {
            let silent = sessions.silentNodes(in: store.state)
            let mutations = silent.compactMap { id -> Mutation? in
                guard var status = store.state.nodes[id]?.status, status.state == .ready else { return nil }
                status.state = .down
                status.message = "heartbeat failure"
                return .observeNode(id: id, status, nil)
            }
            if !mutations.isEmpty {
                logger.warning("nodes are down", metadata: ["nodes": "\(silent)"])
                try? await propose(mutations)
            }
            try? await Task.sleep(for: .nanoseconds(Self.tickNanoseconds / 2))
        }
    }

    /// Takes nodes that are managers no more out of raft.
    private func keepMembers() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .nanoseconds(Self.tickNanoseconds))
            let state = store.state
            guard raft.status.isLeading else { continue }
            for member in raft.status.members.map(\.member) {
                let node = state.nodes[member.nodeID]
                guard node == nil || node?.spec.role == .worker, !state.nodes.isEmpty else { continue }
                if member.nodeID == nodeID {
                    try? await raft.transferLeadership()
                    continue
                }
                do {
                    try await raft.removeMember(member.id)
                    if var node {
                        node.raftMember = nil
                        try await propose([.putNode(node, expected: node.version.index)])
                    }
                    logger.info("a manager was taken out of raft", metadata: ["node": "\(member.nodeID)"])
                } catch {
                    logger.warning(
                        "a manager cannot be taken out of raft",
                        metadata: ["node": "\(member.nodeID)", "reason": "\(error)"])
                }
            }
        }
    }
}
