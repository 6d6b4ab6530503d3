/// What the shell has to do next, in the order of the fields. Nothing is stepped, ticked or proposed until `advance`.
public struct Ready: Sendable {
    /// To send at once: a leader's messages of a term that is on its disk already, whose entries followers may write
    /// while the leader does (Ongaro's dissertation, section 10.2.1).
    public var messages: [RaftMessage] = []
    /// To apply, in order, at once or at any time before `committedAfterPersisting`: this member's disk has these
    /// entries already, so they need not wait until what follows is written (Ongaro's dissertation, section 10.1). None
    /// where there is a snapshot.
    public var committed: [Entry] = []
    /// Where set, the log becomes empty after this snapshot, whose file the shell holds, and the state machine is
    /// replaced by it.
    public var snapshot: SnapshotMetadata?
    /// To write in one transaction with what follows and the snapshot.
    public var hardState: HardState
    /// To write; whatever the disk has at the first one's index or after it goes.
    public var entries: [Entry] = []
    /// Whether anything must be on the disk before the rest; otherwise `hardState` may be written with a later one.
    public var mustPersist: Bool
    /// To send once that is on the disk.
    public var messagesAfterPersisting: [RaftMessage] = []
    /// To apply after `committed`, in order, once that is on the disk: a state that was ahead of its log could not be
    /// taken up again (`Raft.RestoreError.behindState`).
    public var committedAfterPersisting: [Entry] = []
    /// Reads that may be answered as soon as their index is applied.
    public var reads: [ReadState] = []
}

/// The answer to `Raft.requestRead`.
public struct ReadState: Hashable, Sendable {
    public let request: UInt64
    /// Everything committed when the read was asked for is at or below this index.
    public let index: UInt64
}

extension Raft {
    /// What is to do; nil where nothing is.
    public mutating func takeReady() -> Ready? {
        let mustPersist =
            pendingSnapshot != nil || log.persisted < log.lastIndex || hardState.term != persistedState.term
            || hardState.vote != persistedState.vote
        let unapplied = log.unapplied(byteLimit: configuration.applyByteLimit)
        guard mustPersist || !outbox.isEmpty || !unapplied.isEmpty || !readStates.isEmpty else { return nil }
        var ready = Ready(hardState: hardState, mustPersist: mustPersist)
        ready.snapshot = pendingSnapshot
        ready.entries = log.unpersisted
        ready.committed = Array(unapplied.prefix { $0.index <= log.persisted })
        ready.committedAfterPersisting = Array(unapplied.dropFirst(ready.committed.count))
        ready.reads = readStates
        let mayPrecede = role == .leader && hardState.term == persistedState.term
        for message in outbox {
            if mayPrecede, message.term == hardState.term {
                ready.messages.append(message)
            } else {
                ready.messagesAfterPersisting.append(message)
            }
        }
        outbox = []
        readStates = []
        return ready
    }

    /// The shell has applied entries of the `Ready` under way, whose rest may take longer: the one thing that it may
    /// tell before `advance`.
    public mutating func applied(through index: UInt64) { log.markApplied(through: index) }

    /// The shell has done what `ready` asked for.
    public mutating func advance(_ ready: Ready) {
        pendingSnapshot = nil
        if ready.mustPersist {
            log.markPersisted()
            persistedState = ready.hardState
        }
        if let last = ready.committedAfterPersisting.last ?? ready.committed.last { applied(through: last.index) }
        if role == .leader { commitWhatMajorityHas() }
    }
}
