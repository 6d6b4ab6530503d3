import RuntimeProtocol

/// What `LogLines` holds back of a stream: the same bytes, given to another one, make the same log.
struct UnfinishedLine {
    private(set) var bytes: [UInt8] = []

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    mutating func take(_ piece: UnsafeRawBufferPointer) {
        // Of what comes from elsewhere at most the last line is looked at.
        if let end = piece.lastIndex(of: 0x0a) {
            bytes = Array(piece[(end + 1)...])
        } else {
            bytes += piece
        }
        if bytes.count >= LogLines.longest {
            bytes.removeFirst(bytes.count / LogLines.longest * LogLines.longest)
        }
    }
}
