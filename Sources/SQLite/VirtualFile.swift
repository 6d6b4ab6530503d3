import CSQLite
import Glibc

/// A refusal of a file operation: SQLite's extended result code and the system's error number.
struct FileRefusal: Error {
    let code: Int32
    let systemError: Int32

    init(_ code: Int32, _ systemError: Int32 = EIO) {
        self.code = code
        self.systemError = systemError
    }
}

/// A file that SQLite has open (https://www.sqlite.org/c3ref/io_methods.html).
protocol VirtualFile: AnyObject {
    func close()
    /// How many bytes were there; fewer than asked for at the file's end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileRefusal)
    func truncate(to byteCount: Int) throws(FileRefusal)
    func synchronize(_ flags: Int32) throws(FileRefusal)
    func byteCount() throws(FileRefusal) -> Int
    /// Levels as in https://www.sqlite.org/lockingv3.html.
    func lock(_ level: Int32) throws(FileRefusal)
    func unlock(_ level: Int32) throws(FileRefusal)
    /// Whether any connection holds a reserved lock or a higher one.
    func isReserved() throws(FileRefusal) -> Bool
    func control(_ operation: Int32, _ argument: UnsafeMutableRawPointer?) -> Int32
    var sectorByteCount: Int32 { get }
    var characteristics: Int32 { get }

    // The index of the write-ahead log (https://www.sqlite.org/walformat.html, section 2).

    /// Nil where the region does not exist and may not be made.
    func sharedRegion(
        _ number: Int, byteCount: Int, extending: Bool
    ) throws(FileRefusal) -> UnsafeMutableRawPointer?
    func lockShared(_ slots: Range<Int>, _ flags: Int32) throws(FileRefusal)
    func sharedBarrier()
    func unmapShared(deleting: Bool) throws(FileRefusal)
}

/// What SQLite allocates for an open file; `base` has to be first.
struct OpenFile {
    var base: sqlite3_file
    var box: Unmanaged<FileBox>?
}

final class FileBox {
    let file: any VirtualFile

    init(_ file: any VirtualFile) { self.file = file }
}

/// The table through which SQLite calls a `VirtualFile`.
enum FileMethods {
    /// SAFETY: written here and never again; it has to stay as long as any file is open.
    nonisolated(unsafe) static let table: UnsafePointer<sqlite3_io_methods> = {
        let table = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        var methods = sqlite3_io_methods()
        // 3 would add memory-mapped pages, which no fault could reach.
        methods.iVersion = 2
        addBasics(to: &methods)
        addLocks(to: &methods)
        addShared(to: &methods)
        table.initialize(to: methods)
        return UnsafePointer(table)
    }()

    private static func addBasics(to methods: inout sqlite3_io_methods) {
        methods.xClose = { file in
            FileMethods.withOpenFile(file) { open in
                open.box?.takeUnretainedValue().file.close()
                open.box?.release()
                open.box = nil
            }
            return SQLITE_OK
        }
        methods.xRead = { file, buffer, count, offset in
            let buffer = UnsafeMutableRawBufferPointer(start: buffer, count: Int(count))
            var received = 0
            let code = FileMethods.call(file) { file throws(FileRefusal) in
                received = try file.read(into: buffer, at: Int(offset))
            }
            guard code == SQLITE_OK, received < buffer.count else { return code }
            // c3ref/io_methods.html: "If xRead() returns SQLITE_IOERR_SHORT_READ it must also fill in the unread
            // portions of the buffer with zeros."
            UnsafeMutableRawBufferPointer(rebasing: buffer[received...]).initializeMemory(as: UInt8.self, repeating: 0)
            return FileCode.shortRead
        }
        methods.xWrite = { file, bytes, count, offset in
            let bytes = UnsafeRawBufferPointer(start: bytes, count: Int(count))
            return FileMethods.call(file) { file throws(FileRefusal) in try file.write(bytes, at: Int(offset)) }
        }
        methods.xTruncate = { file, size in
            FileMethods.call(file) { file throws(FileRefusal) in try file.truncate(to: Int(size)) }
        }
        methods.xSync = { file, flags in
            FileMethods.call(file) { file throws(FileRefusal) in try file.synchronize(flags) }
        }
        methods.xFileSize = { file, size in
            FileMethods.call(file) { file throws(FileRefusal) in size?.pointee = Int64(try file.byteCount()) }
        }
        methods.xFileControl = { file, operation, argument in
            FileMethods.file(file)?.control(operation, argument) ?? SQLITE_NOTFOUND
        }
        methods.xSectorSize = { file in FileMethods.file(file)?.sectorByteCount ?? 4_096 }
        methods.xDeviceCharacteristics = { file in FileMethods.file(file)?.characteristics ?? 0 }
    }

    private static func addLocks(to methods: inout sqlite3_io_methods) {
        methods.xLock = { file, level in
            FileMethods.call(file) { file throws(FileRefusal) in try file.lock(level) }
        }
        methods.xUnlock = { file, level in
            FileMethods.call(file) { file throws(FileRefusal) in try file.unlock(level) }
        }
        methods.xCheckReservedLock = { file, result in
            FileMethods.call(file) { file throws(FileRefusal) in result?.pointee = try file.isReserved() ? 1 : 0 }
        }
    }

    private static func addShared(to methods: inout sqlite3_io_methods) {
        methods.xShmMap = { file, number, size, extending, result in
            FileMethods.call(file) { file throws(FileRefusal) in
                // Here the address is volatile, which is no concern of whoever hands it on.
                result?.pointee = nil
                result?.pointee = try file.sharedRegion(Int(number), byteCount: Int(size), extending: extending != 0)
            }
        }
        methods.xShmLock = { file, offset, count, flags in
            FileMethods.call(file) { file throws(FileRefusal) in
                try file.lockShared(Int(offset)..<Int(offset + count), flags)
            }
        }
        methods.xShmBarrier = { file in FileMethods.file(file)?.sharedBarrier() }
        methods.xShmUnmap = { file, deleting in
            FileMethods.call(file) { file throws(FileRefusal) in try file.unmapShared(deleting: deleting != 0) }
        }
    }

    static func open(_ file: UnsafeMutablePointer<sqlite3_file>, as opened: any VirtualFile) {
        withOpenFile(file) { open in
            open.box = Unmanaged.passRetained(FileBox(opened))
            open.base.pMethods = table
        }
    }

    private static func withOpenFile(_ file: UnsafeMutablePointer<sqlite3_file>?, _ body: (inout OpenFile) -> Void) {
        guard let file else { return }
        // SAFETY: SQLite has allocated `sqlite3_vfs.szOsFile` bytes there, the size of an `OpenFile`.
        body(&UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self).pointee)
    }

    private static func file(_ file: UnsafeMutablePointer<sqlite3_file>?) -> (any VirtualFile)? {
        var result: (any VirtualFile)?
        withOpenFile(file) { result = $0.box?.takeUnretainedValue().file }
        return result
    }

    private static func call(
        _ file: UnsafeMutablePointer<sqlite3_file>?, _ body: (any VirtualFile) throws(FileRefusal) -> Void
    ) -> Int32 {
        guard let file = self.file(file) else { return SQLITE_MISUSE }
        return resultCode { () throws(FileRefusal) in try body(file) }
    }

    /// The result code of what `body` did; the system's error number is left where `xGetLastError` finds it.
    static func resultCode(_ body: () throws(FileRefusal) -> Void) -> Int32 {
        do {
            try body()
            return SQLITE_OK
        } catch {
            errno = error.systemError
            return error.code
        }
    }
}

/// Extended result codes (https://www.sqlite.org/rescode.html), macros that Swift does not import.
enum FileCode {
    static let read = SQLITE_IOERR | 1 << 8
    static let shortRead = SQLITE_IOERR | 2 << 8
    static let write = SQLITE_IOERR | 3 << 8
    static let sync = SQLITE_IOERR | 4 << 8
    static let directorySync = SQLITE_IOERR | 5 << 8
    static let truncate = SQLITE_IOERR | 6 << 8
    static let status = SQLITE_IOERR | 7 << 8
    static let delete = SQLITE_IOERR | 10 << 8
    static let lock = SQLITE_IOERR | 15 << 8
    static let sharedSize = SQLITE_IOERR | 19 << 8
    static let sharedLock = SQLITE_IOERR | 20 << 8
    static let sharedMap = SQLITE_IOERR | 21 << 8
    static let deleteMissing = SQLITE_IOERR | 23 << 8
    static let data = SQLITE_IOERR | 32 << 8
}
