import Glibc
import LinuxSystem
import TestSupport

/// An engine whose commands are those of the docker CLI.
protocol ContainerCLI: Sendable {
    var name: String { get }
    var traces: PeerTraces { get }
    var environment: [String] { get }
    /// The program and its global options.
    var command: [String] { get }
    /// Options that every `run` needs.
    var runOptions: [String] { get }
    /// The exit code of an `exec` whose program is absent.
    var absentExecCode: Int32 { get }
    /// Whether it learns on cgroup v1, from the group that the runtime made, that memory ran out.
    var tellsOutOfMemory: Bool { get }
}

extension ContainerCLI {
    func attempt(
        _ arguments: [String], input: [UInt8] = [], within limit: Duration = .seconds(30)
    ) async throws -> Command {
        try await Command.run(command + arguments, input: input, environment: environment, within: limit)
    }

    /// The output, trimmed; a failure is an error.
    @discardableResult
    func succeed(_ arguments: [String]) async throws -> String {
        let done = try await attempt(arguments)
        guard done.succeeded else { throw PeerFailure(command: command + arguments, done) }
        return done.output.trimmed
    }

    /// Runs a container to its end and removes it.
    func run(_ options: [String] = [], _ program: [String], input: [UInt8] = []) async throws -> Command {
        try await attempt(["run", "--rm"] + runOptions + options + [PeerImage.name] + program, input: input)
    }

    /// What a shell in a container prints; a failure is an error.
    func output(_ options: [String] = [], _ script: String) async throws -> String {
        try await succeed(["run", "--rm"] + runOptions + options + [PeerImage.name, "sh", "-c", script])
    }

    /// Starts a container that runs on.
    func start(_ container: String, _ options: [String] = [], _ script: String) async throws {
        try await succeed(
            ["run", "-d", "--name", container] + runOptions + options + [PeerImage.name, "sh", "-c", script])
    }

    func inspect(_ container: String, _ format: String) async throws -> String {
        try await succeed(["inspect", "--format", "{{\(format)}}", container])
    }

    func pid(_ container: String) async throws -> pid_t {
        let text = try await inspect(container, ".State.Pid")
        guard let pid = pid_t(text), pid > 0 else { throw PeerFailure("\(container) has no process: \(text)") }
        return pid
    }

    /// Runs it on a terminal of 33 rows and 99 columns.
    func onTerminal(_ arguments: [String]) async throws -> Command {
        try await TerminalSession.run(command + arguments, environment: environment)
    }
}

/// A command on a terminal of its own (script(1)).
enum TerminalSession {
    static func run(_ command: [String], environment: [String] = []) async throws -> Command {
        let quoted = command.map {
            "'"
                + $0.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: #"'\''"#) + "'"
        }
        // What script(1) reads to its end it ends on the terminal too, by a character: this input has no end.
        let directory = try TemporaryDirectory("terminal")
        let input = directory.path("input")
        try syscall("mkfifo", on: input) { mkfifo(input, 0o600) }
        let script = ["script", "-qec", "stty rows 33 cols 99; " + quoted.joined(separator: " "), "/dev/null"]
        return try await Command.run(
            ["sh", "-c", #"exec "$@" <>"$0""#, input] + script, environment: environment, within: .seconds(30))
    }
}

extension Command {
    /// The output without carriage returns and other control characters: what is to be read on a terminal.
    var screen: String {
        String(decoding: outputBytes.filter { $0 >= 0x20 || $0 == 0x0a }, as: UTF8.self)
    }
}
