import ArgumentParser
import EngineClient
import JSON

/// `martlet volume`.
struct VolumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "Volumes of this host.",
        subcommands: [
            VolumeCreateCommand.self, VolumeInspectCommand.self, VolumeListCommand.self, VolumePruneCommand.self,
            VolumeRemoveCommand.self,
        ])
}

/// `volume create [VOLUME]`.
struct VolumeCreateCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Makes a volume.")

    @Option(name: .shortAndLong, help: "The driver.") var driver = "local"
    @Option(name: .customLong("label"), parsing: .unconditionalSingleValue, help: "A label.") var labels: [String] = []
    @Option(
        name: [.customShort("o"), .customLong("opt")], parsing: .unconditionalSingleValue, help: "A driver option.")
    var options: [String] = []
    @Option(name: .customLong("name"), help: "Its name.") var namedName: String?
    @Argument(help: "Its name.") var name: String?

    func run() async throws {
        let answer = try await engine.json(
            "POST", "/volumes/create",
            body: [
                "Name": .string(name ?? namedName ?? ""), "Driver": .string(driver),
                "DriverOpts": .texts(Assignments.dictionary(options)),
                "Labels": .texts(Assignments.dictionary(labels)),
            ])
        Output.line(answer.text("Name"))
    }
}

/// `volume ls`.
struct VolumeListCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists volumes.", aliases: ["list"])

    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @Flag(name: .shortAndLong, help: "Only names.") var quiet = false

    func run() async throws {
        let answer = try await engine.json("GET", "/volumes", query: try filter.query())
        for warning in answer.texts("Warnings") { Output.error("WARNING: \(warning)") }
        try Self.listing(answer.list("Volumes")).show(format: format.format, quiet: quiet)
    }

    static func listing(_ volumes: [JSONValue]) -> Listing {
        Listing(
            headings: [
                "Name": "VOLUME NAME", "Driver": "DRIVER", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT",
                "Labels": "LABELS", "Links": "LINKS", "Size": "SIZE",
            ],
            columns: "{{.Driver}}\t{{.Name}}", quiet: "{{.Name}}",
            rows: volumes.sorted { $0.text("Name") < $1.text("Name") }.map { volume in
                let labels = volume["Labels"] ?? [:]
                return [
                    "Name": .string(volume.text("Name")), "Driver": .string(volume.text("Driver")),
                    "Scope": .string(volume.text("Scope")), "Mountpoint": .string(volume.text("Mountpoint")),
                    "Labels": Row.labels(labels), "Links": "N/A", "Size": "N/A", Template.labelsMember: labels,
                ]
            })
    }
}

/// `volume inspect VOLUME...`.
struct VolumeInspectCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Shows all of volumes.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template.") var format: String?
    @Argument(help: "The volumes.") var volumes: [String]

    func run() async throws { try await Inspection(engine: engine, kinds: [.volume], format: format).run(volumes) }
}

/// `volume rm VOLUME...`.
struct VolumeRemoveCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Removes volumes.", aliases: ["remove"])

    @Flag(name: .shortAndLong, help: "No error for those that do not exist.") var force = false
    @Argument(help: "The volumes.") var volumes: [String]

    func run() async throws {
        try await each(volumes) { name in
            try await engine.json(
                "DELETE", "/volumes/\(EngineClient.escape(name))", query: force ? [("force", "1")] : [])
            Output.line(name)
        }
    }
}

/// `volume prune`.
struct VolumePruneCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Removes volumes that no container uses.")

    @Flag(name: .shortAndLong, help: "Those with names, too.") var all = false
    @OptionGroup var prune: PruneOptions

    func run() async throws {
        try await prune.run(
            all
                ? "This will remove all local volumes not used by at least one container."
                : "This will remove anonymous local volumes not used by at least one container.", engine,
            "/volumes/prune", deleted: "VolumesDeleted", title: "Deleted Volumes:",
            filters: all ? ["all": ["true"]] : [:])
    }
}
