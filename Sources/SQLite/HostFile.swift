import CSQLite
import Glibc

/// A file that the host's own file system has open. Used by one connection alone.
final class HostFile {
    private let file: UnsafeMutablePointer<sqlite3_file>
    private let memory: UnsafeMutableRawPointer
    /// Those with which it was really opened.
    let flags: Int32

    init(
        _ path: UnsafePointer<CChar>?, _ flags: Int32, on host: UnsafeMutablePointer<sqlite3_vfs>
    ) throws(FileRefusal) {
        let byteCount = Int(host.pointee.szOsFile)
        memory = .allocate(byteCount: byteCount, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        // SAFETY: `szOsFile` bytes, as the file system wants them for a file of its own.
        file = memory.assumingMemoryBound(to: sqlite3_file.self)
        var actual = flags
        let code = host.pointee.xOpen(host, path, file, flags, &actual)
        self.flags = actual
        guard code == SQLITE_OK else {
            let error = errno
            if file.pointee.pMethods != nil { _ = file.pointee.pMethods.pointee.xClose(file) }
            throw FileRefusal(code, error)
        }
    }

    deinit { memory.deallocate() }

    private var methods: sqlite3_io_methods { file.pointee.pMethods.pointee }

    static func check(_ code: Int32) throws(FileRefusal) {
        if code != SQLITE_OK { throw FileRefusal(code, errno) }
    }

    var isWritable: Bool { flags & SQLITE_OPEN_READWRITE != 0 }

    func close() { _ = methods.xClose(file) }

    /// Fills what lies behind the file's end with zeros; whether everything lay before it.
    @discardableResult
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Bool {
        let code = methods.xRead(file, buffer.baseAddress, Int32(buffer.count), Int64(offset))
        if code == FileCode.shortRead { return false }
        try Self.check(code)
        return true
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileRefusal) {
        try Self.check(methods.xWrite(file, bytes.baseAddress, Int32(bytes.count), Int64(offset)))
    }

    func truncate(to byteCount: Int) throws(FileRefusal) {
        try Self.check(methods.xTruncate(file, Int64(byteCount)))
    }

    func synchronize(_ flags: Int32) throws(FileRefusal) { try Self.check(methods.xSync(file, flags)) }

    func byteCount() throws(FileRefusal) -> Int {
        var result: Int64 = 0
        try Self.check(methods.xFileSize(file, &result))
        return Int(result)
    }

    func lock(_ level: Int32) throws(FileRefusal) { try Self.check(methods.xLock(file, level)) }

    func unlock(_ level: Int32) throws(FileRefusal) { try Self.check(methods.xUnlock(file, level)) }

    func isReserved() throws(FileRefusal) -> Bool {
        var result: Int32 = 0
        try Self.check(methods.xCheckReservedLock(file, &result))
        return result != 0
    }

    func control(_ operation: Int32, _ argument: UnsafeMutableRawPointer?) -> Int32 {
        methods.xFileControl(file, operation, argument)
    }

    var sectorByteCount: Int32 { methods.xSectorSize(file) }

    var characteristics: Int32 { methods.xDeviceCharacteristics(file) }

    func sharedRegion(
        _ number: Int, byteCount: Int, extending: Bool
    ) throws(FileRefusal) -> UnsafeMutableRawPointer? {
        var result: UnsafeMutableRawPointer?
        let code = methods.xShmMap(file, Int32(number), Int32(byteCount), extending ? 1 : 0, &result)
        try Self.check(code)
        return result
    }

    func lockShared(_ slots: Range<Int>, _ flags: Int32) throws(FileRefusal) {
        try Self.check(methods.xShmLock(file, Int32(slots.lowerBound), Int32(slots.count), flags))
    }

    func sharedBarrier() { methods.xShmBarrier(file) }

    func unmapShared(deleting: Bool) throws(FileRefusal) {
        try Self.check(methods.xShmUnmap(file, deleting ? 1 : 0))
    }
}
