/// Where a database's files lie: a virtual file system of SQLite other than the host's own
/// (https://www.sqlite.org/vfs.html). An open `Database` keeps it alive.
public protocol Disk: AnyObject, Sendable {
    /// The name under which SQLite knows it.
    var vfsName: String { get }

    /// Replaces a file by a durable copy of itself, all or nothing; nothing to do where there is none. Nobody may have
    /// it open.
    func renew(_ path: String) throws(DatabaseError)
}
