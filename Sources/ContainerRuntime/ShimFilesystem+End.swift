import CLinux
import Cgroups
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol

/// Whether shims live, and what is left of those that do not. A shim holds its lock for as long as it lives, whatever
/// else can be said of it.
extension ShimFilesystem {
    /// How long a worker rests between two looks at a lock, microseconds.
    private static let lockPause: UInt32 = 5000

    /// Runs `body` while no shim of the container can begin; nil where one lives.
    private func withLock<Result>(_ id: String, _ body: () throws -> Result) throws -> Result? {
        let path = run(id) + "/" + ShimFiles.lock
        let lock = open(path, O_RDWR | O_CLOEXEC)
        // Without the first thing that a shim makes there is none.
        guard lock >= 0 || errno == ENOENT else { throw SystemError("open", path, errno: errno) }
        defer { if lock >= 0 { close(lock) } }
        if lock >= 0, flock(lock, LOCK_EX | LOCK_NB) < 0 {
            guard errno == EWOULDBLOCK else { throw SystemError("flock", path, errno: errno) }
            return nil
        }
        return try body()
    }

    /// Whether a shim lives whose container has not ended.
    func lives(_ id: String) throws -> Bool { try record(id) == nil && isHeld(id) }

    private func isHeld(_ id: String) throws -> Bool { try withLock(id) {} == nil }

    /// Kills the container's shim, wherever it stands, and waits for its end; with it go the processes that it made.
    func endShim(_ id: String) throws {
        for pid in shims(of: id) {
            let pidfd = cl_pidfd_open(pid)
            guard pidfd >= 0 else { continue }
            // The number may have gone to another process before it was opened.
            if isShim(pid, of: id) { _ = cl_pidfd_send_signal(pidfd, SIGKILL) }
            close(pidfd)
        }
        try awaitEnd(id)
    }

    /// Returns when no shim of the container lives any more.
    private func awaitEnd(_ id: String) throws {
        let deadline = ContinuousClock.now + patience.answer
        while try isHeld(id) {
            guard ContinuousClock.now < deadline else {
                throw RuntimeError(.failed, container: id, "the shim of container \(id) does not end")
            }
            usleep(Self.lockPause)
        }
    }

    private func shims(of id: String) -> [pid_t] {
        ((try? Files.list("/proc")) ?? []).compactMap { pid_t($0) }.filter { isShim($0, of: id) }
    }

    /// A shim's command line names its run directory, also while it sleeps.
    private func isShim(_ pid: pid_t, of id: String) -> Bool {
        guard let text = try? Files.read("/proc/\(pid)/cmdline") else { return false }
        let words = text.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard words.starts(with: ["martlet-runtime", "shim"]), let option = words.firstIndex(of: "--run") else {
            return false
        }
        return words.dropFirst(option + 1).first == run(id)
    }

    /// A container whose shim is gone: its record, or what is left of it is killed and a record made. Nil while the
    /// shim lives.
    func bury(_ id: String) throws -> ExitRecord? {
        if let record = try withLock(id, { try lay(id) }) { return record }
        // A shim that is about to end has written the record and taken its state away.
        return Files.exists(run(id) + "/" + ShimFiles.state) ? nil : try record(id)
    }

    private func lay(_ id: String) throws -> ExitRecord {
        // Without a state in the run directory the whole host was restarted, which Docker counts as 255.
        let code: Int32 = Files.exists(run(id) + "/" + ShimFiles.state) ? 137 : 255
        var oomKilled = false
        if let state = try state(id) {
            let group = ControlGroup(directories: state.cgroups)
            oomKilled = group.oomKills() > 0
            group.removeWithProcesses(reapsChildren: false)
        }
        let record =
            try record(id)
            ?? ExitRecord(code: code, oomKilled: oomKilled, finishedAt: Clock.now().nanosecondsSinceEpoch)
        if keep(record, of: id) {
            // What tells the two ends apart goes when the record is there.
            unlink(run(id) + "/" + ShimFiles.socket)
            unlink(run(id) + "/" + ShimFiles.state)
        }
        return record
    }

    /// Writes down how a container ended, where its shim did not; false where that fails.
    @discardableResult func keep(_ record: ExitRecord, of id: String) -> Bool {
        if let known = try? self.record(id), known == record { return true }
        do {
            try Files.writeDurably(data(id) + "/" + ShimFiles.exit, JSONCoding.encode(record), mode: 0o600)
            return true
        } catch {
            logger.error("a container's end cannot be recorded", metadata: ["container": "\(id)", "error": "\(error)"])
            return false
        }
    }
}
