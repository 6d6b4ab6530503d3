import ArgumentParser
import EngineClient
import JSON
import LinuxSystem
import Values

/// `martlet system`.
struct SystemCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "system", abstract: "This host's engine.",
        subcommands: [
            SystemUsageCommand.self, EventsCommand.self, InformationCommand.self, SystemPruneCommand.self,
        ])
}

/// `version`.
struct VersionCommand: EngineCommand {
    /// This program's version.
    static let own = "0.1.0"
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Shows the versions of this program and of the engine.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template.") var format: String?
    @Flag(help: "Only this program's.") var short = false

    func run() async throws {
        if short { return Output.line("martlet version \(Self.own)") }
        let client: JSONValue = [
            "Version": .string(Self.own), "ApiVersion": .string(engine.apiVersion ?? ""), "Os": "linux",
        ]
        var server: JSONValue?
        var failure: EngineClientError?
        do {
            server = try await engine.json("GET", "/version")
        } catch let error as EngineClientError {
            failure = error
        }
        if let format {
            if let failure { throw failure }
            let value: JSONValue = ["Client": client, "Server": server ?? nil]
            Output.line(format == "json" ? value.text : try Template(format).render(value))
            return
        }
        var lines = ["Client: Martlet", " Version:\t\(Self.own)", " API version:\t\(client.text("ApiVersion"))"]
        if let server {
            lines += [
                "", "Server: \(server.at("Platform", "Name")?.string ?? "")", " Version:\t\(server.text("Version"))",
                " API version:\t\(server.text("ApiVersion")) (minimum version \(server.text("MinAPIVersion")))",
                " OS/Arch:\t\(server.text("Os"))/\(server.text("Arch"))", " Kernel:\t\(server.text("KernelVersion"))",
            ]
        }
        Output.text(Table.layOut(lines, narrowest: 19))
        if let failure { throw failure }
    }
}

/// `info`.
struct InformationCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Shows what the engine knows of itself.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template.") var format: String?

    func run() async throws {
        let facts = try await engine.json("GET", "/info")
        if let format {
            Output.line(format == "json" ? facts.text : try Template(format).render(facts))
            return
        }
        Output.text(Self.lines(facts).map { $0 + "\n" }.joined())
    }

    static func lines(_ facts: JSONValue) -> [String] {
        let swarm = facts["Swarm"] ?? [:]
        var lines = [
            "Containers: \(facts.number("Containers"))", " Running: \(facts.number("ContainersRunning"))",
            " Paused: \(facts.number("ContainersPaused"))", " Stopped: \(facts.number("ContainersStopped"))",
            "Images: \(facts.number("Images"))", "Server Version: \(facts.text("ServerVersion"))",
            "Storage Driver: \(facts.text("Driver"))", "Logging Driver: \(facts.text("LoggingDriver"))",
            "Cgroup Driver: \(facts.text("CgroupDriver"))", "Cgroup Version: \(facts.text("CgroupVersion"))",
            "Swarm: \(swarm.text("LocalNodeState"))",
        ]
        if !swarm.text("NodeID").isEmpty {
            lines += [" NodeID: \(swarm.text("NodeID"))", " Is Manager: \(swarm["ControlAvailable"]?.bool ?? false)"]
            if let cluster = swarm["Cluster"] {
                lines += [
                    " ClusterID: \(cluster.text("ID"))", " Managers: \(swarm.number("Managers"))",
                    " Nodes: \(swarm.number("Nodes"))",
                    " Default Address Pool: \(cluster.texts("DefaultAddrPool").joined(separator: " "))",
                    " SubnetSize: \(cluster.number("SubnetSize"))",
                    " Data Path Port: \(cluster.number("DataPathPort"))",
                ]
            }
            lines.append(" Node Address: \(swarm.text("NodeAddr"))")
            let managers = swarm.list("RemoteManagers").map { $0.text("Addr") }.sorted()
            if !managers.isEmpty { lines += [" Manager Addresses:"] + managers.map { "  " + $0 } }
        }
        if !swarm.text("Error").isEmpty { lines.append(" Error: \(swarm.text("Error"))") }
        lines += [
            "Runtimes: \(facts.members("Runtimes").keys.sorted().joined(separator: " "))",
            "Default Runtime: \(facts.text("DefaultRuntime"))", "Kernel Version: \(facts.text("KernelVersion"))",
            "Operating System: \(facts.text("OperatingSystem"))", "OSType: \(facts.text("OSType"))",
            "Architecture: \(facts.text("Architecture"))", "CPUs: \(facts.number("NCPU"))",
            "Total Memory: \(ByteCount(facts.number("MemTotal")).binaryDescription)", "Name: \(facts.text("Name"))",
            "ID: \(facts.text("ID"))", "Docker Root Dir: \(facts.text("DockerRootDir"))",
        ]
        let labels = facts.texts("Labels")
        if !labels.isEmpty { lines += ["Labels:"] + labels.map { " " + $0 } }
        return lines + facts.texts("Warnings")
    }
}

/// `events`.
struct EventsCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Prints what happens, as it happens.")

    @OptionGroup var filter: FilterOptions
    @Option(parsing: .unconditional, help: "json, or a template.") var format: String?
    @Option(parsing: .unconditional, help: "From a time on, or so long ago.") var since: String?
    @Option(parsing: .unconditional, help: "Until a time.") var until: String?

    func run() async throws {
        var query = try filter.query()
        if let since { query.append(("since", try MomentText.parse(since, flag: "--since"))) }
        if let until { query.append(("until", try MomentText.parse(until, flag: "--until"))) }
        let template = try format.flatMap { $0 == "json" ? nil : $0 }.map { try Template($0) }
        let response = try await engine.perform("GET", "/events", query: query)
        for try await event in response.jsonLines() {
            if let template {
                Output.line(try template.render(event))
            } else {
                Output.line(format == "json" ? event.text : Self.line(event))
            }
        }
    }

    /// `TIME container start ID (image=..., name=...)`.
    static func line(_ event: JSONValue) -> String {
        let nanoseconds = event.number("timeNano")
        let moment =
            nanoseconds > 0
            ? Timestamp(nanosecondsSinceEpoch: nanoseconds) : Timestamp(secondsSinceEpoch: event.number("time"))
        let attributes = (event.at("Actor", "Attributes")?.object ?? [:]).sorted { $0.key < $1.key }
            .map { "\($0.key)=\($0.value.string ?? "")" }
        let id = event.at("Actor", "ID")?.string ?? ""
        return "\(moment.preciseDescription) \(event.text("Type")) \(event.text("Action")) \(id)"
            + (attributes.isEmpty ? "" : " (\(attributes.joined(separator: ", ")))")
    }
}

/// `system df`.
struct SystemUsageCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "df", abstract: "Shows what takes up space.")

    @OptionGroup var format: FormatOptions

    func run() async throws {
        try Self.listing(try await engine.json("GET", "/system/df")).show(format: format.format)
    }

    static func listing(_ usage: JSONValue) -> Listing {
        let images = usage.list("Images")
        let containers = usage.list("Containers")
        let volumes = usage.list("Volumes")
        let idle = containers.filter { !["running", "paused", "restarting"].contains($0.text("State")) }
        let usedImages = images.filter { $0.number("Containers") > 0 }
        func sum(_ values: [JSONValue], _ size: (JSONValue) -> Int64) -> Int64 {
            values.reduce(0) { $0 + max(0, size($1)) }
        }
        func volumeSize(_ volume: JSONValue) -> Int64 { volume["UsageData"]?.number("Size") ?? 0 }
        let usedVolumes = volumes.filter { ($0["UsageData"]?.number("RefCount") ?? 0) > 0 }
        let layers = usage.number("LayersSize")
        let used = min(layers, sum(usedImages) { $0.number("Size") })
        return Listing(
            headings: [
                "Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE",
            ],
            columns: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
            rows: [
                row("Images", images.count, usedImages.count, layers, layers - used),
                row(
                    "Containers", containers.count, containers.count - idle.count,
                    sum(containers) { $0.number("SizeRw") }, sum(idle) { $0.number("SizeRw") }),
                row(
                    "Local Volumes", volumes.count, usedVolumes.count, sum(volumes, volumeSize),
                    sum(volumes, volumeSize) - sum(usedVolumes, volumeSize)),
                row("Build Cache", usage.list("BuildCache").count, 0, 0, 0),
            ])
    }

    private static func row(_ type: String, _ count: Int, _ active: Int, _ bytes: Int64, _ free: Int64) -> JSONValue {
        let percent = bytes > 0 ? " (\(free * 100 / bytes)%)" : ""
        return [
            "Type": .string(type), "TotalCount": .string(String(count)), "Active": .string(String(active)),
            "Size": .string(ByteCount(bytes).description),
            "Reclaimable": .string(ByteCount(free).description + percent),
        ]
    }
}

/// `system prune`.
struct SystemPruneCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "prune", abstract: "Removes what nothing uses.")

    @Flag(name: .shortAndLong, help: "Every image that no container uses, not only those without a name.")
    var all = false
    @Flag(help: "Anonymous volumes, too.") var volumes = false
    @OptionGroup var prune: PruneOptions

    func run() async throws {
        var warning = """
            This will remove:
              - all stopped containers
              - all networks not used by at least one container

            """
        if volumes { warning += "  - all anonymous volumes not used by at least one container\n" }
        warning +=
            all ? "  - all images without at least one container associated to them\n" : "  - all dangling images\n"
        try prune.confirm(warning)
        var bytes = try await prune.perform(
            engine, "/containers/prune", deleted: "ContainersDeleted", title: "Deleted Containers:"
        ).bytes
        _ = try await prune.perform(engine, "/networks/prune", deleted: "NetworksDeleted", title: "Deleted Networks:")
        if volumes {
            bytes += try await prune.perform(
                engine, "/volumes/prune", deleted: "VolumesDeleted", title: "Deleted Volumes:"
            ).bytes
        }
        bytes += try await prune.perform(
            engine, "/images/prune", deleted: "ImagesDeleted", title: "Deleted Images:",
            filters: ["dangling": [all ? "false" : "true"]]
        ).bytes
        Output.line("Total reclaimed space: \(ByteText(bytes: bytes))")
    }
}
