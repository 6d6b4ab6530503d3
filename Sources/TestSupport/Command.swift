import Glibc
import LinuxSystem

/// A program that ran to its end.
public struct Command: Sendable {
    /// The exit code; 128 and the signal where one ended it.
    public let code: Int32
    public let outputBytes: [UInt8]
    public let errorBytes: [UInt8]

    public var output: String { String(decoding: outputBytes, as: UTF8.self) }
    public var errorOutput: String { String(decoding: errorBytes, as: UTF8.self) }
    public var succeeded: Bool { code == 0 }
    /// The output's lines without empty ones.
    public var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// Runs a program to its end on a thread of its own and captures what it prints.
    ///
    /// - Parameters:
    ///   - arguments: the program, looked up on the PATH where it holds no slash, and its arguments.
    ///   - input: what it reads from its standard input.
    ///   - environment: added to this process's environment, `NAME=value`.
    ///   - limit: after it the program is killed and the exit code is 137.
    @discardableResult
    public static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String] = [], within limit: Duration = .seconds(60)
    ) async throws -> Command {
        try await onThread { try runBlocking(arguments, input: input, environment: environment, within: limit) }
    }

    /// The same on the calling thread.
    @discardableResult
    public static func runBlocking(
        _ arguments: [String], input: [UInt8] = [], environment: [String] = [], within limit: Duration = .seconds(60)
    ) throws -> Command {
        guard let name = arguments.first else { throw SystemError("run", errno: EINVAL) }
        guard let path = name.contains("/") ? name : TestEnvironment.command(name) else {
            throw SystemError("run", name, errno: ENOENT)
        }
        let added = Set(environment.map { $0.prefix { $0 != "=" } })
        let inherited = currentEnvironment().filter { !added.contains($0.prefix { $0 != "=" }) }
        let result = try CapturedProcess.run(
            path, arguments, environment: inherited + environment, input: input, within: limit)
        return Command(code: result.code, outputBytes: result.output, errorBytes: result.errors)
    }

    /// This process's environment as it was at its start, `NAME=value`.
    public static func currentEnvironment() -> [String] {
        guard let text = try? Files.read("/proc/self/environ") else { return [] }
        return text.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}
