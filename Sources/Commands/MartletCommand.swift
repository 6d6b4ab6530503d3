import ArgumentParser
import EngineClient
import Lab
import LinuxSystem

/// The command line: `martlet VERB ...`.
public struct MartletCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Runs containers and services on a host and across hosts.",
        subcommands: [LabCommand.self])

    @OptionGroup var connection: ConnectionOptions

    public init() {}

    /// Runs the verb that the program's arguments name and ends the program with its exit code.
    public static func start() async -> Never {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            exit()
        } catch {
            CommandFailure.end(error)
        }
    }
}

/// Which engine a verb talks to. Written before the verb: `martlet -H unix:///path ps`; a verb reaches it by
/// `@ParentCommand`.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: [.customShort("H"), .customLong("host")],
        help: """
            The engine's address, unix:///path or tcp://host:port. Without it DOCKER_HOST, then \
            \(EngineAddress.standard).
            """
    )
    var host: String?
}
