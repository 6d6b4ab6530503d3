import ClusterModel
import NetworkModel

/// What one session has told its host, and what the host has said that its data plane holds.
struct Conversation: Sendable {
    /// The newest picture that the host has had before, as it says; it gets no older one.
    var known: PlanRevision?
    /// Where the transaction stands that begins the session; nil until it is applied.
    var beginning: UInt64?
    var isOver = false
    /// The sections that the host holds as far as it was told, here or before; nil where it takes whole pictures alone.
    var held: [SectionName: SectionMark]?
    private var said: PictureIndex?
    /// What is to be said next.
    private(set) var waiting: HostUpdate?
    /// The last revision that the data plane was brought to; nil after a failure.
    private var receipt: UInt64?
    /// The host holds everything up to here.
    private var settled: UInt64?

    /// Whether the host may be told what a state says.
    func hasBegun(in state: ClusterState) -> Bool {
        guard let beginning, state.index >= beginning else { return false }
        guard let known, known.history == state.historyID else { return true }
        return state.index >= known.index
    }

    /// Whether it was never compared with a state.
    var isNew: Bool { said == nil && waiting == nil }

    /// Whether the host's picture is of one of the sections.
    func needs(oneOf sections: Set<SectionName>) -> Bool {
        guard let known = (waiting?.index ?? said)?.sections else { return true }
        return known.keys.contains { sections.contains($0) }
    }

    /// What is so for the host at a revision.
    ///
    /// - Parameter through: the revision of the last state that was looked at before.
    mutating func look(at index: PictureIndex, in view: inout ClusterView, through: UInt64) {
        if isCurrent { settled = through }
        if said?.sections == index.sections {
            waiting = nil
        } else {
            if let held {
                waiting = HostUpdate(index: index, changes: view.changes(to: index, from: held), picture: nil)
            } else {
                waiting = HostUpdate(index: index, changes: [], picture: view.picture(index))
            }
        }
    }

    /// What is to be said of a waiting update, in order; the host holds it then.
    mutating func say() -> [ManagerMessage] {
        guard let update = waiting else { return [] }
        said = update.index
        waiting = nil
        if let picture = update.picture { return [.picture(picture)] }
        held = update.index.sections
        return update.changes.map { .section($0) } + [.turn(update.index)]
    }

    /// What the host says of its data plane.
    ///
    /// - Parameter through: the revision of the last picture that was looked at.
    mutating func take(_ receipt: HostReceipt, through: UInt64) {
        guard receipt.failure == nil else {
            (self.receipt, settled) = (nil, nil)
            return
        }
        let index = receipt.revision.index
        self.receipt = index
        settled = max(settled ?? 0, isCurrent ? max(index, through) : index)
    }

    /// Whether the host holds what is so as of the last look.
    private var isCurrent: Bool {
        guard let said, let receipt, waiting == nil else { return false }
        return receipt >= said.revision.index
    }

    var holding: Holding {
        if isCurrent { return .current }
        return settled.map { .upTo($0) } ?? .unknown
    }
}

/// What a host is to be told next.
struct HostUpdate: Sendable {
    let index: PictureIndex
    let changes: [SectionChange]
    /// For hosts that take whole pictures alone.
    let picture: HostPicture?
}
