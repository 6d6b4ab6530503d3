/// How long a node waits for what. All members of a group should have the same.
public struct RaftTiming: Sendable {
    /// The unit of the others, in milliseconds.
    public var tickMilliseconds = 50
    /// A leader lets its followers hear from it this often (100 ms).
    public var heartbeatTicks = 2
    /// A follower that hears nothing for this long, and up to twice as long at random, stands for election (500 ms to
    /// 1 s). A leader that does not hear from a majority for this long steps down.
    public var electionTicks = 10
    /// How long a proposal, a read or a hand-over may take (10 s).
    public var requestTicks = 200
    /// How long a change of members may take, a learner's catching up included (60 s).
    public var membershipTicks = 1_200
    /// How long a change that is for now waits until whoever gets a vote has caught up (500 ms): under load a learner
    /// lags and catches up all the time.
    public var catchUpTicks = 10

    public init() {}
}

/// What a node does beside its work in the group, and how much of it.
struct RaftLimits: Sendable {
    var trimming = RaftTrimming()
    var scrubbing = RaftScrubbing()
}

/// How fast the log and the snapshot are read again to see whether the disk still has them.
struct RaftScrubbing: Sendable {
    /// Bytes read in one step: 1 MB a second with the pause.
    var bytesPerStep = 1 << 20
    var stepPauseMilliseconds = 1_000
    /// Between the end of one pass and the beginning of the next (1 h).
    var passPauseMilliseconds = 3_600_000
}

/// When snapshots are written and the log behind them is trimmed.
struct RaftTrimming: Sendable {
    /// A snapshot is written after this many entries have been applied since the last one.
    var entriesPerSnapshot: UInt64 = 100_000
    /// ... or after this many bytes of commands.
    var bytesPerSnapshot = 128 << 20
    /// Entries before a snapshot that are kept for members a little behind.
    var keptEntries: UInt64 = 1_000
    /// Entries that a witness keeps ...
    var tailEntries: UInt64 = 20_000
    /// ... or bytes of commands.
    var tailBytes = 64 << 20
}

extension RaftTrimming {
    /// Snapshots after so many entries, of which as many parts as usual are kept behind them.
    init(everyEntries count: UInt64) {
        let usual = RaftTrimming()
        func part(_ entries: UInt64) -> UInt64 { max(1, entries * count / usual.entriesPerSnapshot) }
        entriesPerSnapshot = count
        (keptEntries, tailEntries) = (part(usual.keptEntries), part(usual.tailEntries))
    }
}
