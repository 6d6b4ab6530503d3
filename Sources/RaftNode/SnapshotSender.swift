import Glibc
import LinuxSystem
import RaftCore
import SQLite

/// Sends one snapshot's file to one member, as `SnapshotSending` decides.
final class SnapshotSender {
    let file: SnapshotFile
    private let bytes: DatabaseFile
    private var sending: SnapshotSending

    /// - Parameter disk: as of `RaftStateMachine`.
    init(_ file: SnapshotFile, directory: String, on disk: SealedDisk?, now: UInt64) throws(SystemError) {
        self.file = file
        // An open file can still be read after a newer snapshot has replaced it.
        bytes = try DatabaseFile(path: directory + "/" + file.name, on: disk)
        sending = SnapshotSending(byteCount: file.byteCount, now: now)
    }

    func isOver(now: UInt64) -> Bool { sending.isGivenUp(now: now) || sending.isForgotten(now: now) }

    func receive(_ received: UInt64, now: UInt64) { sending.receive(received, now: now) }

    /// The chunks to send now.
    func chunks(now: UInt64) throws(SystemError) -> [SnapshotChunk] {
        var result: [SnapshotChunk] = []
        for piece in sending.pieces(now: now) {
            let bytes = try bytes.read(at: piece.lowerBound, upTo: piece.count)
            guard bytes.count == piece.count else { throw SystemError("read", file.name, errno: EIO) }
            result.append(
                SnapshotChunk(
                    metadata: file.metadata, byteCount: file.byteCount, checksum: file.checksum,
                    offset: piece.lowerBound, bytes: bytes))
        }
        return result
    }
}
