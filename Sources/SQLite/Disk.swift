/// Where a database's files lie: a virtual file system of SQLite other than the host's own
/// (https://www.sqlite.org/vfs.html). An open `Database` keeps it alive.
public protocol Disk: AnyObject, Sendable {
    /// The name under which SQLite knows it.
    var vfsName: String { get }

    /// Replaces a file by a durable copy of itself, all or nothing; nothing to do where there is none. Nobody may have
    /// it open.
    func renew(_ path: String) throws(DatabaseError)

    /// Puts a file in the place of another, durably and at once. Nobody may have either open, and what was deleted in
    /// their directory before is deleted for good.
    func replace(_ path: String, by other: String) throws(DatabaseError)

    /// Bytes at the end of each page that SQLite leaves free in databases that are made there.
    var reservedByteCount: Int { get }
}

extension Disk {
    public var reservedByteCount: Int { 0 }
}
