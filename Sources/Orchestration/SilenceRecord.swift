/// For how long a leader has not heard whom. Times are nanoseconds of its boot-time clock.
public struct SilenceRecord: Hashable, Sendable {
    private var heard: [UInt64: Int64] = [:]

    public init() {}

    /// Notes who is there, and whom of them the leader hears. One that it has not known begins as heard: nobody knows
    /// when the last leader heard it.
    public mutating func note(_ members: [(id: UInt64, isHeard: Bool)], at now: Int64) {
        var next: [UInt64: Int64] = [:]
        for (id, isHeard) in members { next[id] = isHeard ? now : heard[id] ?? now }
        heard = next
    }

    /// The leader's own host stood still: whoever was silent meanwhile could not be heard.
    public mutating func forgive(at now: Int64) { for id in heard.keys { heard[id] = now } }

    /// At least 1 for one that is not heard now; 0 for one that is.
    public func silence(of id: UInt64, isHeard: Bool, at now: Int64) -> Int64 {
        isHeard ? 0 : max(1, now - (heard[id] ?? now))
    }
}
