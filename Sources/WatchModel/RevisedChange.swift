import ClusterModel
import Values

/// A change of the cluster's state, with the revision that made it: the index of the log entry, which all managers have
/// alike.
public struct RevisedChange: Hashable, Sendable {
    public var revision: UInt64
    /// The entry's time.
    public var time: Timestamp
    public var change: AppliedChange

    public init(revision: UInt64, time: Timestamp, change: AppliedChange) {
        self.revision = revision
        self.time = time
        self.change = change
    }
}

/// How far a watcher has come: it has, or does not need, everything up to a revision of a history.
public struct WatchPosition: Hashable, Sendable {
    /// Names the log that revisions count in: a restore and a recovery begin a new one.
    public var history: String
    public var revision: UInt64

    public init(history: String, revision: UInt64) {
        self.history = history
        self.revision = revision
    }
}

/// What a watcher is told.
public enum WatchUpdate: Hashable, Sendable {
    /// Everything that concerns it, in order, after its last position and up to a revision, whose changes are all here.
    case changes([RevisedChange], upTo: UInt64)
    /// Something is missing between its last position and this one: it has to look at the state, which is at least as
    /// new, and goes on behind the position.
    case resynchronise(WatchPosition)
}
