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

    private let proposer: Proposer
    private let sessions: SessionServer
    private let term: UInt64
    private let nodeID: String
    private let logger: Logger

    init(
        proposer: Proposer, sessions: SessionServer, term: UInt64, nodeID: String, logger: Logger
    ) {
        self.proposer = proposer
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

    private var store: ClusterStore { proposer.store }
    private var raft: RaftNode { proposer.raft }

    private func propose(_ mutations: [Mutation]) async throws {
        try await proposer.propose(mutations, by: .orchestrator, term: term).applied()
    }

    private func orchestrate() async {
        let watch = store.watch(ObjectKind.ofOrchestration)
        defer { watch.finish() }
        sessions.onReceipt { watch.wake() }
        var generator = SystemRandomNumberGenerator()
        var limit = Orchestrator.mutationLimit
        while !Task.isCancelled {
            let state = store.state
            let now = max(Clock.now(), state.time)
            let plan = Orchestrator.plan(state, receipts: sessions.receipts, now: now, using: &generator)
            if !plan.mutations.isEmpty {
                do {
                    // Any beginning of a plan holds without the rest: each decision saw only those before it.
                    try await propose(Array(plan.mutations.prefix(limit)))
                    limit = Orchestrator.mutationLimit
                    continue
                } catch RaftError.commandTooLarge where limit > 1 {
                    limit /= 2
                    continue
                } catch {
                    guard raft.status.isLeading, raft.status.term == term else { return }
                    // Somebody changed a service meanwhile, or raft is busy: the next look sees it.
                    logger.warning("a plan was not carried out", metadata: ["reason": "\(error)"])
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
        var lastLook = Clock.sinceBoot()
        while !Task.isCancelled {
            let now = Clock.sinceBoot()
            // This host itself stood still: whoever was silent meanwhile could not be heard.
            if now - lastLook > 4 * Self.tickNanoseconds { sessions.renewLeases() }
            lastLook = now
            let silent = sessions.silentNodes(in: store.state)
            let mutations = SessionRegistry.declareDown(silent, in: store.state)
            if !mutations.isEmpty {
                logger.warning("nodes are down", metadata: ["nodes": "\(silent)"])
                try? await propose(mutations)
                // A node that lives after all opens a new session, and is ready with it.
                sessions.end(silent)
            }
            try? await Task.sleep(for: .nanoseconds(Self.tickNanoseconds / 2))
        }
    }

    /// Keeps raft's members and the nodes' rows as the roles want them: whatever was left halfway by a leader that died
    /// is finished by the next.
    private func keepMembers() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .nanoseconds(Self.tickNanoseconds / 4))
            guard raft.status.isLeading, !store.state.nodes.isEmpty else { continue }
            for member in raft.status.members where !isWanted(member) {
                if member.member.nodeID == nodeID {
                    try? await raft.transferLeadership()
                    break
                }
                await attempt("take a manager out of raft", member.member.nodeID) {
                    try await self.raft.removeMember(member.member.id)
                }
            }
            for learner in raft.status.members where !learner.isVoter && isWanted(learner) && hasCaughtUp(learner) {
                await attempt("give a manager its vote", learner.member.nodeID) {
                    try await self.raft.promote(learner.member.id)
                }
            }
            let voters = raft.status.members.filter(\.isVoter)
            for node in store.state.nodes.values {
                let voter = voters.last { $0.member.nodeID == node.id }?.member
                guard node.raftMember != voter?.id else { continue }
                var node = node
                node.raftMember = voter?.id
                if let voter { node.clusterAddress = voter.address }
                await attempt("note a manager's membership", node.id) { [node] in
                    try await self.propose([.putNode(node, expected: node.version.index)])
                }
            }
        }
    }

    private func isWanted(_ member: RaftStatus.Member) -> Bool {
        store.state.nodes[member.member.nodeID]?.spec.role == .manager
    }

    /// Near enough for the promotion not to wait.
    private func hasCaughtUp(_ member: RaftStatus.Member) -> Bool {
        guard member.isActive == true, let matched = member.matchedIndex else { return false }
        return matched + RaftNode.promotionLag >= raft.status.lastIndex
    }

    private func attempt(_ what: String, _ node: String, _ body: @Sendable () async throws -> Void) async {
        do { try await body() } catch {
            logger.warning(
                "a step of a membership change failed",
                metadata: ["step": "\(what)", "node": "\(node)", "reason": "\(error)"])
        }
    }
}
