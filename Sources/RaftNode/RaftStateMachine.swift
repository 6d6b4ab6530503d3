import SQLite

/// A command that the group has committed.
public struct CommittedCommand: Sendable {
    /// Its place in the log; rises, with gaps where the log holds entries of Raft's own.
    public let index: UInt64
    public let term: UInt64
    /// What was proposed.
    public let bytes: [UInt8]

    public init(index: UInt64, term: UInt64, bytes: [UInt8]) {
        self.index = index
        self.term = term
        self.bytes = bytes
    }
}

/// The replicated state: what committed commands are applied to, in the same order on every member.
///
/// `apply`, `installation` and what that returns are called one at a time: on the node's own thread, and `apply` also
/// on another one while that waits for its disk. Either way they hold up the node's heartbeats: they must be done
/// within a fraction of the election timeout. `appliedIndex` is read when the node starts, founds a group or joins one;
/// `writeSnapshot` is called on a thread of its own beside `apply`.
public protocol RaftStateMachine: AnyObject, Sendable {
    /// The disk that seals the snapshots, which then are databases; nil where they are sent as they lie there. What is
    /// sent is not sealed, and what arrives is where it can be.
    var snapshotDisk: SealedDisk? { get }

    /// The index of the last command that the state contains; 0 for a fresh state. The node applies what follows it.
    /// After a crash it may be lower than it was, never higher than what was applied.
    var appliedIndex: UInt64 { get }

    /// Applies commands in order, each exactly once, and answers with one result for each, which goes to whoever
    /// proposed it on this node. Throwing stops the node: the group goes on without it. But where it throws a
    /// `DatabaseError` for a full disk, none of the commands may have taken effect: they come again when there is room.
    func apply(_ commands: [CommittedCommand]) throws -> [[UInt8]]

    /// Writes the state as of one index into a new file at `path` and returns that index; nil where it would rather not
    /// now. It must not hold `apply` up for long. The node makes the file durable and owns it from then on.
    func writeSnapshot(to path: String) throws -> UInt64?

    /// Makes everything ready that replaces the whole state by the snapshot in the file, without an effect yet. The
    /// node calls it before it gives up the log that the snapshot replaces. The file stays the node's: copy it, never
    /// open it for writing.
    ///
    /// - Returns: what replaces the state, durably, so that `appliedIndex` is `index` afterwards. It may be called
    ///   again after it threw for a full disk, and nothing stays of it where it is let go without a call.
    /// - Throws: where the file does not hold a state as of `index` that this program can go on with.
    func installation(of path: String, index: UInt64) throws -> () throws -> Void

    /// Whether there is a state at all: a witness has none.
    var hasState: Bool { get }
}

extension RaftStateMachine {
    public var hasState: Bool { true }
    public var snapshotDisk: SealedDisk? { nil }

    /// Replaces the whole state by the snapshot in the file.
    public func install(snapshot path: String, index: UInt64) throws { try installation(of: path, index: index)() }
}
