import CSQLite
import Glibc
import LinuxSystem

extension Database {
    /// Replaces a database's write-ahead log by a copy of itself that is on the disk. To be called before anybody opens
    /// the database, where what is committed must not be lost later.
    ///
    /// After a sync that failed (fsync(2), "Errors") Linux takes what it could not write for written: a process that
    /// starts anew reads from the kernel's memory commits that were refused and that no later sync would write, goes on
    /// behind them, and loses what it commits then with the next loss of power. A checkpoint is no help: it relies on
    /// the log to be on the disk while it writes the database. Nor is writing the same bytes in their place again: a
    /// loss of power meanwhile may spoil what was there.
    ///
    /// - Parameter disk: as for `init`.
    public static func renewLog(of path: String, on disk: (any Disk)? = nil) throws(DatabaseError) {
        if let disk { try disk.renew(path + "-wal") } else { try renewHostFile(path + "-wal") }
    }

    /// Bytes copied at once.
    private static let copiedAtOnce = 1 << 20

    /// The same for any file of the host's; nothing to do where there is none.
    static func renewHostFile(_ path: String) throws(DatabaseError) {
        do throws(SystemError) {
            let copy = path + "-copy"
            let source = try Descriptor.open(path, O_RDONLY)
            let target = try Descriptor.open(copy, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            while true {
                let piece = try Bytes.read(source.rawValue, upTo: copiedAtOnce)
                if piece.isEmpty { break }
                try Bytes.writeAll(target.rawValue, piece)
            }
            try syscall("fsync", on: copy) { fsync(target.rawValue) }
            try syscall("rename", on: copy) { rename(copy, path) }
            try Files.synchronizeDirectory(Files.parent(of: path))
        } catch {
            if error.errno == ENOENT { return }
            throw DatabaseError(
                code: FileCode.write, systemError: error.errno, message: "\(error)", statement: path)
        }
    }

    /// `Disk.replace` among the host's files.
    static func replaceHostFile(_ path: String, by other: String) throws(DatabaseError) {
        do throws(SystemError) {
            let directory = Files.parent(of: path)
            try Files.synchronizeDirectory(directory)
            let file = try Descriptor.open(other, O_RDONLY)
            try syscall("fsync", on: other) { fsync(file.rawValue) }
            try syscall("rename", on: other) { rename(other, path) }
            try Files.synchronizeDirectory(directory)
        } catch {
            throw DatabaseError(
                code: FileCode.write, systemError: error.errno, message: "\(error)", statement: path)
        }
    }
}
