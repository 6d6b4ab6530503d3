import Glibc
import LinuxSystem
import TestSupport

/// A daemon that a test has started, ended by its number.
final class PeerDaemon: Sendable {
    let pid: pid_t
    private let logPath: String

    /// Starts it with its output in the file `log`.
    init(_ arguments: [String], log: String) throws {
        guard let path = TestEnvironment.command(arguments[0]) else {
            throw SystemError("run", arguments[0], errno: ENOENT)
        }
        logPath = log
        let null = try Descriptor.open("/dev/null", O_RDONLY)
        let output = try Descriptor.open(log, O_WRONLY | O_CREAT | O_APPEND)
        pid = try ChildProcess.spawn(
            path, arguments, environment: Command.currentEnvironment(),
            descriptors: [null.rawValue, output.rawValue, output.rawValue])
    }

    /// Waits until `isReady`; an end before that is an error with the log's end.
    func started(_ isReady: () async throws -> Bool) async throws {
        try await waitUntil("the daemon answers", within: .seconds(20)) {
            guard !hasEnded else { throw PeerFailure("the daemon ended at its start:\n" + log) }
            return try await isReady()
        }
    }

    /// Asks it to end, and kills it where it does not.
    func stop() async {
        kill(pid, SIGTERM)
        if (try? await waitUntil("the daemon ends", within: .seconds(15)) { hasEnded }) == nil { kill(pid, SIGKILL) }
        _ = try? ChildProcess.wait(pid)
    }

    /// The log's end.
    var log: String { String(((try? Files.text(logPath)) ?? "").suffix(4000)) }

    private var hasEnded: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(pid), &information, WEXITED | WNOHANG | WNOWAIT) == 0
            && information.si_signo == SIGCHLD
    }
}
