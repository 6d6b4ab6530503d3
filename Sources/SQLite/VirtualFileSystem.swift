import CSQLite
import Glibc

/// What a `VirtualFileSystem` asks of whoever has the files (https://www.sqlite.org/c3ref/vfs.html).
protocol Volume: AnyObject, Sendable {
    /// - Parameter path: nil for a nameless file that goes when it is closed; the address stays valid while the file is
    ///   open and is followed by what SQLite reads its URI's parameters from.
    /// - Returns: the file, and the flags with which it was really opened.
    func open(_ path: UnsafePointer<CChar>?, _ flags: Int32) throws(FileRefusal) -> (any VirtualFile, Int32)
    func delete(_ path: UnsafePointer<CChar>, synchronizingDirectory: Bool) throws(FileRefusal)
    func allows(_ path: UnsafePointer<CChar>, _ flags: Int32) throws(FileRefusal) -> Bool
    /// Nil where a path stays as it is.
    func resolve(_ path: UnsafePointer<CChar>, into buffer: UnsafeMutableBufferPointer<CChar>) -> Int32?
}

/// A file system that is registered with SQLite from when it is made until it goes.
///
/// The tables are made in Swift: SQLite wants functions without context, and the context lies behind a pointer in what
/// it hands to each of them.
final class VirtualFileSystem: @unchecked Sendable {
    // SAFETY: `volume` is set once, before the first database is opened; the rest never changes.
    private let table: UnsafeMutablePointer<sqlite3_vfs>
    private let namePointer: UnsafeMutablePointer<CChar>
    private weak var volume: (any Volume)?
    /// The one beneath: that of the name given, or the one that was the default when this one was made.
    let host: UnsafeMutablePointer<sqlite3_vfs>
    let name: String

    /// Bytes of a path.
    private static let pathByteLimit: Int32 = 1_024

    init(name: String, over beneath: String? = nil) {
        self.name = name
        guard let host = sqlite3_vfs_find(beneath) else { preconditionFailure("SQLite lacks a file system") }
        self.host = host
        namePointer = strdup(name)
        table = .allocate(capacity: 1)
        table.initialize(to: sqlite3_vfs())
        table.pointee.iVersion = 2
        table.pointee.szOsFile = Int32(MemoryLayout<OpenFile>.stride)
        table.pointee.mxPathname = max(Self.pathByteLimit, host.pointee.mxPathname)
        table.pointee.zName = UnsafePointer(namePointer)
        table.pointee.pAppData = Unmanaged.passUnretained(self).toOpaque()
        addFiles()
        addRest()
    }

    deinit {
        sqlite3_vfs_unregister(table)
        table.deallocate()
        free(namePointer)
    }

    func register(_ volume: any Volume, asDefault: Bool = false) {
        self.volume = volume
        sqlite3_vfs_register(table, asDefault ? 1 : 0)
    }

    /// The one behind a table that SQLite hands over.
    private static func behind(_ table: UnsafeMutablePointer<sqlite3_vfs>?) -> VirtualFileSystem? {
        guard let context = table?.pointee.pAppData else { return nil }
        // SAFETY: `pAppData` is this object, which unregisters the table before it goes.
        return Unmanaged<VirtualFileSystem>.fromOpaque(context).takeUnretainedValue()
    }

    private func addFiles() {
        table.pointee.xOpen = { table, path, file, flags, outFlags in
            guard let file else { return SQLITE_MISUSE }
            // c3ref/vfs.html: without methods, SQLite does not close a file that was not opened.
            file.pointee.pMethods = nil
            guard let volume = VirtualFileSystem.behind(table)?.volume else { return SQLITE_CANTOPEN }
            return FileMethods.resultCode { () throws(FileRefusal) in
                let (opened, actual) = try volume.open(path, flags)
                FileMethods.open(file, as: opened)
                outFlags?.pointee = actual
            }
        }
        table.pointee.xDelete = { table, path, synchronizingDirectory in
            guard let volume = VirtualFileSystem.behind(table)?.volume, let path else { return SQLITE_MISUSE }
            return FileMethods.resultCode { () throws(FileRefusal) in
                try volume.delete(path, synchronizingDirectory: synchronizingDirectory != 0)
            }
        }
        table.pointee.xAccess = { table, path, flags, result in
            guard let volume = VirtualFileSystem.behind(table)?.volume, let path else { return SQLITE_MISUSE }
            return FileMethods.resultCode { () throws(FileRefusal) in
                result?.pointee = try volume.allows(path, flags) ? 1 : 0
            }
        }
        table.pointee.xFullPathname = { table, path, count, result in
            guard let volume = VirtualFileSystem.behind(table)?.volume, let path, let result else {
                return SQLITE_MISUSE
            }
            let buffer = UnsafeMutableBufferPointer(start: result, count: Int(count))
            if let code = volume.resolve(path, into: buffer) { return code }
            guard strlen(path) < buffer.count else { return SQLITE_CANTOPEN }
            strcpy(result, path)
            return SQLITE_OK
        }
    }

    /// What has nothing to do with files is the host's business.
    private func addRest() {
        table.pointee.xRandomness = { table, count, result in
            guard let host = VirtualFileSystem.behind(table)?.host else { return 0 }
            return host.pointee.xRandomness(host, count, result)
        }
        table.pointee.xSleep = { table, microseconds in
            guard let host = VirtualFileSystem.behind(table)?.host else { return 0 }
            return host.pointee.xSleep(host, microseconds)
        }
        table.pointee.xCurrentTime = { table, result in
            guard let host = VirtualFileSystem.behind(table)?.host else { return SQLITE_ERROR }
            return host.pointee.xCurrentTime(host, result)
        }
        table.pointee.xCurrentTimeInt64 = { table, result in
            guard let host = VirtualFileSystem.behind(table)?.host else { return SQLITE_ERROR }
            return host.pointee.xCurrentTimeInt64(host, result)
        }
        table.pointee.xGetLastError = { _, _, _ in errno }
    }
}
