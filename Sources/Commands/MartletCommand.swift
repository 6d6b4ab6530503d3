import ArgumentParser
import EngineClient
import Lab
import LinuxSystem

/// The command line: `martlet VERB ...`.
public struct MartletCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Runs containers and services on a host and across hosts.",
        usage: "martlet [-H ADDRESS] <verb> ...",
        discussion: """
            -H, --host ADDRESS, written before the verb, names the engine: unix:///path or tcp://host:port. Without it \
            DOCKER_HOST does, then \(EngineAddress.standard).
            """,
        subcommands: [
            RunCommand.self, ExecCommand.self, ListContainersCommand.self, LogsCommand.self, ListImagesCommand.self,
            InspectCommand.self, InformationCommand.self, VersionCommand.self, EventsCommand.self,
        ],
        groupedSubcommands: [
            CommandGroup(
                name: "Management",
                subcommands: [
                    ContainerCommand.self, ImageCommand.self, NetworkCommand.self, VolumeCommand.self,
                    SystemCommand.self,
                ]),
            CommandGroup(
                name: "Swarm",
                subcommands: [
                    SwarmCommand.self, NodeCommand.self, ServiceCommand.self, ClusterCommand.self, SQLCommand.self,
                ]),
            CommandGroup(
                name: "Containers",
                subcommands: [
                    CreateCommand.self, StartCommand.self, StopCommand.self, RestartCommand.self, KillCommand.self,
                    RemoveContainersCommand.self, AttachCommand.self, WaitCommand.self, TopCommand.self,
                    StatisticsCommand.self, PortCommand.self, RenameCommand.self, PauseCommand.self,
                    UnpauseCommand.self, UpdateContainerCommand.self,
                ]),
            CommandGroup(
                name: "Images",
                subcommands: [
                    LoadCommand.self, ImportCommand.self, SaveCommand.self, TagCommand.self, HistoryCommand.self,
                    RemoveImagesCommand.self,
                ]),
            CommandGroup(name: "Clusters on this machine", subcommands: [LabCommand.self]),
        ],
        helpNames: .long)

    public init() {}

    /// Without a verb: the help.
    public func run() async throws { throw CleanExit.helpRequest(self) }

    /// Runs the verb that the program's arguments name and ends the program with its exit code.
    public static func start() async -> Never {
        do {
            let words = try CommandWords(Array(Swift.CommandLine.arguments.dropFirst()))
            let address = try words.address ?? EngineAddress(environment: Environment.variables())
            await Session.$address.withValue(address) {
                do {
                    var command = try parseAsRoot(words.words)
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
        } catch {
            CommandFailure.end(error)
        }
        exit()
    }
}
