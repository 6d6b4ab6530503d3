import ClusterModel
import ClusterPKI

/// What a host does next on the way to the role that its node's row has. A row may change while a step is taken, so
/// that each step looks at the host as it is then, and none rests on the one before.
enum RoleStep: Hashable {
    /// It asks for a certificate, which says the role that the row has when it is asked for.
    case renew
    /// It counts as a manager, and asks for its place in raft.
    case becomeManager
    /// It ends its part in raft and removes the state.
    case becomeWorker
    /// It counts as the cluster's witness, and asks for its vote.
    case becomeWitness
    /// It ends its part in raft and removes the log.
    case endWitness

    /// What the newest picture says that this host is.
    struct Assigned: Hashable {
        var role: NodeSpec.Role
        /// Whether raft has it as a manager.
        var isMember: Bool
        var isWitness = false
    }

    /// What this host is.
    struct Present: Hashable {
        /// Whether its record says that it is a manager.
        var isManager: Bool
        /// What its certificate says.
        var certificate: PeerIdentity.Role
        /// Whether raft's log says that it was taken out.
        var isRemoved: Bool
        /// Whether its record says that it is the witness.
        var isWitness = false
    }

    /// The next step from what a host is to what it is to be; nil where it is that already, or where the leader is to
    /// act first: a manager that becomes a worker is taken out of raft before.
    static func next(from present: Present, to assigned: Assigned) -> RoleStep? {
        switch assigned.role {
        case .manager:
            if present.isWitness { return .endWitness }
            // One that was demoted and promoted before it noticed has lost its place in raft: it begins anew.
            if present.isManager, present.isRemoved { return .becomeWorker }
            if present.certificate != .manager { return .renew }
            return present.isManager ? nil : .becomeManager
        case .worker:
            if present.isManager { return assigned.isMember ? nil : .becomeWorker }
            if present.certificate != .worker { return .renew }
            if present.isWitness { return assigned.isWitness && !present.isRemoved ? nil : .endWitness }
            return assigned.isWitness ? .becomeWitness : nil
        }
    }
}
