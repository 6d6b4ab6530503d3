import Glibc
import LinuxSystem
import RaftCore
import SQLite

/// Puts the chunks of one snapshot together in a file.
final class SnapshotReceiver {
    let metadata: SnapshotMetadata
    let sender: UInt64
    private let byteCount: UInt64
    private let expectedChecksum: UInt64
    private let directory: String
    let partialName: String
    private var file: ArrivingDatabaseFile
    private var checksum = SnapshotChecksum()
    private(set) var received: UInt64 = 0

    /// - Parameter disk: as of `RaftStateMachine`.
    init(
        _ chunk: SnapshotChunk, from sender: UInt64, directory: String, on disk: SealedDisk?
    ) throws(SystemError) {
        metadata = chunk.metadata
        self.sender = sender
        byteCount = chunk.byteCount
        expectedChecksum = chunk.checksum
        self.directory = directory
        partialName = "received-\(chunk.metadata.index)-\(chunk.metadata.term).part"
        file = try ArrivingDatabaseFile(path: directory + "/" + partialName, on: disk)
    }

    func isAbout(_ chunk: SnapshotChunk, from sender: UInt64) -> Bool {
        sender == self.sender && chunk.metadata == metadata && chunk.byteCount == byteCount
            && chunk.checksum == expectedChecksum
    }

    enum Outcome {
        case partial
        case whole(SnapshotFile)
        /// The bytes are not those that were sent: from the beginning.
        case damaged
    }

    /// Appends a chunk if it is the next one.
    func add(_ chunk: SnapshotChunk) throws(SystemError) -> Outcome {
        guard chunk.offset == received, received + UInt64(chunk.bytes.count) <= byteCount else { return .partial }
        try file.add(chunk.bytes)
        checksum.add(chunk.bytes)
        received += UInt64(chunk.bytes.count)
        guard received == byteCount else { return .partial }
        guard checksum.value == expectedChecksum else { return .damaged }
        let name = "snapshot-\(metadata.index)-\(metadata.term)-received"
        let path = directory + "/" + partialName
        try file.finish()
        try syscall("rename", on: path) { rename(path, directory + "/" + name) }
        try Files.synchronizeDirectory(directory)
        return .whole(SnapshotFile(metadata: metadata, name: name, byteCount: byteCount, checksum: checksum.value))
    }
}
