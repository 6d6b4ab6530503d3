import CSQLite
import Glibc

/// A temporary file of SQLite's that never reaches a disk. Used by one connection alone, without locks.
final class MemoryFile: VirtualFile {
    /// Bytes that one may have; what would need more gets `SQLITE_FULL`.
    static let byteLimit = 256 << 20

    private var bytes: [UInt8] = []

    func close() { bytes = [] }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = max(0, min(buffer.count, bytes.count - offset))
        guard count > 0 else { return 0 }
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count]))
        }
        return count
    }

    func write(_ source: UnsafeRawBufferPointer, at offset: Int) throws(FileRefusal) {
        let end = offset + source.count
        guard end <= Self.byteLimit else { throw FileRefusal(SQLITE_FULL, ENOSPC) }
        if end > bytes.count { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
        bytes.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[offset..<end]).copyMemory(from: source)
        }
    }

    func truncate(to byteCount: Int) { if byteCount < bytes.count { bytes.removeLast(bytes.count - byteCount) } }

    func synchronize(_ flags: Int32) {}

    func byteCount() -> Int { bytes.count }

    func lock(_ level: Int32) {}

    func unlock(_ level: Int32) {}

    func isReserved() -> Bool { false }

    func control(_ operation: Int32, _ argument: UnsafeMutableRawPointer?) -> Int32 { SQLITE_NOTFOUND }

    var sectorByteCount: Int32 { 4_096 }

    var characteristics: Int32 { SQLITE_IOCAP_POWERSAFE_OVERWRITE }

    func sharedRegion(
        _ number: Int, byteCount: Int, extending: Bool
    ) throws(FileRefusal) -> UnsafeMutableRawPointer? { throw FileRefusal(FileCode.sharedMap) }

    func lockShared(_ slots: Range<Int>, _ flags: Int32) throws(FileRefusal) {
        throw FileRefusal(FileCode.sharedLock)
    }

    func sharedBarrier() {}

    func unmapShared(deleting: Bool) {}
}
