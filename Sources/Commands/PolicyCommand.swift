import ArgumentParser
import EngineClient
import JSON

/// `cluster policy`.
struct ClusterPolicyCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Shows or sets which managers vote.",
        discussion: """
            Without it every manager votes for good, as in Docker. Managers beyond the number that is wanted are \
            spares: they have the log and the state, answer requests, and take the vote of one that is gone.
            """)

    @Option(name: .customLong("managers"), help: "How many managers vote: 3, 5 or 7; 0 for all.") var voters: Int64?
    @Option(
        name: .customLong("demote-after"), parsing: .unconditional,
        help: "A manager that is silent for longer loses its vote (10m); 0 for never.")
    var demoteAfter: String?
    @Option(
        help: ArgumentHelp(
            "A worker that votes, so that one of two managers can be lost. It keeps the end of raft's log.",
            discussion: "none ends that.", valueName: "node"))
    var witness: String?

    func run() async throws {
        let swarm = try await engine.json("GET", "/swarm")
        var spec = swarm["Spec"] ?? [:]
        guard voters != nil || demoteAfter != nil || witness != nil else {
            return Output.text(Self.text(spec, try await engine.json("GET", "/nodes").array ?? []))
        }
        try apply(to: &spec)
        if let witness {
            let id = witness == "none" ? "" : try await engine.json("GET", "/nodes/\(witness)").text("ID")
            spec.set("Managers", "Witness", to: .string(id))
        }
        try await engine.json(
            "POST", "/swarm/update", query: [("version", String(swarm["Version"]?.number("Index") ?? 0))], body: spec)
        Output.line("Swarm updated.")
    }

    func apply(to spec: inout JSONValue) throws {
        if let voters { spec.set("Managers", "Voters", to: .integer(voters)) }
        if let text = demoteAfter {
            let nanoseconds = text == "0" ? 0 : try DurationText.parse(text, flag: "--demote-after")
            spec.set("Managers", "DemoteAfter", to: .integer(nanoseconds))
        }
    }

    static func text(_ spec: JSONValue, _ nodes: [JSONValue]) -> String {
        let settings = spec["Managers"] ?? [:]
        let count = settings.number("Voters")
        let time = settings.number("DemoteAfter")
        let id = settings.text("Witness")
        let witness = nodes.first { !id.isEmpty && $0["ID"]?.string == id }
        var lines = [
            "Voting managers: " + (count > 0 ? "\(count)" : "all"),
            "Lose their vote: " + (time > 0 ? "after \(DurationText.text(time)) of silence" : "never"),
            "Witness: " + (witness.map(hostname) ?? "none"), "",
            "HOSTNAME\tVOTE\tSTATUS",
        ]
        for node in nodes.sorted(by: { hostname($0) < hostname($1) }) {
            if node == witness {
                lines.append("\(hostname(node))\twitness\t\(node.at("Status", "State")?.string ?? "")")
            }
            guard let manager = node["ManagerStatus"] else { continue }
            let status = manager["Leader"] == true ? "leader" : manager.text("Reachability")
            lines.append("\(hostname(node))\t\(manager["Spare"] == true ? "spare" : "yes")\t\(status)")
        }
        return Table.layOut(lines)
    }

    private static func hostname(_ node: JSONValue) -> String { node.at("Description", "Hostname")?.string ?? "" }
}
