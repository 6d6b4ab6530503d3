/// The sender's end of a snapshot's way to one member: what is sent when, a few pieces ahead of what the member has
/// acknowledged. Pieces and acknowledgements may be lost, come twice, late, or in another order.
public struct SnapshotSending: Sendable {
    /// Pieces under way at once.
    public static let windowPieces: UInt64 = 4
    /// Without an acknowledgement for this long, what is under way is sent again (1 s).
    public static let resendTicks: UInt64 = 20
    /// Without an acknowledgement for this long, the transfer is given up (30 s).
    public static let patienceTicks: UInt64 = 600

    /// Of the whole file.
    public let byteCount: UInt64
    /// The most bytes of a piece.
    private let pieceByteLimit: UInt64
    private var acknowledged: UInt64 = 0
    private var sent: UInt64 = 0
    private var hasSentAny = false
    private var lastNews: UInt64
    private var lastSending: UInt64

    /// - Parameter now: ticks since the sender's start.
    public init(byteCount: UInt64, pieceByteLimit: UInt64 = UInt64(SnapshotChunk.byteLimit), now: UInt64) {
        precondition(pieceByteLimit > 0, "pieces without bytes")
        self.byteCount = byteCount
        self.pieceByteLimit = pieceByteLimit
        lastNews = now
        lastSending = now
    }

    public func isGivenUp(now: UInt64) -> Bool { now - lastNews >= Self.patienceTicks }

    /// The receiver has had everything for a while, and its core's answer must have been lost.
    public func isForgotten(now: UInt64) -> Bool {
        hasSentAny && acknowledged == byteCount && now - lastNews >= Self.resendTicks
    }

    /// The member has so many bytes from the beginning on; fewer than before where it had to begin anew.
    public mutating func receive(_ received: UInt64, now: UInt64) {
        guard received <= byteCount else { return }
        if received < acknowledged { sent = received }
        if received != acknowledged { lastNews = now }
        acknowledged = received
        sent = max(sent, received)
    }

    /// The pieces to send now, in order; of an empty file one without bytes.
    public mutating func pieces(now: UInt64) -> [Range<UInt64>] {
        if now - max(lastNews, lastSending) >= Self.resendTicks {
            sent = acknowledged
            if byteCount == 0 { hasSentAny = false }
        }
        var result: [Range<UInt64>] = []
        let window = Self.windowPieces * pieceByteLimit
        while sent < byteCount && sent < acknowledged + window || !hasSentAny {
            let end = min(byteCount, sent + pieceByteLimit)
            result.append(sent..<end)
            sent = end
            hasSentAny = true
        }
        if !result.isEmpty { lastSending = now }
        return result
    }
}
