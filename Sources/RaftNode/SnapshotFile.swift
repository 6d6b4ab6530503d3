import Glibc
import LinuxSystem
import RaftCore
import SQLite

/// A snapshot that has arrived whole, and what makes it the state.
struct ReceivedSnapshot {
    let file: SnapshotFile
    let install: () throws -> Void
}

/// A snapshot on this host's disk, whole and durable.
struct SnapshotFile: Sendable, Hashable {
    let metadata: SnapshotMetadata
    /// The file's name in the directory of snapshots.
    let name: String
    let byteCount: UInt64
    let checksum: UInt64

    /// A file that a state machine has just written, before its place in the log is known.
    struct Written: Sendable {
        let index: UInt64
        let name: String
        let byteCount: UInt64
        let checksum: UInt64
    }

    /// Bytes read at once.
    private static let pieceByteCount = 1 << 20

    /// Makes a file durable and measures it.
    static func seal(_ path: String, on disk: SealedDisk?) throws(SystemError) -> (byteCount: UInt64, checksum: UInt64)
    {
        let file = try Descriptor.open(path, O_RDONLY)
        try syscall("fsync", on: path) { fsync(file.rawValue) }
        try Files.synchronizeDirectory(Files.parent(of: path))
        return try measure(DatabaseFile(path: path, on: disk))
    }

    /// Whether the file holds what was written.
    func isWhole(in directory: String, on disk: SealedDisk?) -> Bool {
        guard let file = try? DatabaseFile(path: directory + "/" + name, on: disk),
            let (byteCount, checksum) = try? Self.measure(file)
        else { return false }
        return byteCount == self.byteCount && checksum == self.checksum
    }

    /// What is measured is what is sent.
    private static func measure(
        _ file: borrowing DatabaseFile
    ) throws(SystemError) -> (byteCount: UInt64, checksum: UInt64) {
        var byteCount: UInt64 = 0
        var checksum = SnapshotChecksum()
        while true {
            let piece = try file.read(at: byteCount, upTo: pieceByteCount)
            if piece.isEmpty { return (byteCount, checksum.value) }
            byteCount += UInt64(piece.count)
            checksum.add(piece)
        }
    }
}
