/// Times in ticks and limits of the core.
public struct RaftConfiguration: Hashable, Sendable {
    /// A follower that hears nothing for this long, and up to twice as long at random, stands for election; a leader
    /// that does not hear from a majority for this long steps down.
    public var electionTicks = 10
    public var heartbeatTicks = 2
    /// How long a leader that a majority has confirmed answers reads without asking again, in milliseconds of its own
    /// clock; 0 for never. It has to be over before any member of that majority, whose clock may be faster, has let an
    /// election timeout pass: at 250 of 500 ms clocks may differ by a third.
    public var leaseMilliseconds: UInt64 = 0
    /// Entries in one message, in bytes; one entry always fits.
    public var appendByteLimit = 1 << 20
    /// Messages with entries under way to one member.
    public var inflightMessageLimit = 64
    /// Entries under way to one member, in bytes.
    public var inflightByteLimit = 8 << 20
    /// Entries that a leader has proposed and not committed, in bytes.
    public var uncommittedByteLimit = 64 << 20
    /// Entries handed out for applying at once, in bytes; one always is.
    public var applyByteLimit = 4 << 20
    /// Reads that wait for a majority at once.
    public var pendingReadLimit = 4_096

    public init() {}
}
