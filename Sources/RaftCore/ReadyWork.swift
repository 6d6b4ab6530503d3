/// A `Ready` that is being carried out, and how far that has come. A full disk ends it midway: what is not done stays
/// to be done, and until then the core is neither stepped nor ticked and sends nothing, as if the host stood still.
public struct ReadyWork: Sendable {
    public enum Stage: Sendable {
        /// The transaction of hard state, entries and snapshot, where `mustPersist` asks for it.
        case save
        /// The state becomes the snapshot's; then `messagesAfterPersisting` go out.
        case install
        /// What is committed and not applied yet is; then `Raft.advance` is due.
        case apply
    }

    /// Between two attempts to write where the disk was full, in ticks (500 ms).
    public static let retryTicks: UInt64 = 10

    public let ready: Ready
    /// What is to be done next.
    public private(set) var stage = Stage.save
    /// The last of its entries that is applied, or 0.
    private var appliedIndex: UInt64 = 0
    /// When a stage for which there was no room is tried again.
    private var retryTick: UInt64?

    public init(_ ready: Ready) { self.ready = ready }

    public var isWaitingForRoom: Bool { retryTick != nil }

    /// Whether the stage may be tried now.
    ///
    /// - Parameter now: ticks since the start of this life.
    public func isDue(at now: UInt64) -> Bool { retryTick ?? 0 <= now }

    /// What may be applied now: what the disk had from the beginning beside every stage, the rest in the last one.
    public var applicable: [Entry] {
        let entries = stage == .apply ? ready.committed + ready.committedAfterPersisting : ready.committed
        return Array(entries.drop { $0.index <= appliedIndex })
    }

    /// Entries are applied, and do not come again, whatever becomes of the stage beside which they were.
    public mutating func applied(through index: UInt64) { appliedIndex = index }

    /// The stage is done.
    public mutating func proceed() { stage = stage == .save ? .install : .apply }

    /// There was no room for the stage, or for what was applied beside it, which has had no effect: it comes again.
    ///
    /// - Returns: whether there was room before.
    public mutating func refuse(at now: UInt64) -> Bool {
        defer { retryTick = now + Self.retryTicks }
        return retryTick == nil
    }
}
