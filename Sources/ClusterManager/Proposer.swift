import ClusterModel
import ClusterStore
import JSON
import LinuxSystem
import RaftNode
import Values

/// Puts transactions into the log on the leader.
struct Proposer: Sendable {
    let store: ClusterStore
    let raft: RaftNode

    /// Proposes mutations; returns where in the log they are, and why they were not applied where that is so.
    ///
    /// - Parameters:
    ///   - id: where given, a transaction of that identifier that was applied already is not applied again.
    ///   - lastIndex: where given, nothing is proposed behind this entry.
    ///   - term: where given, nothing is proposed unless this manager leads in exactly this term.
    func propose(
        _ mutations: [Mutation], by author: Author, note: String? = nil, id: String? = nil,
        notAfter lastIndex: UInt64? = nil, term: UInt64? = nil
    ) async throws -> ProposalAnswer {
        let transaction = Transaction(
            time: max(Clock.now(), store.state.time), id: id, author: author, note: note, mutations: mutations)
        if let objection = store.state.objection(to: transaction) {
            return ProposalAnswer(index: store.state.index, refusal: objection)
        }
        let (index, result) = try await raft.propose(
            JSONCoding.encode(transaction), inTerm: term, notAfter: lastIndex)
        return ProposalAnswer(index: index, refusal: try CommandOutcome(decoding: result).refusal)
    }
}

/// A manager's wish for a transaction, to the leader.
struct ProposalRequest: Hashable, Codable {
    var id: String
    /// Through what the client came; the manager itself is named by its certificate.
    var client: String?
    var note: String?
    var mutations: [Mutation]

    /// A leader proposes what it was asked for, or nothing.
    static let coding = JSONCoding.exact(ignoring: Transaction.retiredMembers)
}

/// A wish that was told before and not answered, so that it may have been applied.
struct RepeatedRequest: Hashable, Codable {
    var request: ProposalRequest
    /// An index that was applied when the wish was first told: what became of it stands behind.
    var since: UInt64

    static let coding = ProposalRequest.coding

    /// Behind the entry nobody can say any more whether it was applied before.
    var lastIndex: UInt64 {
        let (sum, isTooLarge) = since.addingReportingOverflow(RecentTransactions.generationLength)
        return isTooLarge ? .max : sum
    }
}

/// What became of a proposal.
struct ProposalAnswer: Hashable, Codable {
    var index: UInt64
    /// nil where it was applied.
    var refusal: Refusal?

    /// The index; throws the refusal.
    @discardableResult
    func applied() throws(Refusal) -> UInt64 {
        if let refusal { throw refusal }
        return index
    }
}
