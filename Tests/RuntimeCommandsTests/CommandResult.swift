import CLinux
import Glibc
import JSON
import LinuxSystem
import TestSupport

/// A command that ended. Its streams are files: what it starts may keep them.
public struct CommandResult: Sendable, CustomStringConvertible {
    /// 128 and the signal where one ended it.
    public let code: Int32
    fileprivate let outputPath: String
    fileprivate let errorPath: String

    /// What was written until now.
    public var output: String { (try? Files.text(outputPath)) ?? "" }
    public var errors: String { (try? Files.text(errorPath)) ?? "" }
    public var lines: [String] { output.split(separator: "\n").map(String.init) }
    /// The output without the line's end.
    public var line: String { lines.joined(separator: "\n") }
    public var description: String { "exit status \(code), output \"\(output)\", errors \"\(errors)\"" }

    public func json() throws -> JSONValue { try JSONValue(parsing: Array(output.utf8)) }

    /// Waits until what was started has written something.
    public func waitOutput(_ text: String) async throws {
        try await waitUntil("\"\(text)\" is written: \(self)") { output.contains(text) }
    }

    static func run(
        _ words: [String], in directory: TemporaryDirectory, input: String = "", environment: [String] = [],
        descriptors: [Int32] = [], within limit: Duration = .seconds(20)
    ) async throws -> CommandResult {
        let process = try StartedCommand(
            words, in: directory, input: input, environment: environment, descriptors: descriptors)
        return try await process.end(within: limit)
    }
}

/// A command that runs, killed where it is not waited for.
final class StartedCommand: Sendable {
    let pid: pid_t
    private let outputPath: String
    private let errorPath: String

    init(
        _ words: [String], in directory: TemporaryDirectory, input: String = "", environment: [String] = [],
        descriptors: [Int32] = []
    ) throws {
        guard let path = words[0].contains("/") ? words[0] : TestEnvironment.command(words[0]) else {
            throw SystemError("run", words[0], errno: ENOENT)
        }
        var template = Array(directory.path("streams-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", errno: errno) }
        let streams = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        outputPath = streams + "/output"
        errorPath = streams + "/errors"
        try Files.write(streams + "/input", input)
        let standard = try Descriptor.open(streams + "/input", O_RDONLY)
        let output = try Descriptor.open(outputPath, O_WRONLY | O_CREAT | O_APPEND)
        let errors = try Descriptor.open(errorPath, O_WRONLY | O_CREAT | O_APPEND)
        let inherited = Command.currentEnvironment().filter {
            !$0.hasPrefix("LISTEN_") && !$0.hasPrefix("NOTIFY_SOCKET=")
        }
        pid = try ChildProcess.spawn(
            path, words, environment: inherited + environment,
            descriptors: [standard.rawValue, output.rawValue, errors.rawValue] + descriptors)
    }

    func end(within limit: Duration = .seconds(20)) async throws -> CommandResult {
        let deadline = ContinuousClock.now + limit
        var code: Int32 = 0
        while try checked("waitpid", cl_wait(pid, 1, &code)) == 0 {
            if ContinuousClock.now > deadline { kill(pid, SIGKILL) }
            try await Task.sleep(for: .milliseconds(3))
        }
        return CommandResult(code: code, outputPath: outputPath, errorPath: errorPath)
    }

    /// Ends it by SIGKILL.
    func stop() async throws {
        kill(pid, SIGKILL)
        _ = try await end()
    }
}
