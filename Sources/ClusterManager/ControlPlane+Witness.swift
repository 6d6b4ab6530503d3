import ClusterModel
import ClusterRPC
import EngineModel
import JSON
import RaftNode
import SessionModel

/// The host that the cluster's policy names as its witness.
extension ControlPlane {
    /// Raft on this host: a manager's or the witness's.
    var raft: RaftNode? { shared.withLock { $0.manager?.raft ?? $0.witness?.raft } }

    /// Takes up the log of an earlier life, or begins one, and asks for this host's place in raft until it has it.
    func becomeWitnessSoon() {
        Task {
            while self.lacksVote {
                do {
                    try await self.transitions.pass { if self.lacksVote { try await self.askForVote() } }
                } catch {
                    self.logger.error("this host could not become the witness yet", metadata: ["reason": "\(error)"])
                }
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Whether this host is meant to be the witness and raft does not have it as a voter yet.
    private var lacksVote: Bool {
        let (record, witness, isShutDown) = shared.withLock { ($0.record, $0.witness, $0.isShutDown) }
        guard let record, record.isWitness == true, !isShutDown else { return false }
        guard let status = witness?.raft.status else { return true }
        return [.idle, .learner].contains(status.role)
    }

    private func askForVote() async throws {
        guard let record = shared.withLock(\.record) else { return }
        let witness = try takeUpWitness(record)
        var generator = SystemRandomNumberGenerator()
        let member =
            witness.raft.status.member
            ?? RaftMember(
                id: RaftMember.newID(using: &generator), nodeID: record.nodeID, address: record.clusterAddress,
                isWitness: true)
        let question = JoinRaftRequest(
            member: member.id, address: member.address, supported: configuration.supportedVersions)
        let answer = try await askManagers(
            ClusterMethodNames.joinRaft, JSONCoding.encode(question), record, until: { isStepDue })
        guard witness.raft.status.member == nil else { return }
        let members = try JSONCoding.decode(JoinRaftResponse.self, from: answer).members
        try await witness.raft.join(
            as: member,
            peers: members.filter { $0.id != member.id }.map {
                RaftMember(id: $0.id, nodeID: $0.nodeID, address: $0.address)
            })
        try remember { $0.raftMember = member.id }
    }

    private func takeUpWitness(_ record: NodeRecord) throws -> Witness {
        if let present = shared.withLock(\.witness) { return present }
        // What an attempt that was cut short left behind.
        if record.raftMember == 0 { try removeState() }
        let witness = try Witness(directory: directory, keys: databaseKeys(), connector: connector, logger: logger)
        shared.withLock { $0.witness = witness }
        return witness
    }

    /// Ends it, with its log.
    func endWitness() async throws {
        if let witness = shared.withLock(\.witness) {
            shared.withLock { $0.witness = nil }
            await witness.stop()
        }
        try remember {
            $0.isWitness = nil
            $0.raftMember = 0
        }
        try removeState()
    }

    /// Refuses a policy whose witness cannot be one, and the end of a witness that is needed.
    func checkWitness(_ next: ManagerPolicy, in state: ClusterState) async throws(EngineError) {
        let current = state.cluster?.managerPolicy.witness
        guard next.witness != current else { return }
        if let id = next.witness {
            guard let node = state.nodes[id] else {
                throw EngineError(.invalidParameter, "invalid \(ManagerPolicy.group).Witness: node \(id) not found")
            }
            guard node.spec.role == .worker else {
                throw EngineError(
                    .invalidParameter, "node \(id) is a manager: demote it before it can be the cluster's witness")
            }
            try await requireSupport(of: node, in: state)
        }
        if let current { try await checkLoss(of: current, in: state) }
    }
}
