/// How much of the log a witness keeps: between half of what it may and all of it. What was acknowledged while one
/// manager was away may be there alone when the other is lost.
public struct WitnessTail: Sendable {
    /// What goes next time.
    private var mark: UInt64

    /// - Parameter base: what the log begins after.
    public init(after base: UInt64) { mark = base }

    /// To be called now and then.
    ///
    /// - Parameters:
    ///   - limit: entries that are kept at most.
    ///   - isHeavy: what was applied since the last move has half of the bytes that are kept at most.
    /// - Returns: up to where the log is to be trimmed; nil where it is not time.
    public mutating func move(applied: UInt64, limit: UInt64, isHeavy: Bool) -> UInt64? {
        guard applied > mark, applied - mark >= limit / 2 || isHeavy else { return nil }
        defer { mark = applied }
        return mark
    }
}
