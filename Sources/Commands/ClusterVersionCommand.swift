import ArgumentParser
import EngineClient
import JSON

/// `cluster version`.
struct ClusterVersionCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Shows the cluster's version, its managers', and what keeps it from rising.")

    @Option(parsing: .unconditional, help: "json, for the whole answer.") var format: String?

    func run() async throws {
        let report = try await engine.json("GET", "/martlet/versions")
        if format == "json" { return Output.line(report.pretty()) }
        guard format == nil else { throw FlagError("--format", format ?? "", "use json") }
        Output.text(Self.text(report))
    }

    static func text(_ report: JSONValue) -> String {
        var text = "The cluster has version \(report.number("ClusterVersion")).\n"
        let rows = report.list("Managers").map { manager in
            let answered = manager["Answered"] == true
            let program = answered ? manager.text("Program") : "(no answer)"
            return "\(name(manager))\t\(program)\t\(answered ? range(manager) : "")"
        }
        text += Table.layOut(["MANAGER\tMARTLETD\tSUPPORTS"] + rows)
        guard let next = report["Next"]?.integer else { return text }
        let waiting = report.texts("WaitsFor")
        if waiting.isEmpty { return text + "It rises to \(next) now.\n" }
        let names = report.list("Managers").filter { waiting.contains($0.text("NodeID")) }.map(name)
        return text
            + "It rises to \(next) when every manager supports that; it waits for \(names.joined(separator: ", ")).\n"
    }

    private static func name(_ manager: JSONValue) -> String {
        manager.text("Hostname").isEmpty ? manager.text("NodeID") : manager.text("Hostname")
    }

    private static func range(_ manager: JSONValue) -> String {
        let (lowest, highest) = (manager.number("Lowest"), manager.number("Highest"))
        return lowest == highest ? "\(lowest)" : "\(lowest) to \(highest)"
    }
}
