import Values

/// The Raft algorithm as a value: messages, ticks and proposals in, `Ready` out. It reads no clock, disk or network.
///
/// Diego Ongaro, John Ousterhout: In Search of an Understandable Consensus Algorithm ("Raft section N" in comments),
/// and Ongaro's dissertation; in the manner of etcd-io/raft: pre-vote, a leader that steps down without a majority,
/// reads by index and leases, pipelined replication, learners, witnesses, changes of members one at a time and jointly,
/// hand-over of leadership.
public struct Raft: Sendable {
    public enum Role: Hashable, Sendable { case follower, preCandidate, candidate, leader }

    /// What a member brings along from its earlier life.
    public struct Restored: Sendable {
        public var hardState = HardState()
        /// What the log begins after.
        public var base = SnapshotMetadata.start
        /// The entries after `base`.
        public var entries: [Entry] = []
        /// The last entry that the state machine has.
        public var applied: UInt64 = 0
        /// The newest durable snapshot that can be sent to others.
        public var snapshot: SnapshotMetadata?

        public init() {}
    }

    public let id: UInt64
    public let configuration: RaftConfiguration
    public internal(set) var role = Role.follower
    /// 0 where none is known.
    public internal(set) var leader: UInt64 = 0
    /// The members as of the last committed change.
    public internal(set) var membership: Membership
    /// The members as of the last change in the log, committed or not: whose majorities decide (Raft section 6).
    public internal(set) var latestMembership: Membership
    /// This member has seen its removal committed.
    public internal(set) var isRemoved = false
    /// Where set, this member has seen that the group's safety is broken and does nothing any more.
    public internal(set) var fault: String?

    var term: UInt64
    var vote: UInt64
    var log: RaftLog
    /// The members as of the log's base.
    var baseMembership: Membership
    var persistedState: HardState
    /// The newest snapshot that can be sent to others.
    var latestSnapshot: SnapshotMetadata?
    /// A snapshot that the shell is to install.
    var pendingSnapshot: SnapshotMetadata?

    var generator: SplitMix64
    var electionElapsed = 0
    /// Ticks since a leader was heard from, or since the start where there are leases: in an earlier life this member
    /// may have confirmed one.
    var silence: Int
    var heartbeatElapsed = 0
    /// Raft section 5.2: chosen at random, so that split votes are rare.
    var electionTimeout = 0
    var votes = VoteTally()

    // A leader's.
    var progress: [UInt64: Progress] = [:]
    /// The entry that this leader's term begins with.
    var firstIndexOfTerm: UInt64 = 0
    /// The last change of members in the log, or the term's first entry: the next one waits until it is committed.
    var lastChangeIndex: UInt64 = 0
    var uncommittedBytes = 0
    var transferTarget: UInt64 = 0
    var reads = PendingReads()
    var lease = Lease()

    /// The time, in milliseconds of a clock that is never set back and does not stand still with the machine
    /// (clock_gettime(2): CLOCK_BOOTTIME). The shell sets it before what it calls.
    public var now: UInt64 = 0

    var outbox: [RaftMessage] = []
    var readStates: [ReadState] = []

    /// - Parameters:
    ///   - seed: for the election timeouts; different on every member and in every life.
    /// - Throws: `RestoreError` where the parts do not belong together.
    public init(
        id: UInt64, configuration: RaftConfiguration = RaftConfiguration(), restored: Restored = Restored(),
        seed: UInt64
    ) throws(RestoreError) {
        precondition(id != 0, "0 stands for no member")
        self.id = id
        self.configuration = configuration
        generator = SplitMix64(seed: seed)
        silence = configuration.leaseMilliseconds > 0 ? 0 : configuration.electionTicks
        term = restored.hardState.term
        vote = restored.hardState.vote
        persistedState = restored.hardState
        baseMembership = restored.base.membership
        membership = restored.base.membership
        latestMembership = restored.base.membership
        latestSnapshot = restored.snapshot
        let last = restored.base.index + UInt64(restored.entries.count)
        for (offset, entry) in restored.entries.enumerated() {
            guard entry.index == restored.base.index + UInt64(offset) + 1 else {
                throw .gap(after: restored.base.index + UInt64(offset))
            }
        }
        guard restored.hardState.commit <= last else {
            throw .behindCommit(last: last, commit: restored.hardState.commit)
        }
        guard restored.applied <= last else { throw .behindState(last: last, applied: restored.applied) }
        guard restored.applied >= restored.base.index else {
            throw .stateTooOld(base: restored.base.index, applied: restored.applied)
        }
        log = RaftLog(
            base: restored.base, entries: restored.entries,
            committed: max(restored.hardState.commit, restored.applied), applied: restored.applied)
        membership = membership(at: log.committed)
        latestMembership = membership(at: log.lastIndex)
        chooseElectionTimeout()
    }

    /// Why a member cannot take up its earlier life.
    public enum RestoreError: Error, Hashable, Sendable {
        case gap(after: UInt64)
        /// Entries that were committed are missing.
        case behindCommit(last: UInt64, commit: UInt64)
        /// The state machine has applied entries that are missing.
        case behindState(last: UInt64, applied: UInt64)
        /// The state machine lacks entries that the log no longer has.
        case stateTooOld(base: UInt64, applied: UInt64)
    }

    /// The log of a new group: `member` is its only voter.
    public static func founding(_ member: RaftMember) -> (hardState: HardState, entry: Entry) {
        (HardState(term: 1, vote: 0, commit: 1), Entry(index: 1, term: 1, payload: .membership(.found(member))))
    }

    public var hardState: HardState { HardState(term: term, vote: vote, commit: log.committed) }
    public var currentTerm: UInt64 { term }
    public var committedIndex: UInt64 { log.committed }
    public var appliedIndex: UInt64 { log.applied }
    public var lastIndex: UInt64 { log.lastIndex }
    public var firstIndex: UInt64 { log.baseIndex + 1 }
    /// Whether it is among the members that it knows of; a new learner's log has yet to reach that point.
    public var isMember: Bool { membership[id] != nil }
    public var isTransferring: Bool { transferTarget != 0 }
    /// It leads, and everything that was committed under earlier leaders is known to be committed (Raft section 8).
    public var hasCommittedInTerm: Bool { role == .leader && log.committed >= firstIndexOfTerm }
    /// The entry with which the leader's term began.
    public var leadershipIndex: UInt64 { role == .leader ? firstIndexOfTerm : 0 }

    /// Nil for an entry that is compacted away or not there yet.
    public func term(at index: UInt64) -> UInt64? { log.term(at: index) }

    /// The members as of an entry from the log's base on.
    public func membership(at index: UInt64) -> Membership {
        var result = baseMembership
        log.forEachChange(from: log.baseIndex + 1, through: index) { result.apply($0) }
        return result
    }

    /// How far a member is, on the leader.
    public func progress(of id: UInt64) -> (matched: UInt64, isActive: Bool)? {
        guard role == .leader else { return nil }
        if id == self.id { return (log.persisted, true) }
        return progress[id].map { ($0.matched, $0.isActive || $0.wasActive) }
    }

    /// One unit of time has passed.
    public mutating func tick() {
        guard fault == nil else { return }
        electionElapsed += 1
        silence += 1
        if role == .leader {
            tickAsLeader()
        } else if electionElapsed >= electionTimeout {
            electionElapsed = 0
            campaign()
        }
    }

    /// A message has arrived. Those for another identity, and those of no use any more, are dropped.
    public mutating func step(_ message: RaftMessage) {
        guard fault == nil, message.to == id, message.from != id, message.from != 0 else { return }
        if message.term > term {
            guard stepIntoLaterTerm(message) else { return }
        } else if message.term < term {
            return answerEarlierTerm(message)
        }
        switch message.body {
        case .preVoteRequest(let lastIndex, let lastTerm):
            answerVote(message, lastIndex: lastIndex, lastTerm: lastTerm, isPreVote: true)
        case .voteRequest(let lastIndex, let lastTerm, let isTransfer):
            // Also where another message has brought the term: a leader of an earlier one may have a lease.
            if !isTransfer, hasLivingLeader { return send(.voteResponse(granted: false), to: message.from) }
            answerVote(message, lastIndex: lastIndex, lastTerm: lastTerm, isPreVote: false)
        case .preVoteResponse(let granted):
            // A promise for an earlier term counts for nothing.
            if role == .preCandidate, !granted || message.term == term + 1 { count(granted, from: message.from) }
        case .voteResponse(let granted): if role == .candidate { count(granted, from: message.from) }
        case .append, .heartbeat, .snapshot: stepFromLeader(message)
        case .appendAccepted(let index): if role == .leader { accepted(index, by: message.from) }
        case .appendRejected(let rejected, let hint, let hintTerm):
            if role == .leader { self.rejected(rejected, hint: hint, hintTerm: hintTerm, by: message.from) }
        case .heartbeatResponse(let read): if role == .leader { heartbeatAnswered(read, by: message.from) }
        case .timeoutNow: if role == .follower { campaignForTransfer() }
        case .readIndex(let request): if role == .leader { enqueueRead(request, for: message.from) }
        case .readIndexResponse(let request, let index):
            readStates.append(ReadState(request: request, index: index))
        case .proposals(let commands): _ = try? propose(commands)
        case .snapshotChunk, .snapshotReceived: break
        }
    }

    /// What only a leader of this term sends.
    private mutating func stepFromLeader(_ message: RaftMessage) {
        guard role != .leader else {
            // Raft section 5.2, election safety: at most one leader in a term.
            fault = "member \(message.from) leads in term \(term) as well as this one"
            return
        }
        if role != .follower || leader != message.from { becomeFollower(term: term, leader: message.from) }
        electionElapsed = 0
        silence = 0
        switch message.body {
        case .append(let previousIndex, let previousTerm, let commit, let entries):
            merge(entries, after: previousIndex, previousTerm, commit: commit, from: message.from)
        case .heartbeat(let commit, let read):
            commitThrough(min(commit, log.lastIndex))
            send(.heartbeatResponse(read: read), to: message.from)
        case .snapshot(let metadata): restore(metadata, from: message.from)
        default: break
        }
    }

    mutating func send(_ body: RaftMessage.Body, to receiver: UInt64, term: UInt64? = nil) {
        outbox.append(RaftMessage(from: id, to: receiver, term: term ?? self.term, body: body))
    }

    /// The others that get the log, whether they have just come or are about to go, in the order of their identities:
    /// so a run can be repeated.
    var others: [UInt64] {
        let latest = latestMembership.ids
        let leaving = membership.ids.filter { !latest.contains($0) }
        return (leaving.isEmpty ? latest : (latest + leaving).sorted()).filter { $0 != id }
    }
}
