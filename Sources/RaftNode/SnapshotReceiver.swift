import Glibc
import LinuxSystem
import RaftCore

/// Puts the chunks of one snapshot together in a file.
final class SnapshotReceiver {
    let metadata: SnapshotMetadata
    let sender: UInt64
    private let byteCount: UInt64
    private let expectedChecksum: UInt64
    private let directory: String
    let partialName: String
    private let descriptor: Descriptor
    private var checksum = SnapshotChecksum()
    private(set) var received: UInt64 = 0

    init(_ chunk: SnapshotChunk, from sender: UInt64, directory: String) throws(SystemError) {
        metadata = chunk.metadata
        self.sender = sender
        byteCount = chunk.byteCount
        expectedChecksum = chunk.checksum
        self.directory = directory
        partialName = "received-\(chunk.metadata.index)-\(chunk.metadata.term).part"
        descriptor = try Descriptor.open(directory + "/" + partialName, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
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
        try Bytes.writeAll(descriptor.rawValue, chunk.bytes)
        checksum.add(chunk.bytes)
        received += UInt64(chunk.bytes.count)
        guard received == byteCount else { return .partial }
        guard checksum.value == expectedChecksum else { return .damaged }
        let name = "snapshot-\(metadata.index)-\(metadata.term)-received"
        let path = directory + "/" + partialName
        try syscall("fsync", on: path) { fsync(descriptor.rawValue) }
        try syscall("rename", on: path) { rename(path, directory + "/" + name) }
        try Files.synchronizeDirectory(directory)
        return .whole(SnapshotFile(metadata: metadata, name: name, byteCount: byteCount, checksum: checksum.value))
    }
}
