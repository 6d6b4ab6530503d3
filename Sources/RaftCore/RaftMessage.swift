/// A message between two members.
public struct RaftMessage: Hashable, Sendable {
    /// The longest encoded message, in bytes.
    public static let byteLimit = 4 << 20

    public let from: UInt64
    public let to: UInt64
    /// The sender's term, or for a call for votes before an election the term that it would begin.
    public let term: UInt64
    public let body: Body

    public init(from: UInt64, to: UInt64, term: UInt64, body: Body) {
        self.from = from
        self.to = to
        self.term = term
        self.body = body
    }

    public enum Body: Hashable, Sendable {
        /// Would you vote for me? Asked before a term is begun (Ongaro's dissertation, section 9.6).
        case preVoteRequest(lastIndex: UInt64, lastTerm: UInt64)
        case preVoteResponse(granted: Bool)
        /// Raft section 5.2. At the end of a hand-over the leader itself wants it, so its lease does not count.
        case voteRequest(lastIndex: UInt64, lastTerm: UInt64, isTransfer: Bool)
        case voteResponse(granted: Bool)
        /// Raft section 5.3; without entries it carries the commit index.
        case append(previousIndex: UInt64, previousTerm: UInt64, commit: UInt64, entries: [Entry])
        /// The log agrees with the leader's up to the index and is on the disk.
        case appendAccepted(index: UInt64)
        /// The entry at `rejected` is missing or of another term; the logs may agree at `hint`.
        case appendRejected(rejected: UInt64, hint: UInt64, hintTerm: UInt64)
        /// `read` numbers the newest round of reads that wait for a majority to confirm the leader.
        case heartbeat(commit: UInt64, read: UInt64)
        /// Also how a member tells a leader of an earlier term that its time is over.
        case heartbeatResponse(read: UInt64)
        /// A mark within a host, never sent: the shell carries the bytes in chunks and hands the mark to the receiving
        /// core once the file is whole (Raft section 7).
        case snapshot(SnapshotMetadata)
        case snapshotChunk(SnapshotChunk)
        /// The receiver has `received` bytes of the snapshot at the index.
        case snapshotReceived(index: UInt64, received: UInt64)
        /// Stand for election at once (Ongaro's dissertation, section 3.10).
        case timeoutNow
        /// Asks the leader for an index that covers everything committed so far.
        case readIndex(request: UInt64)
        case readIndexResponse(request: UInt64, index: UInt64)
        /// Commands of a follower's, for the leader to propose. There is no answer: who sent them sees them in the log,
        /// or sends them again, and `CommandRegister` lets each happen once.
        case proposals([[UInt8]])
    }
}

/// A piece of a snapshot's file.
public struct SnapshotChunk: Hashable, Sendable {
    /// The most bytes of a piece.
    public static let byteLimit = 512 << 10

    public let metadata: SnapshotMetadata
    /// Of the whole file.
    public let byteCount: UInt64
    /// Of the whole file, by the shell's function.
    public let checksum: UInt64
    public let offset: UInt64
    public let bytes: [UInt8]

    public init(metadata: SnapshotMetadata, byteCount: UInt64, checksum: UInt64, offset: UInt64, bytes: [UInt8]) {
        self.metadata = metadata
        self.byteCount = byteCount
        self.checksum = checksum
        self.offset = offset
        self.bytes = bytes
    }
}
