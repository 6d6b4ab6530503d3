import Glibc
import LinuxSystem

/// The right to change a lab, held by one command at a time (flock(2)); it ends with its process.
final class LabLock: Sendable {
    /// How long a command waits for another one.
    static let patience = Duration.seconds(20)

    private let file: Int32
    private let path: String

    init(_ paths: LabPaths) throws {
        try Files.makeDirectories(LabPaths.runRoot)
        path = paths.lock
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let file = try Descriptor.open(paths.lock, O_RDWR | O_CREAT, mode: 0o600).release()
            // The file may have been removed with the lab while we waited for it.
            if try Self.take(file, paths, deadline), Self.isSame(file, paths.lock) {
                self.file = file
                return
            }
            close(file)
        }
    }

    deinit { close(file) }

    /// Removes the lock's file; the lock is held until its owner ends.
    func removeFile() { unlink(path) }

    private static func take(
        _ file: Int32, _ paths: LabPaths, _ deadline: ContinuousClock.Instant
    ) throws -> Bool {
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            let error = errno
            guard error == EWOULDBLOCK || error == EINTR, ContinuousClock.now < deadline else {
                close(file)
                throw LabError("another command is at work on lab \(paths.lab); try again when it is done")
            }
            usleep(20_000)
        }
        return true
    }

    private static func isSame(_ file: Int32, _ path: String) -> Bool {
        var ours = stat()
        var theirs = stat()
        return fstat(file, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino
    }
}
