import Glibc
import LinuxSystem

/// A copy of a state in a file, which goes with its last holder unless somebody takes it over.
final class StateCopy {
    let path: String
    /// Opened as soon as the file holds the state.
    var database: StateDatabase?
    private var isTaken = false

    init(_ path: String) { self.path = path }

    deinit {
        guard !isTaken else { return }
        // A connection that closes removes files by name: it goes first.
        database = nil
        Self.remove(path)
    }

    /// The open file, which stays from now on; nil where it was never filled, or was taken before.
    func take() -> StateDatabase? {
        defer { database = nil }
        isTaken = database != nil || isTaken
        return database
    }

    /// Of the file that was set aside last.
    static let damagedName = "state-damaged.sqlite"

    /// Moves a file of the state out of the way, in place of one that was before; returns where it is.
    static func setAside(_ path: String) throws(SystemError) -> String {
        let target = Files.parent(of: path) + "/" + damagedName
        remove(target)
        // The file comes last: a log that stayed would be taken for that of the file which is begun in its place.
        for suffix in ["-shm", "-wal", ""] where Files.exists(path + suffix) {
            try syscall("rename", on: path) { rename(path + suffix, target + suffix) }
        }
        try Files.synchronizeDirectory(Files.parent(of: path))
        return target
    }

    /// Removes a file of the state, with what SQLite keeps beside it.
    static func remove(_ path: String) {
        for suffix in ["", "-wal", "-shm"] { try? Files.removeTree(path + suffix) }
    }
}
