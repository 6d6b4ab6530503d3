import ClusterModel

/// What must hold of the cluster's state whoever looks at it, seen from outside of what changes it.
struct StateChecker {
    /// What the first member that applied an entry made of it.
    private var outcomes: [UInt64: Int] = [:]
    private(set) var violations: [Violation] = []

    /// A member has applied a transaction: all of them make the same of it, and tasks only go forward, each moved by
    /// the party that may.
    mutating func sees(
        _ transaction: Transaction, _ changes: [AppliedChange], _ refusal: Refusal?, at index: UInt64,
        by host: UInt64, from before: ClusterState, to after: ClusterState
    ) {
        var hasher = Hasher()
        hasher.combine(refusal)
        for change in changes {
            hasher.combine(change)
            switch change.kind {
            case .task: hasher.combine(after.tasks[change.id])
            case .service: hasher.combine(after.services[change.id])
            case .node: hasher.combine(after.nodes[change.id])
            default: break
            }
        }
        let outcome = hasher.finalize()
        if let known = outcomes[index] {
            if known != outcome { note(.stateMachineSafety, "\(host) makes something else of entry \(index)") }
            return
        }
        outcomes[index] = outcome
        if refusal != nil, !changes.isEmpty {
            note(.stateMachineSafety, "entry \(index) is refused and changes something")
        }
        for change in changes where change.kind == .task { check(change.id, transaction, index, before, after) }
    }

    private mutating func check(
        _ id: String, _ transaction: Transaction, _ index: UInt64, _ before: ClusterState, _ after: ClusterState
    ) {
        guard let old = before.tasks[id], let new = after.tasks[id] else { return }
        if new.desiredState < old.desiredState {
            note(.taskRules, "entry \(index): task \(id) is wanted \(new.desiredState) after \(old.desiredState)")
        }
        if new.status.state < old.status.state {
            note(.taskRules, "entry \(index): task \(id) is \(new.status.state) after \(old.status.state)")
        }
        if new.nodeID != old.nodeID, !old.nodeID.isEmpty {
            note(.taskRules, "entry \(index): task \(id) moves from \(old.nodeID) to \(new.nodeID)")
        }
        if new.serviceID != old.serviceID { note(.taskRules, "entry \(index): task \(id) changes its service") }
        guard new.status.state != old.status.state, new.status.state > .assigned else { return }
        let isByParty = transaction.mutations.contains { mutation in
            switch mutation {
            case .observe(let observation): observation.taskID == id && observation.nodeID == new.nodeID
            case .orphan(let task): task == id && new.status.state == .orphaned
            default: false
            }
        }
        if !isByParty { note(.taskRules, "entry \(index): task \(id) is \(new.status.state) by the wrong party") }
    }

    private mutating func note(_ promise: Violation.Promise, _ reason: String) {
        violations.append(Violation(promise, reason))
    }
}
