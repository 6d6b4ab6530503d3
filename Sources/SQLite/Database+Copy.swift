import CSQLite
import Glibc
import LinuxSystem

extension Database {
    /// Writes a compact copy to a new file, beside readers and writers (`VACUUM INTO`). The file is not fsynced.
    ///
    /// It goes out to the disk as it is written: a file system that keeps an order (ext4: data=ordered) has whoever
    /// commits something else wait for all that was written and is not out yet.
    public func vacuum(into path: String) throws(DatabaseError) {
        let pace = CopyPace(path)
        sqlite3_progress_handler(
            connection, CopyPace.instructions,
            { context in
                Unmanaged<CopyPace>.fromOpaque(context!).takeUnretainedValue().keep()
                return 0
            }, Unmanaged.passUnretained(pace).toOpaque())
        defer { sqlite3_progress_handler(connection, 0, nil, nil) }
        // The handler knows `pace` by its address alone.
        try withExtendedLifetime(pace) { () throws(DatabaseError) in try execute("VACUUM INTO ?", path) }
    }
}

/// Sends a file to the disk while SQLite writes it.
private final class CopyPace {
    /// SQLite's, from one look to the next: some dozen rows.
    static let instructions: Int32 = 100
    /// What is not out yet, at most.
    private static let byteCount: Int64 = 1 << 20

    private let path: String
    /// A file that is there already may be somebody's database: it is not touched, and SQLite refuses it.
    private let isNew: Bool
    private var descriptor: Int32 = -1
    private var sent: Int64 = 0

    init(_ path: String) {
        self.path = path
        isNew = !Files.exists(path)
    }

    /// SQLite is done with the file, whose locks go with the descriptor.
    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Where the file is on no disk of the host's there is nothing to send.
    func keep() {
        if descriptor < 0, isNew { descriptor = open(path, O_RDONLY | O_CLOEXEC) }
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, Int64(status.st_size) - sent >= Self.byteCount else {
            return
        }
        GradualWriting.writeOut(descriptor)
        sent = Int64(status.st_size)
    }
}
