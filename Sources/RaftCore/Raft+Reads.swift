/// Reads without a log entry: the leader notes its commit index and lets a majority confirm that it still leads, unless
/// one did so a moment ago (Raft section 8; dissertation, section 6.4).
struct PendingReads: Sendable {
    struct Read: Sendable {
        let request: UInt64
        /// The member that asked.
        let requester: UInt64
        let round: UInt64
        let index: UInt64
    }

    /// The newest round: a heartbeat carries it, and whoever answers confirms this and all earlier ones.
    var round: UInt64 = 0
    /// In the order of their rounds.
    var waiting: [Read] = []
    /// Asked before this leader has committed an entry of its term.
    var postponed: [(request: UInt64, requester: UInt64)] = []
}

/// A leader's right to answer reads by itself: a majority that heard its heartbeat elects nobody else for an election
/// timeout (dissertation, section 6.4.1).
struct Lease: Sendable {
    /// Rounds of heartbeats that are not confirmed yet, and when they were sent.
    private var rounds: [(number: UInt64, time: UInt64)] = []
    /// When the newest confirmed round was sent; nil where none is.
    private var begin: UInt64?
    private var isGivenUp = false

    /// The most rounds that are kept: a leader that hears nothing steps down long before.
    private static let limit = 1_000

    mutating func sent(_ round: UInt64, at time: UInt64) {
        if rounds.count == Self.limit { rounds.removeFirst() }
        rounds.append((round, time))
    }

    /// A majority has answered the round or a later one.
    mutating func confirm(_ round: UInt64) {
        let confirmed = rounds.prefix { $0.number <= round }
        guard let last = confirmed.last else { return }
        begin = last.time
        rounds.removeFirst(confirmed.count)
    }

    /// What was confirmed is not any more; the next round counts again.
    mutating func end() {
        rounds = []
        begin = nil
    }

    /// For good.
    mutating func giveUp() { isGivenUp = true }

    func holds(at time: UInt64, for duration: UInt64) -> Bool {
        guard let begin, !isGivenUp else { return false }
        return time < begin + duration
    }
}

extension Raft {
    /// Asks for an index that covers everything committed so far; the answer comes as a `ReadState`, or never, where
    /// messages are lost or the leader changes. False where no leader is known.
    public mutating func requestRead(_ request: UInt64) -> Bool {
        guard fault == nil else { return false }
        if role == .leader {
            enqueueRead(request, for: id)
        } else {
            guard leader != 0 else { return false }
            send(.readIndex(request: request), to: leader)
        }
        return true
    }

    mutating func enqueueRead(_ request: UInt64, for requester: UInt64) {
        guard reads.waiting.count + reads.postponed.count < configuration.pendingReadLimit else { return }
        guard hasCommittedInTerm else {
            reads.postponed.append((request, requester))
            return
        }
        if lease.holds(at: now, for: configuration.leaseMilliseconds) || latestMembership.voters == [id] {
            return answerRead(request, for: requester, log.committed)
        }
        // The next round, which is sent now, confirms it.
        reads.waiting.append(
            PendingReads.Read(request: request, requester: requester, round: reads.round + 1, index: log.committed))
        broadcastHeartbeat()
    }

    private mutating func answerRead(_ request: UInt64, for requester: UInt64, _ index: UInt64) {
        if requester == id {
            readStates.append(ReadState(request: request, index: index))
        } else {
            send(.readIndexResponse(request: request, index: index), to: requester)
        }
    }

    /// The newest round of heartbeats that a majority has answered.
    var confirmedRound: UInt64 {
        latestMembership.electorate.reached { $0 == id ? reads.round : progress[$0]?.confirmedRead ?? 0 }
    }

    mutating func releasePostponedReads() {
        guard hasCommittedInTerm, !reads.postponed.isEmpty else { return }
        let postponed = reads.postponed
        reads.postponed = []
        for read in postponed { enqueueRead(read.request, for: read.requester) }
    }

    mutating func releaseReads() {
        guard role == .leader, !reads.waiting.isEmpty else { return }
        let confirmed = confirmedRound
        let released = reads.waiting.prefix { $0.round <= confirmed }
        reads.waiting.removeFirst(released.count)
        for read in released { answerRead(read.request, for: read.requester, read.index) }
    }
}
