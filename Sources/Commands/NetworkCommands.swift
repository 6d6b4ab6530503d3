import ArgumentParser
import EngineClient
import JSON

/// `martlet network`.
struct NetworkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network", abstract: "Networks of this host and of the cluster.",
        subcommands: [
            NetworkConnectCommand.self, NetworkCreateCommand.self, NetworkDisconnectCommand.self,
            NetworkInspectCommand.self, NetworkListCommand.self, NetworkPruneCommand.self, NetworkRemoveCommand.self,
        ])
}

/// `network create NETWORK`.
struct NetworkCreateCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Makes a network.")

    @Option(name: .shortAndLong, help: "bridge or overlay.") var driver = "bridge"
    @Option(parsing: .unconditionalSingleValue, help: "The subnet, 10.1.0.0/24.") var subnet: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "The gateway of the subnet.") var gateway: [String] = []
    @Option(
        name: .customLong("ip-range"), parsing: .unconditionalSingleValue,
        help: "The part of the subnet that addresses are given from.")
    var range: [String] = []
    @Flag(help: "Let containers join it by hand (overlay).") var attachable = false
    @Flag(help: "Without a way out.") var `internal` = false
    @Flag(help: "Make the ingress network.") var ingress = false
    @Option(help: "local or swarm.") var scope: String?
    @Option(name: .customLong("label"), parsing: .unconditionalSingleValue, help: "A label.") var labels: [String] = []
    @Option(
        name: [.customShort("o"), .customLong("opt")], parsing: .unconditionalSingleValue, help: "A driver option.")
    var options: [String] = []
    @Flag(help: "With IPv6.") var ipv6 = false
    @Argument(help: "Its name.") var name: String

    /// Engine API: NetworkCreateRequest.
    func body() throws -> JSONValue {
        guard gateway.count <= max(1, subnet.count), range.count <= max(1, subnet.count),
            range.isEmpty || !subnet.isEmpty
        else {
            throw CommandExit(code: 1, message: "every ip-range or gateway must have a corresponding subnet")
        }
        var pools: [JSONValue] = []
        for index in 0..<max(subnet.count, gateway.count) {
            var pool: JSONValue = [:]
            if index < subnet.count { pool["Subnet"] = .string(subnet[index]) }
            if index < range.count { pool["IPRange"] = .string(range[index]) }
            if index < gateway.count { pool["Gateway"] = .string(gateway[index]) }
            pools.append(pool)
        }
        return [
            "Name": .string(name), "Driver": .string(driver), "Scope": .string(scope ?? ""),
            "Internal": .bool(`internal`), "Attachable": .bool(attachable), "Ingress": .bool(ingress),
            "EnableIPv6": .bool(ipv6), "IPAM": ["Driver": "default", "Config": .array(pools)],
            "Options": .texts(Assignments.dictionary(options)), "Labels": .texts(Assignments.dictionary(labels)),
        ]
    }

    func run() async throws {
        let answer = try await engine.json("POST", "/networks/create", body: try body())
        if !answer.text("Warning").isEmpty { Output.error("WARNING: \(answer.text("Warning"))") }
        Output.line(answer.text("Id"))
    }
}

/// `network ls`.
struct NetworkListCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists networks.", aliases: ["list"])

    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var list: ListOptions

    func run() async throws {
        let networks = try await engine.json("GET", "/networks", query: try filter.query()).array ?? []
        try Self.listing(networks, isWhole: list.isWhole).show(format: format.format, quiet: list.quiet)
    }

    static func listing(_ networks: [JSONValue], isWhole: Bool) -> Listing {
        Listing(
            headings: [
                "ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE", "IPv4": "IPV4",
                "IPv6": "IPV6", "Internal": "INTERNAL", "Labels": "LABELS", "CreatedAt": "CREATED AT",
            ],
            columns: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
            rows: networks.sorted { $0.text("Name") < $1.text("Name") }.map { network in
                let labels = network["Labels"] ?? [:]
                return [
                    "ID": .string(Row.short(network.text("Id"), isWhole)), "Name": .string(network.text("Name")),
                    "Driver": .string(network.text("Driver")), "Scope": .string(network.text("Scope")),
                    "IPv4": .string(network["EnableIPv4"] == false ? "false" : "true"),
                    "IPv6": .string(network["EnableIPv6"] == true ? "true" : "false"),
                    "Internal": .string(network["Internal"] == true ? "true" : "false"), "Labels": Row.labels(labels),
                    "CreatedAt": .string(network.time("Created").map(HumanTime.moment) ?? ""),
                    Template.labelsMember: labels,
                ]
            })
    }
}

/// `network inspect NETWORK...`.
struct NetworkInspectCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Shows all of networks.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template.") var format: String?
    @Flag(name: .shortAndLong, help: "With the services on them.") var verbose = false
    @Option(help: "local or swarm.") var scope: String?
    @Argument(help: "The networks.") var networks: [String]

    func run() async throws {
        let query = (verbose ? [("verbose", "true")] : []) + (scope.map { [("scope", $0)] } ?? [])
        try await Inspection(engine: engine, kinds: [.network], format: format, query: query).run(networks)
    }
}

/// `network rm NETWORK...`.
struct NetworkRemoveCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Removes networks.", aliases: ["remove"])

    @Flag(name: .shortAndLong, help: "No error for those that do not exist.") var force = false
    @Argument(help: "The networks.") var networks: [String]

    func run() async throws {
        try await each(networks) { name in
            do {
                try await engine.json("DELETE", "/networks/\(EngineClient.escape(name))")
            } catch let error as EngineClientError where error.status == 404 && force {
                return
            }
            Output.line(name)
        }
    }
}

/// `network connect NETWORK CONTAINER`.
struct NetworkConnectCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "connect", abstract: "Joins a container to a network.")

    @Option(name: .customLong("alias"), parsing: .unconditionalSingleValue, help: "A further name in the network.")
    var aliases: [String] = []
    @Option(help: "Its IPv4 address.") var ip: String?
    @Option(name: .customLong("driver-opt"), parsing: .unconditionalSingleValue, help: "A driver option.")
    var options: [String] = []
    @Argument(help: "The network.") var network: String
    @Argument(help: "The container.") var container: String

    func run() async throws {
        var endpoint: JSONValue = [:]
        if !aliases.isEmpty { endpoint["Aliases"] = .strings(aliases) }
        if let ip { endpoint.set("IPAMConfig", "IPv4Address", to: .string(ip)) }
        if !options.isEmpty { endpoint["DriverOpts"] = .texts(Assignments.dictionary(options)) }
        try await engine.json(
            "POST", "/networks/\(EngineClient.escape(network))/connect",
            body: ["Container": .string(container), "EndpointConfig": endpoint])
    }
}

/// `network disconnect NETWORK CONTAINER`.
struct NetworkDisconnectCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "disconnect", abstract: "Takes a container out of a network.")

    @Flag(name: .shortAndLong, help: "Even where the container is not there.") var force = false
    @Argument(help: "The network.") var network: String
    @Argument(help: "The container.") var container: String

    func run() async throws {
        try await engine.json(
            "POST", "/networks/\(EngineClient.escape(network))/disconnect",
            body: ["Container": .string(container), "Force": .bool(force)])
    }
}

/// `network prune`.
struct NetworkPruneCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Removes this host's networks that nothing uses.")

    @OptionGroup var prune: PruneOptions

    func run() async throws {
        try prune.confirm("This will remove all custom networks not used by at least one container.")
        _ = try await prune.perform(engine, "/networks/prune", deleted: "NetworksDeleted", title: "Deleted Networks:")
    }
}
