import RaftCore

/// A snapshot's file on a simulated disk: bytes that no other file has, and the state that they stand for.
final class SimulatedSnapshot {
    let metadata: SnapshotMetadata
    let bytes: [UInt8]
    let checksum: UInt64
    let state: SimulatedState

    init(_ metadata: SnapshotMetadata, _ bytes: [UInt8], _ state: SimulatedState) {
        self.metadata = metadata
        self.bytes = bytes
        self.state = state
        var sum = SnapshotChecksum()
        sum.add(bytes)
        checksum = sum.value
    }

    func piece(_ range: Range<UInt64>) -> SnapshotChunk {
        SnapshotChunk(
            metadata: metadata, byteCount: UInt64(bytes.count), checksum: checksum, offset: range.lowerBound,
            bytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    }
}

/// A file on its way to a member.
struct SimulatedSender {
    let file: SimulatedSnapshot
    var sending: SnapshotSending
    /// One of the next piece's bytes is not what was written.
    var isDamaged = false
}

/// A file that arrives.
struct SimulatedReceiver {
    private(set) var arrival: SnapshotArrival
    private var bytes: [UInt8] = []
    /// The files that its pieces were taken from.
    private var sources: [SimulatedSnapshot] = []

    init(_ chunk: SnapshotChunk, from sender: UInt64) { arrival = SnapshotArrival(chunk, from: sender) }

    mutating func add(_ chunk: SnapshotChunk, of source: SimulatedSnapshot) -> SnapshotArrival.Progress {
        guard arrival.isNext(chunk) else { return .partial }
        bytes += chunk.bytes
        if !sources.contains(where: { $0 === source }) { sources.append(source) }
        return arrival.add(chunk.bytes)
    }

    /// What has arrived; its state is that of the file with the same bytes, if it is one.
    var file: SimulatedSnapshot? {
        guard let source = sources.first(where: { $0.bytes == bytes }) ?? sources.last else { return nil }
        return SimulatedSnapshot(arrival.metadata, bytes, source.state)
    }
}

extension SnapshotChunk {
    /// The piece with a byte that is not what was written.
    var damaged: SnapshotChunk {
        var bytes = bytes
        bytes[bytes.count / 2] ^= 1
        return SnapshotChunk(
            metadata: metadata, byteCount: byteCount, checksum: checksum, offset: offset, bytes: bytes)
    }
}
