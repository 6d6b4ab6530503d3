import ClusterModel
import NetworkModel

/// What one session has told its host, and what the host has said that its data plane holds.
struct Conversation: Sendable {
    /// The newest picture that the host has had before, as it says; it gets no older one.
    var known: PlanRevision?
    /// Where the transaction stands that begins the session; nil until it is applied.
    var beginning: UInt64?
    var isOver = false
    private var said: HostPicture?
    /// What is to be said next.
    private(set) var waiting: HostPicture?
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

    /// What is so for the host at a revision.
    mutating func look(at picture: HostPicture) {
        waiting = said?.at(picture.revision) == picture ? nil : picture
        if isCurrent { settled = picture.revision.index }
    }

    mutating func say(_ picture: HostPicture) {
        said = picture
        waiting = nil
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

    /// Whether the host holds what was looked at last.
    private var isCurrent: Bool {
        guard let said, let receipt, waiting == nil else { return false }
        return receipt >= said.revision.index
    }

    var holding: Holding {
        if isCurrent { return .current }
        return settled.map { .upTo($0) } ?? .unknown
    }
}
