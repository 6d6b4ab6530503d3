/// Bytes that were received and not yet used, taken from the front.
public struct ByteQueue: Sendable {
    private var bytes: [UInt8] = []
    private var start = 0

    public init() {}

    public var count: Int { bytes.count - start }
    public var isEmpty: Bool { start == bytes.count }

    public mutating func append(_ more: some Collection<UInt8>) {
        if start > 0, start >= bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// Takes up to `limit` bytes.
    public mutating func take(upTo limit: Int) -> [UInt8] {
        let end = start + min(limit, count)
        let taken = Array(bytes[start..<end])
        start = end
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= HTTPLimits.pieceBytes)
            start = 0
        }
        return taken
    }

    /// Takes a line with its end, LF or CR LF, which are not part of the result; nil while none is complete.
    mutating func takeLine() -> [UInt8]? {
        guard let end = bytes[start...].firstIndex(of: 0x0a) else { return nil }
        var line = take(upTo: end + 1 - start)
        line.removeLast()
        if line.last == 0x0d { line.removeLast() }
        return line
    }

    /// Drops empty lines at the front (RFC 9112 section 2.2).
    mutating func skipEmptyLines() {
        while start < bytes.count, bytes[start] == 0x0d || bytes[start] == 0x0a { start += 1 }
    }

    /// The length of the head at the front, the empty line included; nil while it is not complete. Looks from `offset`
    /// on.
    func headLength(from offset: Int) -> Int? {
        var index = start + max(0, offset - 3)
        while let end = bytes[index...].firstIndex(of: 0x0a) {
            if end + 1 < bytes.count, bytes[end + 1] == 0x0a { return end + 2 - start }
            if end + 2 < bytes.count, bytes[end + 1] == 0x0d, bytes[end + 2] == 0x0a { return end + 3 - start }
            index = end + 1
        }
        return nil
    }
}
