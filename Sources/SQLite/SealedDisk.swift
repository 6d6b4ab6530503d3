import CSQLite
import Glibc
import Synchronization

/// A disk on which no page of a database, of its write-ahead log and of its journals lies open: they are encrypted on
/// their way to the disk beneath, and what was altered there or is in the wrong place is refused as damage.
///
///     let disk = SealedDisk(cipher)
///     try disk.adopt(path)
///     let database = try Database(path: path, on: disk)
///
/// Files are as long as they would be open, and what a loss of power leaves of them is what it leaves without a seal.
/// Databases that were not sealed are read as they are and never written: `adopt` makes them sealed ones. Temporary
/// files stay in memory. Open are page numbers, lengths, the salts of logs, and the names of files.
public final class SealedDisk: Disk, Volume {
    let pages: SealedPages
    let beneath: (any Disk)?
    private let registration: VirtualFileSystem

    private static let lastNumber = Atomic(0)

    /// - Parameter beneath: where the files lie; nil is the host's file system.
    public init(_ seal: any PageSealing, over beneath: (any Disk)? = nil) {
        pages = SealedPages(seal: seal)
        self.beneath = beneath
        let number = Self.lastNumber.add(1, ordering: .relaxed).newValue
        registration = VirtualFileSystem(name: "sealed-\(number)", over: beneath?.vfsName)
        registration.register(self)
    }

    public var vfsName: String { registration.name }

    var host: UnsafeMutablePointer<sqlite3_vfs> { registration.host }

    public var reservedByteCount: Int { pages.seal.trailerByteCount }

    public func renew(_ path: String) throws(DatabaseError) {
        if let beneath { try beneath.renew(path) } else { try Database.renewHostFile(path) }
    }

    public func replace(_ path: String, by other: String) throws(DatabaseError) {
        if let beneath { try beneath.replace(path, by: other) } else { try Database.replaceHostFile(path, by: other) }
    }

    // The volume.

    private static let temporary =
        SQLITE_OPEN_TEMP_DB | SQLITE_OPEN_TEMP_JOURNAL | SQLITE_OPEN_TRANSIENT_DB | SQLITE_OPEN_SUBJOURNAL
        | SQLITE_OPEN_DELETEONCLOSE

    func open(_ path: UnsafePointer<CChar>?, _ flags: Int32) throws(FileRefusal) -> (any VirtualFile, Int32) {
        guard let path, flags & Self.temporary == 0 else { return (MemoryFile(), flags) }
        let part: SealedFile.Part =
            if flags & SQLITE_OPEN_MAIN_DB != 0 { .database } else if flags & SQLITE_OPEN_WAL != 0 { .log } else {
                .journal
            }
        let real = try HostFile(path, flags, on: host)
        do throws(FileRefusal) {
            let file = try SealedFile(real, part, pages)
            // Its log would not be sealed either, and not be understood.
            if file.isDatabaseOfEarlierVersion, try allows(String(cString: path) + "-wal", SQLITE_ACCESS_EXISTS) {
                throw FileRefusal(SQLITE_CANTOPEN, EINVAL)
            }
            return (file, real.flags)
        } catch {
            real.close()
            throw error
        }
    }

    func delete(_ path: UnsafePointer<CChar>, synchronizingDirectory: Bool) throws(FileRefusal) {
        try HostFile.check(host.pointee.xDelete(host, path, synchronizingDirectory ? 1 : 0))
    }

    func allows(_ path: UnsafePointer<CChar>, _ flags: Int32) throws(FileRefusal) -> Bool {
        var result: Int32 = 0
        try HostFile.check(host.pointee.xAccess(host, path, flags, &result))
        return result != 0
    }

    func resolve(_ path: UnsafePointer<CChar>, into buffer: UnsafeMutableBufferPointer<CChar>) -> Int32? {
        return host.pointee.xFullPathname(host, path, Int32(buffer.count), buffer.baseAddress)
    }
}
