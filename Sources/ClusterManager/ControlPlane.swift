import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import Logging
import RaftNode
import SessionModel
import Synchronization
import Values

/// This host's part in the control plane: a manager of a log of one, a manager among several, or a worker that knows
/// where the managers are.
public final class ControlPlane: Sendable {
    struct Shared {
        var record: NodeRecord? {
            didSet { introduction.history.withLock { [record] in $0 = record?.history } }
        }
        fileprivate let introduction: Introduction
        var credentials: ClusterCredentials?
        /// nil while they are locked.
        var keys: HostKeys?
        var lock = KeyLock()
        /// Whether the keys wait for somebody to unlock them.
        var isLocked = false
        var manager: Manager?
        var witness: Witness?
        var server: Task<Void, Never>?
        var services: (any HostServices)?
        /// What goes on as long as the daemon runs.
        var upkeep: [Task<Void, Never>] = []
        /// The nodes of the cluster, as the last picture named them.
        var peers: Set<String> = []
        /// Where this host is reached, as the last picture said.
        var knownAddress: String?
        var assigned: RoleStep.Assigned?
        /// Whether somebody is taking this host to that role.
        var takesRole = false
        var error = ""
        var isPending = false
        /// The agent's session, as long as it lasts.
        var session: Task<Void, any Error>?
        /// The manager that it is with, where that is another host's.
        var sessionPeer: String?
        /// When other managers were heard last, and since when this could have been.
        var managersHeard: [String: Timestamp] = [:]
        var startedAt = Clock.now()
        /// Nothing is begun any more.
        var isShutDown = false

        fileprivate init(_ introduction: Introduction) { self.introduction = introduction }
    }

    /// What this host shows its peers, and tells them of itself.
    fileprivate final class Introduction: Sendable {
        let credentials = Mutex<ClusterCredentials?>(nil)
        let history = Mutex<String?>(nil)
    }

    let configuration: ControlPlaneConfiguration
    let logger: Logger
    let shared: Mutex<Shared>
    /// Held while the record is written, so that no change is lost to another.
    let recordWrites = Mutex(())
    let connector: ClusterConnector
    /// Init, join and leave come one at a time.
    let transitions = Turnstile()
    let reader = SessionReader()
    private let introduction: Introduction

    /// Prepares the control plane; `start` begins.
    public init(configuration: ControlPlaneConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        let introduction = Introduction()
        self.introduction = introduction
        shared = Mutex(Shared(introduction))
        connector = ClusterConnector(
            credentials: {
                guard let credentials = introduction.credentials.withLock({ $0 }) else {
                    throw RPCFailure(.unavailable, "this host is in no cluster", source: .transport)
                }
                return credentials
            }, history: { introduction.history.withLock { $0 } }, logger: logger)
    }

    func setCredentials(_ credentials: ClusterCredentials?) {
        introduction.credentials.withLock { $0 = credentials }
        shared.withLock { $0.credentials = credentials }
    }

    var provider: CredentialProvider {
        { [introduction] in
            guard let credentials = introduction.credentials.withLock({ $0 }) else {
                throw RPCFailure(.unavailable, "this host is in no cluster", source: .transport)
            }
            return credentials
        }
    }

    /// What answers peers beside the control plane itself: the agent.
    public func setHostServices(_ services: any HostServices) { shared.withLock { $0.services = services } }

    /// Takes up the part that this host had, or makes it the manager of a log of one.
    public func start() async throws {
        try await transitions.pass {
            try self.finishRestore()
            if let record = try NodeRecord.load(directory: self.configuration.directory) {
                try await self.resume(record)
            } else {
                try await self.begin()
            }
        }
        let role = Task { [weak self] in await self?.keepRoleAndCertificate() ?? () }
        let address = Task { [weak self] in await self?.keepAddress() ?? () }
        shared.withLock { $0.upkeep = [role, address] }
    }

    /// Stops working; what the host is part of stays as it is.
    public func shutdown() async {
        let (manager, witness, server) = shared.withLock { shared in
            defer {
                shared.isShutDown = true
                shared.manager = nil
                shared.witness = nil
                shared.server = nil
            }
            return (shared.manager, shared.witness, shared.server)
        }
        for task in shared.withLock(\.upkeep) { task.cancel() }
        server?.cancel()
        await manager?.stop()
        await witness?.stop()
        await connector.shutdown()
    }

    // MARK: What is so

    /// Where this node stands, for `/info`; never waits.
    public var membership: SwarmMembership {
        let (record, manager, error, isPending, isLocked) = shared.withLock {
            ($0.record, $0.manager, $0.error, $0.isPending, $0.isLocked)
        }
        guard let record, record.isOpen else {
            var inactive = SwarmMembership.inactive
            if isPending { inactive.state = .pending }
            return inactive
        }
        if isLocked {
            return SwarmMembership(
                state: .locked, nodeID: record.nodeID, nodeAddress: record.address, controlAvailable: false,
                error: EngineError.locked.message, managers: [])
        }
        var managers = record.managers.map { SwarmMembership.Manager(nodeID: $0.nodeID, address: $0.address) }
        if let state = manager?.store.state {
            managers = state.nodes.values.filter { $0.raftMember != nil }.sorted { $0.id < $1.id }
                .map { SwarmMembership.Manager(nodeID: $0.id, address: $0.clusterAddress) }
        }
        let status = manager?.raft.status
        let isBroken = !error.isEmpty || status?.failure != nil
        return SwarmMembership(
            state: isBroken ? .error : .active, nodeID: record.nodeID, nodeAddress: record.address,
            controlAvailable: manager != nil, error: error.isEmpty ? status?.impediment ?? "" : error,
            managers: managers)
    }

    /// The nodes that the managers know, without waiting; empty on a worker.
    public var localState: ClusterState? { shared.withLock(\.manager)?.store.state }

    /// The manager of this host, where it is one and open to clients.
    func manager() throws(EngineError) -> Manager {
        let (record, manager, isLocked) = shared.withLock { ($0.record, $0.manager, $0.isLocked) }
        guard let record, record.isOpen else { throw .notManager }
        if isLocked { throw .locked }
        guard let manager else { throw .workerOnly }
        return manager
    }

    /// The latest state: what was acknowledged before the call is in it.
    public func state() async throws(EngineError) -> ClusterState { try await manager().latest() }

    /// Which managers raft reaches, by node, and who leads: for `ManagerStatus`.
    public func managerStatuses() async -> [String: ManagerReachability] {
        guard let manager = shared.withLock(\.manager) else { return [:] }
        var status = manager.raft.status
        if status.role != .leader, let answer = try? await callLeader(ClusterMethodNames.reachability, []),
            let reached = try? JSONCoding.decode([String].self, from: answer)
        {
            return Self.reachability(status) { reached.contains($0.member.nodeID) }
        }
        status = manager.raft.status
        return Self.reachability(status) { $0.isActive ?? ($0.member.nodeID == status.member?.nodeID) }
    }

    private static func reachability(
        _ status: RaftStatus, isReachable: (RaftStatus.Member) -> Bool
    ) -> [String: ManagerReachability] {
        var result: [String: ManagerReachability] = [:]
        for member in status.members {
            let isLeader = member.member.id == status.leader?.id
            result[member.member.nodeID] = ManagerReachability(
                isLeader: isLeader, isReachable: isLeader || isReachable(member), isSpare: !member.isVoter,
                address: member.member.address)
        }
        return result
    }

    // MARK: Changes

    /// Proposes mutations on the leader, wherever it is, and waits until they are applied here.
    func propose(_ mutations: [Mutation], note: String? = nil) async throws(EngineError) {
        if let refusal = try await attempt(mutations, note: note).refusal { throw EngineError(refusal) }
    }

    /// Runs `body` on the latest state and proposes what it decides; again on a newer state where somebody was faster
    /// and `body` does not itself insist on a version.
    func change(_ body: (ClusterState) async throws(EngineError) -> [Mutation]) async throws(EngineError) {
        for attemptsLeft in (0..<Self.changeAttempts).reversed() {
            guard let refusal = try await attempt(body(state())).refusal else { return }
            guard refusal.mayBeRace, attemptsLeft > 0 else { throw EngineError(refusal) }
        }
    }

    /// One proposal, whoever leads, which is applied once and is applied here when this returns.
    func attempt(_ mutations: [Mutation], note: String? = nil) async throws(EngineError) -> ProposalAnswer {
        let manager = try manager()
        // A leader of an older version would not know what it is asked for.
        if let objection = manager.store.state.objection(to: Transaction(time: .epoch, mutations: mutations)) {
            throw EngineError(objection)
        }
        return try await manager.attempt(mutations, by: author, note: note)
    }

    static let changeAttempts = 5

    /// This node, on behalf of whose request is being answered.
    var author: Author {
        .node(shared.withLock(\.record)?.nodeID ?? "", through: RequestOrigin.client)
    }

    // MARK: The leader

    /// Asks the leader, wherever it is; a worker asks the managers that it knows.
    public func callLeader(_ method: String, _ payload: [UInt8]) async throws -> [UInt8] {
        if shared.withLock(\.isLocked) { throw EngineError.locked }
        let deadline = Clock.sinceBoot() + Manager.leaderPatienceNanoseconds
        var failure: any Error = EngineError.noLeader
        while Clock.sinceBoot() < deadline {
            for peer in await leaderCandidates() {
                if peer.nodeID == shared.withLock({ $0.record?.nodeID }), let manager = shared.withLock(\.manager) {
                    guard manager.isLeading else { continue }
                    return try await answer(method, payload, from: nil)
                }
                do {
                    return try await connector.call(method, payload, to: peer)
                } catch let error {
                    failure = error
                    // What the leader itself refused is final; a manager that does not lead is not asked twice.
                    if error.source == .handler, error.kind != .unavailable { throw error }
                }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw failure
    }

    /// Who may lead: raft's own word first, then every manager that is known.
    func leaderCandidates() async -> [ClusterPeer] {
        let (record, manager) = shared.withLock { ($0.record, $0.manager) }
        if let leader = manager?.raft.status.leader, let address = ClusterAddress(parsing: leader.address) {
            return [ClusterPeer(nodeID: leader.nodeID, address: address)]
        }
        if let manager, let leader = try? await manager.leader(), let address = ClusterAddress(parsing: leader.address)
        {
            return [ClusterPeer(nodeID: leader.nodeID, address: address)]
        }
        return (record?.managers ?? []).compactMap { manager in
            ClusterAddress(parsing: manager.address).map { ClusterPeer(nodeID: manager.nodeID, address: $0) }
        }
    }
}

/// The calls that managers answer.
enum ClusterMethodNames {
    /// Mutations of a manager's clients: `ProposalRequest` to `ProposalAnswer`.
    static let propose = "leader.propose"
    /// The same, where it may have been asked for before: `RepeatedRequest` to `ProposalAnswer`.
    static let proposeAgain = "leader.propose-again"
    /// What the peer's sessions say: `SessionReport` to what the leader has applied.
    static let sessions = "leader.sessions"
    /// A host without certificate, passed on by another manager: `EnrolRequest` to `EnrolResponse`.
    static let enrol = "leader.enrol"
    /// A new certificate for the peer: `RenewRequest` to `EnrolResponse`.
    static let renew = "leader.renew"
    /// The peer wants its place in raft: `JoinRaftRequest` to the members.
    static let joinRaft = "leader.raft"
    /// Where the peer is reached now, for every manager: `AddressAnnouncement` to `ManagerAddresses`.
    static let address = "manager.address"
    /// Where the managers are, from the leader to a host that it does not hear: `ManagerAddresses`.
    static let managers = "node.managers"
    /// The peer leaves for good.
    static let leave = "leader.leave"
    /// Which managers the leader hears from: node identifiers.
    static let reachability = "leader.reachability"
    /// The keys under which secrets are sealed, for managers alone: nothing to `DataKeys`.
    static let dataKeys = "leader.keys"
    /// A manager's client wants another data key: nothing to its identifier.
    static let rotateKeys = "leader.rotate"
    /// The leader asks a manager whether it has a data key: its identifier to a boolean.
    static let holdsKey = "manager.key"
    /// A manager asks another one about its program: nothing to `ManagerVersions`.
    static let version = "manager.version"
}

/// Lets one through at a time, in order.
actor Turnstile {
    private var last: Task<Void, Never>?

    func pass<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let before = last
        let task = Task {
            await before?.value
            return try await body()
        }
        last = Task { _ = await task.result }
        return try await task.value
    }
}
