/// Reads without a log entry: the leader notes its commit index and lets a majority confirm that it still leads (Raft
/// section 8; dissertation, section 6.4).
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
        reads.round += 1
        reads.waiting.append(
            PendingReads.Read(request: request, requester: requester, round: reads.round, index: log.committed))
        if membership.voters == [id] { releaseReads() } else { broadcastHeartbeat() }
    }

    mutating func releasePostponedReads() {
        guard hasCommittedInTerm, !reads.postponed.isEmpty else { return }
        let postponed = reads.postponed
        reads.postponed = []
        for read in postponed { enqueueRead(read.request, for: read.requester) }
    }

    mutating func releaseReads() {
        guard role == .leader, !reads.waiting.isEmpty else { return }
        let confirmed = Quorum.reached(
            membership.voters.map { $0 == id ? reads.round : progress[$0]?.confirmedRead ?? 0 })
        let released = reads.waiting.prefix { $0.round <= confirmed }
        reads.waiting.removeFirst(released.count)
        for read in released {
            if read.requester == id {
                readStates.append(ReadState(request: read.request, index: read.index))
            } else {
                send(.readIndexResponse(request: read.request, index: read.index), to: read.requester)
            }
        }
    }
}
