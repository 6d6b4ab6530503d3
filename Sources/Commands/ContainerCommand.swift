import ArgumentParser
import EngineClient
import JSON

/// `martlet container`.
struct ContainerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "container", abstract: "Containers of this host.",
        subcommands: [
            AttachCommand.self, CreateCommand.self, ExecCommand.self, ContainerInspectCommand.self, KillCommand.self,
            LogsCommand.self, ContainerListCommand.self, PauseCommand.self, PortCommand.self,
            ContainerPruneCommand.self, RenameCommand.self, RestartCommand.self, RemoveContainersCommand.self,
            RunCommand.self, StartCommand.self, StatisticsCommand.self, StopCommand.self, TopCommand.self,
            UnpauseCommand.self, UpdateContainerCommand.self, WaitCommand.self,
        ])
}

/// `container inspect CONTAINER...`.
struct ContainerInspectCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Shows all of containers.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template.") var format: String?
    @Flag(name: .shortAndLong, help: "With sizes.") var size = false
    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        try await Inspection(
            engine: engine, kinds: [.container], format: format, query: size ? [("size", "1")] : []
        ).run(containers)
    }
}

/// `container prune`.
struct ContainerPruneCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Removes containers that do not run.")

    @OptionGroup var prune: PruneOptions

    func run() async throws {
        try await prune.run(
            "This will remove all stopped containers.", engine, "/containers/prune", deleted: "ContainersDeleted",
            title: "Deleted Containers:")
    }
}

/// The flags of every `prune`.
struct PruneOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Do not ask.") var force = false
    @Option(name: .customLong("filter"), parsing: .unconditionalSingleValue, help: "Only what matches, KEY=VALUE.")
    var filters: [String] = []

    func query(_ more: [String: [String]] = [:]) throws -> [(String, String)] {
        var options = FilterOptions()
        options.filters = filters
        return try options.query(more)
    }

    func confirm(_ warning: String) throws {
        if !force, !Confirmation.ask("WARNING! \(warning)\nAre you sure you want to continue? [y/N] ") {
            throw CommandExit(code: 1)
        }
    }

    /// Asks, has it done and prints what went.
    func run(
        _ warning: String, _ engine: EngineClient, _ path: String, deleted: String, title: String,
        filters: [String: [String]] = [:]
    ) async throws {
        try confirm(warning)
        let bytes = try await perform(engine, path, deleted: deleted, title: title, filters: filters)
        Output.line("Total reclaimed space: \(bytes)")
    }

    /// Has it done and prints what went; the bytes that are free now.
    func perform(
        _ engine: EngineClient, _ path: String, deleted: String, title: String, filters: [String: [String]] = [:]
    ) async throws -> ByteText {
        let answer = try await engine.json("POST", path, query: try query(filters))
        let names = answer.list(deleted).flatMap { entry in
            entry.string.map { [$0] }
                ?? [
                    entry["Untagged"]?.string.map { "untagged: \($0)" },
                    entry["Deleted"]?.string.map { "deleted: \($0)" },
                ].compactMap { $0 }
        }
        if !names.isEmpty { Output.line("\(title)\n" + names.joined(separator: "\n") + "\n") }
        return ByteText(bytes: answer.number("SpaceReclaimed"))
    }
}
