import ArgumentParser
import EngineClient
import JSON

/// `martlet node`.
struct NodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "The hosts of a cluster.",
        subcommands: [
            NodeDemoteCommand.self, NodeInspectCommand.self, NodeListCommand.self, NodePromoteCommand.self,
            NodeTasksCommand.self, NodeRemoveCommand.self, NodeUpdateCommand.self,
        ])
}

/// Reading a node and changing what is wanted of it.
struct NodeChange {
    let engine: EngineClient

    func path(_ name: String) async throws -> String {
        if name == "self" {
            let id = try await engine.json("GET", "/info").at("Swarm", "NodeID")?.string ?? ""
            guard !id.isEmpty else {
                throw CommandExit(code: 1, message: "This node is not part of a swarm: see 'martlet swarm init'")
            }
            return "/nodes/\(id)"
        }
        return "/nodes/\(EngineClient.escape(name))"
    }

    /// Changes a node's specification; nothing is sent where `change` says false.
    func apply(_ name: String, _ change: (inout JSONValue) throws -> Bool) async throws {
        let path = try await path(name)
        try await ReadChangeWrite.run {
            let node = try await engine.json("GET", path)
            var spec = node["Spec"] ?? [:]
            guard try change(&spec) else { return }
            try await engine.json(
                "POST", "/nodes/\(node.text("ID"))/update",
                query: [("version", String(node["Version"]?.number("Index") ?? 0))], body: spec)
        }
    }
}

/// `node ls`.
struct NodeListCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists nodes.", aliases: ["list"])

    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @Flag(name: .shortAndLong, help: "Only identifiers.") var quiet = false

    func run() async throws {
        let nodes = try await engine.json("GET", "/nodes", query: try filter.query()).array ?? []
        let swarm = try await engine.json("GET", "/info")["Swarm"] ?? [:]
        try Self.listing(nodes, swarm).show(format: format.format, quiet: quiet)
    }

    /// - Parameter swarm: SwarmInfo of the host that was asked.
    static func listing(_ nodes: [JSONValue], _ swarm: JSONValue) -> Listing {
        let own = swarm.text("NodeID")
        let root = swarm.at("Cluster", "TLSInfo", "TrustRoot")?.string
        return Listing(
            headings: [
                "ID": "ID", "Self": "", "Hostname": "HOSTNAME", "Status": "STATUS", "Availability": "AVAILABILITY",
                "ManagerStatus": "MANAGER STATUS", "EngineVersion": "ENGINE VERSION", "TLSStatus": "TLS STATUS",
            ],
            columns: "{{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t"
                + "{{.ManagerStatus}}\t{{.EngineVersion}}",
            rows: nodes.sorted {
                ($0.at("Description", "Hostname")?.string ?? "") < ($1.at("Description", "Hostname")?.string ?? "")
            }
            .map { node in
                let manager = node["ManagerStatus"]
                var reachability = manager?["Leader"] == true ? "leader" : manager?.text("Reachability") ?? ""
                if manager?["Spare"] == true, reachability == "reachable" { reachability = "spare" }
                return [
                    "ID": .string(node.text("ID")), "Self": .bool(node.text("ID") == own),
                    "Hostname": .string(node.at("Description", "Hostname")?.string ?? ""),
                    "Status": .string(capitalised(node.at("Status", "State")?.string ?? "")),
                    "Availability": .string(capitalised(node.at("Spec", "Availability")?.string ?? "")),
                    "ManagerStatus": .string(capitalised(reachability)),
                    "EngineVersion": .string(node.at("Description", "Engine", "EngineVersion")?.string ?? ""),
                    "TLSStatus": .string(tlsStatus(node, root)),
                ]
            })
    }

    /// As docker tells it: whether the node trusts the CA that the cluster has now.
    private static func tlsStatus(_ node: JSONValue, _ root: String?) -> String {
        let own = node.at("Description", "TLSInfo", "TrustRoot")?.string
        guard let root, let own, !root.isEmpty, !own.isEmpty else { return "Unknown" }
        return own == root ? "Ready" : "Needs Rotation"
    }

    private static func capitalised(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
}

/// `node inspect self|NODE...`.
struct NodeInspectCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Shows all of nodes.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template.") var format: String?
    @Flag(help: "For people.") var pretty = false
    @Argument(help: "The nodes; self is this host.") var nodes: [String]

    func run() async throws {
        var names: [String] = []
        for name in nodes {
            names.append(name == "self" ? String(try await NodeChange(engine: engine).path(name).dropFirst(7)) : name)
        }
        let inspection = Inspection(engine: engine, kinds: [.node], format: pretty ? NodePretty.format : format)
        try await inspection.run(names) { pretty ? NodePretty.fields($0) : $0 }
    }
}

/// `node update NODE`.
struct NodeUpdateCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Changes what is wanted of a node.")

    @Option(help: "active, pause or drain.") var availability: String?
    @Option(help: "worker or manager.") var role: String?
    @Option(name: .customLong("label-add"), parsing: .unconditionalSingleValue, help: "A label, NAME=VALUE.")
    var labelsAdded: [String] = []
    @Option(name: .customLong("label-rm"), parsing: .unconditionalSingleValue, help: "A label's name.")
    var labelsRemoved: [String] = []
    @Argument(help: "The node; self is this host.") var node: String

    func apply(to spec: inout JSONValue) throws {
        if let availability {
            guard ["active", "pause", "drain"].contains(availability) else {
                throw FlagError("--availability", availability, "use active, pause or drain")
            }
            spec["Availability"] = .string(availability)
        }
        if let role {
            guard ["worker", "manager"].contains(role) else { throw FlagError("--role", role, "use worker or manager") }
            spec["Role"] = .string(role)
        }
        var labels = spec.members("Labels")
        for name in labelsRemoved {
            guard labels.removeValue(forKey: name) != nil else {
                throw CommandExit(code: 1, message: "key \(name) doesn't exist in node's labels")
            }
        }
        for (name, value) in Assignments.dictionary(labelsAdded) { labels[name] = .string(value) }
        spec["Labels"] = .object(labels)
    }

    func run() async throws {
        try await NodeChange(engine: engine).apply(node) { spec in
            try apply(to: &spec)
            return true
        }
        Output.line(node)
    }
}

/// `node promote NODE...`.
struct NodePromoteCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "promote", abstract: "Makes managers of nodes.")

    @Argument(help: "The nodes.") var nodes: [String]

    func run() async throws {
        try await each(nodes) { name in
            var isChanged = false
            try await NodeChange(engine: engine).apply(name) { spec in
                isChanged = spec.text("Role") != "manager"
                spec["Role"] = "manager"
                return isChanged
            }
            Output.line(
                isChanged ? "Node \(name) promoted to a manager in the swarm." : "Node \(name) is already a manager.")
        }
    }
}

/// `node demote NODE...`.
struct NodeDemoteCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "demote", abstract: "Makes workers of managers.")

    @Argument(help: "The nodes.") var nodes: [String]

    func run() async throws {
        try await each(nodes) { name in
            var isChanged = false
            try await NodeChange(engine: engine).apply(name) { spec in
                isChanged = spec.text("Role") != "worker"
                spec["Role"] = "worker"
                return isChanged
            }
            Output.line(isChanged ? "Manager \(name) demoted in the swarm." : "Node \(name) is already a worker.")
        }
    }
}

/// `node rm NODE...`.
struct NodeRemoveCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Takes nodes out of the cluster.", aliases: ["remove"])

    @Flag(name: .shortAndLong, help: "Even where they are not down.") var force = false
    @Argument(help: "The nodes.") var nodes: [String]

    func run() async throws {
        try await each(nodes) { name in
            try await engine.json(
                "DELETE", "/nodes/\(EngineClient.escape(name))", query: force ? [("force", "1")] : [])
            Output.line(name)
        }
    }
}

/// `node ps [NODE...]`.
struct NodeTasksCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "ps", abstract: "Lists the tasks on nodes.")

    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var list: ListOptions
    @Flag(name: .customLong("no-resolve"), help: "Show identifiers instead of names.") var noResolve = false
    @Argument(help: "The nodes; this host without any.") var nodes: [String] = []

    func run() async throws {
        var ids: [String] = []
        for name in nodes.isEmpty ? ["self"] : nodes {
            let node = try await engine.json("GET", try await NodeChange(engine: engine).path(name))
            ids.append(node.text("ID"))
        }
        let tasks = try await engine.json("GET", "/tasks", query: try filter.query(["node": ids])).array ?? []
        let services = try await engine.json("GET", "/services").array ?? []
        let names = Dictionary(
            services.map { ($0.text("ID"), $0.at("Spec", "Name")?.string ?? "") }, uniquingKeysWith: { $1 })
        try TaskListing.make(
            tasks, services: names, nodes: try await TaskListing.nodeNames(engine), isWhole: list.isWhole,
            resolves: !noResolve
        ).show(format: format.format, quiet: list.quiet)
    }
}
