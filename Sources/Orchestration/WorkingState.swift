import ClusterModel
import Values

/// A state with the mutations that were decided on so far applied to it, so that each decision sees those before it.
struct WorkingState {
    private(set) var state: ClusterState
    private(set) var mutations: [Mutation] = []
    /// When to look again although nothing changes; nil for never.
    private(set) var wakeAt: Timestamp?
    let now: Timestamp
    private var grouped: (serviceID: String, slots: [SlotKey: TaskSlot])?

    init(_ state: ClusterState, now: Timestamp) {
        self.state = state
        self.now = now
    }

    mutating func decide(_ mutation: Mutation) {
        let transaction = Transaction(time: now, mutations: [mutation])
        // What is refused here would be refused by every manager.
        guard let changes = try? state.apply(transaction, at: state.index) else { return }
        grouped = nil
        if !changes.isEmpty { mutations.append(mutation) }
    }

    /// A service's tasks by their place.
    ///
    /// Each step of a reconciliation asks, and most decide nothing: they are grouped again only after a decision.
    mutating func slots(ofService id: String) -> [SlotKey: TaskSlot] {
        if let grouped, grouped.serviceID == id { return grouped.slots }
        let slots = TaskSlot.group(state.tasks(ofService: id))
        grouped = (id, slots)
        return slots
    }

    mutating func wake(at moment: Timestamp) {
        wakeAt = wakeAt.map { min($0, moment) } ?? moment
    }
}

/// Which hosts have to have applied a change before the next step, and what each has applied.
public struct DataplaneReceipts: Hashable, Sendable {
    /// The revision that each host's data plane holds, for hosts with a live session.
    public var applied: [String: UInt64]

    public init(applied: [String: UInt64] = [:]) { self.applied = applied }

    /// Whether every host that is not declared down has applied the change at `index`.
    func cover(_ index: UInt64, in state: ClusterState) -> Bool {
        state.nodes.values.allSatisfy { node in
            node.status.state != .ready || (applied[node.id] ?? 0) >= index
        }
    }
}
