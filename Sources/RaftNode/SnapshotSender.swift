import Glibc
import LinuxSystem
import RaftCore
import SQLite

/// Sends one snapshot's file to one member, a few chunks ahead of what it has acknowledged.
final class SnapshotSender {
    /// Chunks under way at once.
    static let windowChunks: UInt64 = 4
    /// Without an acknowledgement for this long, what is under way is sent again.
    static let resendTicks: UInt64 = 20
    /// Without an acknowledgement for this long, the transfer is given up.
    static let patienceTicks: UInt64 = 600

    let file: SnapshotFile
    private let bytes: DatabaseFile
    private var acknowledged: UInt64 = 0
    private var sent: UInt64 = 0
    private var hasSentAny = false
    private var lastNews: UInt64
    private var lastSending: UInt64

    /// - Parameter disk: as of `RaftStateMachine`.
    init(_ file: SnapshotFile, directory: String, on disk: SealedDisk?, now: UInt64) throws(SystemError) {
        self.file = file
        // An open file can still be read after a newer snapshot has replaced it.
        bytes = try DatabaseFile(path: directory + "/" + file.name, on: disk)
        lastNews = now
        lastSending = now
    }

    func isGivenUp(now: UInt64) -> Bool { now - lastNews >= Self.patienceTicks }

    /// The receiver has had everything for a while, and its core's answer must have been lost.
    func isForgotten(now: UInt64) -> Bool {
        hasSentAny && acknowledged == file.byteCount && now - lastNews >= Self.resendTicks
    }

    func receive(_ received: UInt64, now: UInt64) {
        guard received <= file.byteCount else { return }
        if received < acknowledged { sent = received }
        if received != acknowledged { lastNews = now }
        acknowledged = received
        sent = max(sent, received)
    }

    /// The chunks to send now.
    func chunks(now: UInt64) throws(SystemError) -> [SnapshotChunk] {
        if now - max(lastNews, lastSending) >= Self.resendTicks {
            sent = acknowledged
            if file.byteCount == 0 { hasSentAny = false }
        }
        var result: [SnapshotChunk] = []
        let window = Self.windowChunks * UInt64(SnapshotChunk.byteLimit)
        while sent < file.byteCount && sent < acknowledged + window || !hasSentAny {
            let bytes = try read(at: sent)
            guard !bytes.isEmpty || file.byteCount == 0 else { throw SystemError("read", file.name, errno: EIO) }
            result.append(
                SnapshotChunk(
                    metadata: file.metadata, byteCount: file.byteCount, checksum: file.checksum, offset: sent,
                    bytes: bytes))
            sent += UInt64(bytes.count)
            hasSentAny = true
        }
        if !result.isEmpty { lastSending = now }
        return result
    }

    private func read(at offset: UInt64) throws(SystemError) -> [UInt8] {
        try bytes.read(at: offset, upTo: Int(min(UInt64(SnapshotChunk.byteLimit), file.byteCount - offset)))
    }
}
