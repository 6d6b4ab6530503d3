import Glibc
import LinuxSystem

/// A program that runs until it is ended, and what it has printed so far.
public final class RunningCommand: Sendable {
    private let process: pid_t
    private let directory: TemporaryDirectory

    /// Starts a program, looked up on the PATH where its name holds no slash; it reads nothing.
    public init(_ arguments: [String], environment: [String] = []) throws {
        guard let name = arguments.first,
            let path = name.contains("/") ? name : TestEnvironment.command(name)
        else { throw SystemError("run", arguments.first ?? "", errno: ENOENT) }
        directory = try TemporaryDirectory("running")
        let added = Set(environment.map { $0.prefix { $0 != "=" } })
        let inherited = Command.currentEnvironment().filter { !added.contains($0.prefix { $0 != "=" }) }
        let null = try Descriptor.open("/dev/null", O_RDONLY)
        let flags = O_WRONLY | O_CREAT
        let output = try Descriptor.open(directory.path("output"), flags)
        let errors = try Descriptor.open(directory.path("errors"), flags)
        process = try ChildProcess.spawn(
            path, arguments, environment: inherited + environment,
            descriptors: [null.rawValue, output.rawValue, errors.rawValue])
    }

    deinit {
        kill(process, SIGKILL)
        _ = try? ChildProcess.wait(process)
    }

    /// It is not waited for yet, so that its number stays its own.
    public var hasEnded: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT) == 0
            && information.si_signo == SIGCHLD
    }

    public var output: String { (try? Files.text(directory.path("output"))) ?? "" }
    public var errorOutput: String { (try? Files.text(directory.path("errors"))) ?? "" }
}
