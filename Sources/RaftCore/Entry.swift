/// One place in the log (Raft section 5.3).
public struct Entry: Hashable, Sendable {
    /// What an entry holds.
    public enum Payload: Hashable, Sendable {
        /// What a new leader appends, so that entries of earlier terms become committed (Raft section 8).
        case nothing
        case command([UInt8])
        case membership(MembershipChange)
    }

    /// The longest command, in bytes.
    public static let commandByteLimit = 2 << 20

    public let index: UInt64
    /// The term of the leader that made it.
    public let term: UInt64
    public let payload: Payload

    public init(index: UInt64, term: UInt64, payload: Payload) {
        self.index = index
        self.term = term
        self.payload = payload
    }

    /// About what it costs to send or keep, in bytes.
    public var byteCount: Int {
        switch payload {
        case .nothing: 16
        case .command(let bytes): 16 + bytes.count
        case .membership: 256
        }
    }
}

/// What must survive a crash besides the log (Raft figure 2: persistent state), and how far the log is known committed.
public struct HardState: Hashable, Sendable {
    public var term: UInt64
    /// Whom this member voted for in the term; 0 for nobody.
    public var vote: UInt64
    /// May be behind the truth.
    public var commit: UInt64

    public init(term: UInt64 = 0, vote: UInt64 = 0, commit: UInt64 = 0) {
        self.term = term
        self.vote = vote
        self.commit = commit
    }
}

/// What a snapshot stands for: the log up to an index (Raft section 7).
public struct SnapshotMetadata: Hashable, Sendable {
    public let index: UInt64
    public let term: UInt64
    /// The members as of the index.
    public let membership: Membership

    public init(index: UInt64, term: UInt64, membership: Membership) {
        self.index = index
        self.term = term
        self.membership = membership
    }

    /// The beginning of every log.
    public static let start = SnapshotMetadata(index: 0, term: 0, membership: Membership())
}
