/// The receiver's end of a snapshot's way: how much of one file of one sender's has arrived.
public struct SnapshotArrival: Sendable {
    public let metadata: SnapshotMetadata
    public let sender: UInt64
    private let byteCount: UInt64
    private let expectedChecksum: UInt64
    private var checksum = SnapshotChecksum()
    /// Bytes from the beginning on.
    public private(set) var received: UInt64 = 0

    /// An empty file that a piece is about.
    public init(_ chunk: SnapshotChunk, from sender: UInt64) {
        metadata = chunk.metadata
        self.sender = sender
        byteCount = chunk.byteCount
        expectedChecksum = chunk.checksum
    }

    /// Members' files of one index differ, and so may those of one member: pieces of two are never put together.
    public func isAbout(_ chunk: SnapshotChunk, from sender: UInt64) -> Bool {
        sender == self.sender && chunk.metadata == metadata && chunk.byteCount == byteCount
            && chunk.checksum == expectedChecksum
    }

    /// Whether the piece is the next one.
    public func isNext(_ chunk: SnapshotChunk) -> Bool {
        chunk.offset == received && received + UInt64(chunk.bytes.count) <= byteCount
    }

    public enum Progress: Hashable, Sendable {
        case partial
        case whole
        /// The bytes are not those that were sent: from the beginning.
        case damaged
    }

    /// The next piece's bytes were written.
    public mutating func add(_ bytes: [UInt8]) -> Progress {
        checksum.add(bytes)
        received += UInt64(bytes.count)
        guard received == byteCount else { return .partial }
        return checksum.value == expectedChecksum ? .whole : .damaged
    }
}

extension SnapshotChunk {
    /// What a receiver does with a piece.
    public enum Use: Hashable, Sendable {
        /// Nothing of the snapshot is lacking: all of it is acknowledged, and the core is told of it, which says how
        /// far it is.
        case known
        /// A file is begun with it. What has arrived of another one is of no use any more.
        case first
        /// It belongs to the file that is arriving: written if it is the next one, and what there is acknowledged.
        case more
        /// The pieces before it were never here, or are lost: none is acknowledged.
        case astray
    }

    /// - Parameters:
    ///   - committed: the receiver's commit index.
    ///   - isHeld: the receiver has the snapshot's file whole, and has not installed it yet.
    ///   - arrival: the file that is arriving.
    public func use(
        from sender: UInt64, committed: UInt64, isHeld: Bool, arrival: SnapshotArrival?
    ) -> Use {
        if metadata.index <= committed || isHeld { return .known }
        if arrival?.isAbout(self, from: sender) == true { return .more }
        return offset == 0 ? .first : .astray
    }
}
