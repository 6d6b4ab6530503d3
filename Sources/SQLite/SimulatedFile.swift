import CSQLite
import Glibc

/// A file of a simulated disk as one connection has it open. Used by that connection alone.
final class SimulatedFile: VirtualFile {
    private let opened: DiskState.Opened
    private let path: String
    private let disk: SimulatedDisk
    private var synchronizesDirectory: Bool
    private var shared: SharedMemory?

    init(_ opened: DiskState.Opened, path: String, disk: SimulatedDisk) {
        self.opened = opened
        self.path = path
        self.disk = disk
        synchronizesDirectory = opened.synchronizesDirectory
    }

    func close() {
        try? unmapShared(deleting: false)
        try? disk.change {
            $0.close(opened, path: path)
            return .success(())
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int {
        try disk.change { $0.read(opened, path, into: buffer, at: offset) }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileRefusal) {
        try disk.change { $0.write(opened, path, bytes, at: offset) }
    }

    func truncate(to byteCount: Int) throws(FileRefusal) {
        try disk.change { $0.truncate(opened, path, to: byteCount) }
    }

    func synchronize(_ flags: Int32) throws(FileRefusal) {
        try disk.change { $0.synchronize(opened, path, withDirectory: synchronizesDirectory) }
        synchronizesDirectory = false
    }

    func byteCount() throws(FileRefusal) -> Int {
        try withFile(FileCode.status) { $0.visible.count }
    }

    func lock(_ level: Int32) throws(FileRefusal) {
        let isFree = try withFile(FileCode.lock) { $0.lock(level, by: opened.connection) }
        if !isFree { throw FileRefusal(SQLITE_BUSY, EAGAIN) }
    }

    func unlock(_ level: Int32) throws(FileRefusal) {
        try withFile(FileCode.lock) { $0.unlock(level, by: opened.connection) }
    }

    func isReserved() throws(FileRefusal) -> Bool { try withFile(FileCode.lock) { $0.isReserved } }

    func control(_ operation: Int32, _ argument: UnsafeMutableRawPointer?) -> Int32 { SQLITE_NOTFOUND }

    var sectorByteCount: Int32 { 4_096 }

    var characteristics: Int32 { SQLITE_IOCAP_POWERSAFE_OVERWRITE }

    func sharedRegion(
        _ number: Int, byteCount: Int, extending: Bool
    ) throws(FileRefusal) -> UnsafeMutableRawPointer? {
        if shared == nil {
            shared = try withFile(FileCode.sharedMap) { file in
                if file.shared == nil { file.shared = SharedMemory() }
                return file.shared
            }
        }
        return shared?.region(number, byteCount: byteCount, extending: extending)
    }

    func lockShared(_ slots: Range<Int>, _ flags: Int32) throws(FileRefusal) {
        guard let shared else { throw FileRefusal(FileCode.sharedLock) }
        let exclusively = flags & SQLITE_SHM_EXCLUSIVE != 0
        if flags & SQLITE_SHM_UNLOCK != 0 {
            shared.unlock(slots, by: opened.connection, exclusively: exclusively)
        } else if !shared.lock(slots, by: opened.connection, exclusively: exclusively) {
            throw FileRefusal(SQLITE_BUSY, EAGAIN)
        }
    }

    func sharedBarrier() { shared?.barrier() }

    func unmapShared(deleting: Bool) throws(FileRefusal) {
        guard let shared else { return }
        shared.unlock(0..<Int(SQLITE_SHM_NLOCK), by: opened.connection)
        self.shared = nil
        if deleting { try withFile(FileCode.sharedMap) { $0.shared = nil } }
    }

    private func withFile<Value: Sendable>(
        _ code: Int32, _ body: (inout DiskFile) -> Value
    ) throws(FileRefusal) -> Value {
        try disk.change { state in
            guard state.isUsable(opened), state.files[opened.file] != nil else { return .failure(FileRefusal(code)) }
            return .success(body(&state.files[opened.file]!))
        }
    }
}
