import CSQLite
import Glibc

extension SealedDisk {
    /// What is known of a database's file without opening it.
    enum Standing: Hashable {
        /// There is none, or an empty one.
        case absent
        case open
        case sealed(PageKeyAge)
    }

    /// Makes a database that is not sealed, or not under the newest key alone, one that is; nothing to do for others.
    /// Nobody may have it open. After a loss of power the one or the other is there, with all that was committed.
    ///
    /// The database is copied, so what it was stays on the medium until the file system uses that room again.
    public func adopt(_ path: String) throws(DatabaseError) {
        let copy = path + Self.copySuffix
        for suffix in ["", "-journal", "-wal", "-shm"] { try remove(copy + suffix) }
        let standing = try standing(of: path)
        if standing == .absent || standing == .sealed(.newest) && !pages.seal.hasOlderKeys { return }
        // The last one to close it moves its log into the file and removes it: a new file beside an old log would
        // become the old one again.
        try Database(path: path, on: standing == .open ? beneath : self).checkpoint()
        guard try !exists(path + "-wal") else {
            throw DatabaseError(code: SQLITE_BUSY, message: "somebody has the database open", statement: path)
        }
        if standing != .open, try !hasOlderPages(path) { return }
        try Database(path: path, access: .readOnly, on: self).vacuum(into: copy)
        // Whoever reads a database of this kind makes an empty log.
        for suffix in ["-wal", "-shm"] { try remove(path + suffix) }
        try replace(path, by: copy)
    }

    /// Whether a file is one that this disk has sealed under its newest key.
    public func hasSealed(_ path: String) -> Bool { (try? standing(of: path)) == .sealed(.newest) }

    private static let copySuffix = "-sealing"

    func standing(of path: String) throws(DatabaseError) -> Standing {
        guard try exists(path) else { return .absent }
        var standing = Standing.absent
        try forEachPage(of: path) { page in
            standing =
                SealedPages.isOpenDatabase(page) ? .open : .sealed(pages.seal.age(ofTrailer: pages.trailer(of: page)))
            return false
        }
        return standing
    }

    private func hasOlderPages(_ path: String) throws(DatabaseError) -> Bool {
        var isOlder = false
        try forEachPage(of: path) { page in
            isOlder = pages.seal.age(ofTrailer: pages.trailer(of: page)) == .older
            return !isOlder
        }
        return isOlder
    }

    /// Hands the pages of a file to `body` as they lie there, until it answers false.
    private func forEachPage(of path: String, _ body: (UnsafeRawBufferPointer) -> Bool) throws(DatabaseError) {
        let page = UnsafeMutableRawBufferPointer.allocate(byteCount: SealedPages.pageByteCount, alignment: 16)
        defer { page.deallocate() }
        try asking(path) { () throws(FileRefusal) in
            // SQLite's files want an address that stays.
            let name = strdup(path)
            defer { free(name) }
            let file = try HostFile(name, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, on: host)
            defer { file.close() }
            var offset = 0
            while try file.read(into: page, at: offset), body(UnsafeRawBufferPointer(page)) { offset += page.count }
        }
    }

    private func exists(_ path: String) throws(DatabaseError) -> Bool {
        try asking(path) { () throws(FileRefusal) in try allows(path, SQLITE_ACCESS_EXISTS) }
    }

    private func remove(_ path: String) throws(DatabaseError) {
        do throws(FileRefusal) { try delete(path, synchronizingDirectory: false) } catch {
            if error.code != FileCode.deleteMissing { throw DatabaseError(error, path) }
        }
    }

    private func asking<Value>(_ path: String, _ body: () throws(FileRefusal) -> Value) throws(DatabaseError) -> Value {
        do { return try body() } catch { throw DatabaseError(error, path) }
    }
}

extension DatabaseError {
    init(_ refusal: FileRefusal, _ path: String) {
        self.init(
            code: refusal.code, systemError: refusal.systemError,
            message: String(cString: sqlite3_errstr(refusal.code)), statement: path)
    }
}
