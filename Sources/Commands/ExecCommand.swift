import ArgumentParser
import EngineClient
import JSON

/// `exec [OPTIONS] CONTAINER COMMAND [ARG...]`.
struct ExecCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Runs a further process in a running container.",
        usage: "martlet exec [OPTIONS] CONTAINER COMMAND [ARG...]")

    @Flag(name: .shortAndLong, help: "Keep standard input open.") var interactive = false
    @Flag(name: .shortAndLong, help: "Give it a terminal.") var tty = false
    @Flag(name: .shortAndLong, help: "Do not wait for it.") var detach = false
    @Flag(help: "Give it every capability.") var privileged = false
    @Option(
        name: [.customShort("e", allowingJoined: true), .customLong("env")], parsing: .unconditionalSingleValue,
        help: "An environment variable.")
    var environment: [String] = []
    @Option(name: .customLong("env-file"), parsing: .unconditionalSingleValue, help: "A file of environment variables.")
    var environmentFiles: [String] = []
    @Option(name: [.customShort("u"), .long], parsing: .unconditional, help: "User and group.") var user: String?
    @Option(name: [.customShort("w"), .customLong("workdir")], parsing: .unconditional, help: "The working directory.")
    var directory: String?
    @Option(name: .customLong("detach-keys"), help: "The keys that leave the process.") var detachKeys: String?
    @Argument(parsing: .captureForPassthrough, help: "The container, and the command's words.")
    var words: [String] = []

    /// Engine API: ExecConfig.
    func body() throws -> (container: String, body: JSONValue) {
        let (container, command) = try PassedWords.split(words, verb: "exec", needs: "a container and a command")
        guard !command.isEmpty else {
            throw CommandExit(code: 1, message: "martlet: 'martlet exec' needs a container and a command")
        }
        var body: JSONValue = [
            "Cmd": .strings(command), "Tty": .bool(tty), "AttachStdin": .bool(interactive && !detach),
            "AttachStdout": .bool(!detach), "AttachStderr": .bool(!detach), "Privileged": .bool(privileged),
        ]
        let variables = try Assignments.environment(environment, files: environmentFiles)
        if !variables.isEmpty { body["Env"] = .strings(variables) }
        if let user { body["User"] = .string(user) }
        if let directory { body["WorkingDir"] = .string(directory) }
        if let detachKeys { body["DetachKeys"] = .string(detachKeys) }
        return (container, body)
    }

    func run() async throws {
        var (container, body) = try body()
        let keys = try DetachKeys(parsing: detachKeys)
        guard detach || !interactive || !tty || TerminalMode.isInput else {
            throw CommandExit(code: 1, message: "the input device is not a TTY")
        }
        let size = tty ? TerminalMode.size() : nil
        if let size { body["ConsoleSize"] = [.integer(Int64(size.rows)), .integer(Int64(size.columns))] }
        let answer = try await engine.json(
            "POST", "/containers/\(EngineClient.escape(container))/exec", body: body)
        let id = answer.text("Id")
        let start: JSONValue = ["Detach": .bool(detach), "Tty": .bool(tty)]
        do {
            if detach {
                try await engine.json("POST", "/exec/\(id)/start", body: start)
                return
            }
            let engine = engine
            let stream = try await engine.hijack("POST", "/exec/\(id)/start", body: start)
            let attachment = Attachment(
                stream: stream, hasTerminal: tty, takesInput: interactive, detachKeys: keys
            ) { rows, columns in
                _ = try? await engine.json(
                    "POST", "/exec/\(id)/resize", query: [("h", String(rows)), ("w", String(columns))])
            }
            if try await attachment.run() == .detached {
                Output.error("read escape sequence")
                return
            }
        } catch let error as EngineClientError where error.status > 0 {
            let code = ContainerLauncher.code(of: error.message)
            throw CommandExit(code: code == 125 ? 1 : code, message: CommandFailure.text(error))
        }
        let code = try await engine.json("GET", "/exec/\(id)/json").number("ExitCode")
        if code != 0 { throw CommandExit(code: Int32(truncatingIfNeeded: code)) }
    }
}
