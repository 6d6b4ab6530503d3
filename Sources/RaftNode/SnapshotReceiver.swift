import Glibc
import LinuxSystem
import RaftCore
import SQLite

/// Puts the chunks of one snapshot together in a file.
final class SnapshotReceiver {
    private(set) var arrival: SnapshotArrival
    private let directory: String
    let partialName: String
    private var file: ArrivingDatabaseFile

    /// - Parameter disk: as of `RaftStateMachine`.
    init(
        _ chunk: SnapshotChunk, from sender: UInt64, directory: String, on disk: SealedDisk?
    ) throws(SystemError) {
        arrival = SnapshotArrival(chunk, from: sender)
        self.directory = directory
        partialName = "received-\(chunk.metadata.index)-\(chunk.metadata.term).part"
        file = try ArrivingDatabaseFile(path: directory + "/" + partialName, on: disk)
    }

    enum Outcome {
        case partial
        case whole(SnapshotFile)
        /// The bytes are not those that were sent: from the beginning.
        case damaged
    }

    /// Appends a chunk if it is the next one.
    func add(_ chunk: SnapshotChunk) throws(SystemError) -> Outcome {
        guard arrival.isNext(chunk) else { return .partial }
        try file.add(chunk.bytes)
        switch arrival.add(chunk.bytes) {
        case .partial: return .partial
        case .damaged: return .damaged
        case .whole: break
        }
        let metadata = arrival.metadata
        let name = "snapshot-\(metadata.index)-\(metadata.term)-received"
        let path = directory + "/" + partialName
        try file.finish()
        try syscall("rename", on: path) { rename(path, directory + "/" + name) }
        try Files.synchronizeDirectory(directory)
        return .whole(
            SnapshotFile(metadata: metadata, name: name, byteCount: chunk.byteCount, checksum: chunk.checksum))
    }
}
