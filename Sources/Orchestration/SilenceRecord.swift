/// For how long a leader has not heard whom. Times are nanoseconds of its boot-time clock.
public struct SilenceRecord: Hashable, Sendable {
    private let pauseLimit: Int64
    private var heard: [UInt64: Int64] = [:]
    private var lastLook: Int64?

    /// - Parameter pauseLimitNanoseconds: who has not looked for longer stood still, or did not lead.
    public init(pauseLimitNanoseconds: Int64) { pauseLimit = pauseLimitNanoseconds }

    /// Notes who is there, and whom of them the leader hears.
    ///
    /// Silence counts from now for one that it has not known, since nobody knows when the last leader heard it, and for
    /// everybody where it looks again after a pause: whoever was silent meanwhile could not be heard.
    public mutating func note(_ members: [(id: UInt64, isHeard: Bool)], at now: Int64) {
        if let lastLook, now - lastLook > pauseLimit { heard = [:] }
        lastLook = now
        var next: [UInt64: Int64] = [:]
        for (id, isHeard) in members { next[id] = isHeard ? now : heard[id] ?? now }
        heard = next
    }

    /// At least 1 for one that is not heard now; 0 for one that is.
    public func silence(of id: UInt64, isHeard: Bool, at now: Int64) -> Int64 {
        isHeard ? 0 : max(1, now - (heard[id] ?? now))
    }
}
