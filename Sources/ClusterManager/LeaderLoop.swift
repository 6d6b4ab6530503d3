import ClusterModel
import ClusterRPC
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
    private let connector: ClusterConnector
    private let survey: ManagerSurvey
    private let gate: SharedVersionGate
    let term: UInt64
    let logger: Logger

    init(
        proposer: Proposer, sessions: SessionServer, connector: ClusterConnector, survey: ManagerSurvey,
        gate: SharedVersionGate, term: UInt64, logger: Logger
    ) {
        self.proposer = proposer
        self.sessions = sessions
        self.connector = connector
        self.survey = survey
        self.gate = gate
        self.term = term
        self.logger = logger
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.orchestrate() }
            group.addTask { await self.watchNodes() }
            group.addTask { await self.keepMembers() }
            group.addTask { await self.tellSilent() }
            group.addTask { [self] in
                await VersionKeeper(proposer: proposer, survey: survey, gate: gate, term: term, logger: logger).run()
            }
        }
    }

    var store: ClusterStore { proposer.store }
    var raft: RaftNode { proposer.raft }

    func propose(_ mutations: [Mutation]) async throws {
        try await proposer.propose(mutations, by: .orchestrator, term: term).applied()
    }

    private func orchestrate() async {
        let watch = store.watch(ObjectKind.ofOrchestration)
        defer { watch.finish() }
        sessions.onNews(in: term) { watch.wake() }
        var generator = SystemRandomNumberGenerator()
        var limit = Orchestrator.mutationLimit
        while !Task.isCancelled {
            let state = store.state
            let now = max(Clock.now(), state.time)
            let plan = Orchestrator.plan(state, receipts: sessions.receipts(in: state), now: now, using: &generator)
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
            let mutations = NodeLeases.declareDown(silent, in: store.state)
            if !mutations.isEmpty {
                logger.warning("nodes are down", metadata: ["nodes": "\(silent)"])
                // A node that lives after all opens a new session, since this ends its last one, and is ready with it.
                try? await propose(mutations)
            }
            try? await Task.sleep(for: .nanoseconds(Self.tickNanoseconds / 2))
        }
    }

    /// Tells hosts that are not heard where the managers are: those may have moved since, and be looked for in vain.
    private func tellSilent() async {
        while (try? await Task.sleep(for: Self.tellPause)) != nil {
            let state = store.state
            guard let payload = try? JSONCoding.encode(state.managerAddresses) else { continue }
            var silent = sessions.silentNodes(in: state).compactMap { id -> ClusterPeer? in
                guard let text = state.nodes[id]?.clusterAddress, let address = ClusterAddress(parsing: text)
                else { return nil }
                return ClusterPeer(nodeID: id, address: address)
            }[...]
            while !silent.isEmpty, !Task.isCancelled {
                await withTaskGroup(of: Void.self) { [connector] group in
                    for peer in silent.prefix(Self.toldAtOnce) {
                        group.addTask {
                            do {
                                _ = try await connector.call(
                                    ClusterMethodNames.managers, payload, to: peer,
                                    timeout: ControlPlane.announcementTimeout)
                            } catch {
                                // Or it would be dialled all the time; raft does that with its members anyway.
                                if state.nodes[peer.nodeID]?.raftMember == nil { connector.disconnect(peer) }
                            }
                        }
                    }
                }
                silent = silent.dropFirst(Self.toldAtOnce)
            }
        }
    }

    private static let tellPause: Duration = .seconds(5)
    private static let toldAtOnce = 16
}
