import ArgumentParser
import EngineClient
import JSON
import LinuxSystem
import Values

/// `martlet cluster`.
struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "The cluster's past, its managers, its backups, its keys, its version, and its recovery.",
        subcommands: [
            ClusterLogCommand.self, ClusterShowCommand.self, ClusterDiffCommand.self, ClusterRollbackCommand.self,
            ClusterPolicyCommand.self, ClusterBackupCommand.self, ClusterRestoreCommand.self,
            ClusterRecoverCommand.self, ClusterRotateKeysCommand.self, ClusterVersionCommand.self,
        ])
}

/// `cluster log`.
struct ClusterLogCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Lists who changed what, newest first.")

    @Option(help: "Only since a time (RFC 3339 or seconds), or so long ago (10m).") var since: String?
    @Option(help: "Only up to a time.") var until: String?
    @Option(help: "Only by a node (name or identifier), or by the orchestrator.") var author: String?
    @Option(help: "Only one object: service/web, web, or an identifier.") var object: String?
    @Option(help: "At most so many.") var limit = 50
    @OptionGroup var format: FormatOptions

    func run() async throws {
        var query = [("limit", String(limit))]
        if let since { query.append(("since", try Self.moment(since, flag: "--since"))) }
        if let until { query.append(("until", try Self.moment(until, flag: "--until"))) }
        if let author { query.append(("author", author)) }
        if let object { query.append(("object", object)) }
        let records = try await engine.json("GET", "/martlet/history", query: query).array ?? []
        try Self.listing(records).show(format: format.format)
    }

    /// A moment as the engine takes it; `10m` is so long ago.
    static func moment(_ text: String, flag: String, now: Timestamp = Clock.now()) throws(FlagError) -> String {
        if let nanoseconds = GoDuration.nanoseconds(text), Int64(text) == nil {
            return now.advanced(byNanoseconds: -nanoseconds).description
        }
        guard Timestamp(rfc3339: text) != nil || Double(text) != nil else {
            throw FlagError(flag, text, "write 2025-11-24T10:52:25Z, seconds since 1970, or 10m for ten minutes ago")
        }
        return text
    }

    static func listing(_ records: [JSONValue]) -> Listing {
        Listing(
            headings: [
                "Revision": "REVISION", "Time": "TIME", "Author": "AUTHOR", "Client": "CLIENT", "Change": "CHANGE",
                "Object": "OBJECT", "Kind": "KIND", "ID": "ID", "Name": "NAME", "Note": "NOTE",
            ],
            columns: "{{.Revision}}\t{{.Time}}\t{{.Author}}\t{{.Change}}\t{{.Object}}\t{{.Note}}",
            quiet: "{{.Revision}}", rows: records.map(row))
    }

    private static func row(_ record: JSONValue) -> JSONValue {
        let author = record["Author"] ?? [:]
        return [
            "Revision": .integer(record.number("Revision")), "Time": .string(seconds(record.text("Time"))),
            "Author": .string(ClusterWords.author(author)), "Client": .string(author.text("Client")),
            "Change": .string(record.text("Change")), "Object": .string(ClusterWords.object(record)),
            "Kind": .string(record.text("Kind")), "ID": .string(record.text("ID")),
            "Name": .string(record.text("Name")), "Note": .string(record.text("Note")),
        ]
    }

    private static func seconds(_ text: String) -> String {
        Timestamp(rfc3339: text).map { Timestamp(secondsSinceEpoch: $0.secondsSinceEpoch).description } ?? text
    }
}

/// `cluster show REVISION`.
struct ClusterShowCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows what a revision changed, with the specification after it.")

    @Option(parsing: .unconditional, help: "json, for the whole answer.") var format: String?
    @Argument(help: "The revision.") var revision: UInt64

    func run() async throws {
        let changes = try await engine.json("GET", "/martlet/history/\(revision)").array ?? []
        if format == "json" { return Output.line(JSONValue.array(changes).pretty()) }
        guard format == nil else { throw FlagError("--format", format ?? "", "use json") }
        Output.text(changes.map(Self.text).joined(separator: "\n"))
    }

    static func text(_ change: JSONValue) -> String {
        let author = change["Author"] ?? [:]
        var text = "revision \(change.number("Revision"))\n"
        text += "Author:  \(ClusterWords.author(author))"
        if !author.text("Client").isEmpty { text += " (\(author.text("Client")))" }
        text += "\nTime:    \(change.text("Time"))\n"
        if !change.text("Note").isEmpty { text += "Note:    \(change.text("Note"))\n" }
        text += "Change:  \(ClusterWords.object(change)) \(change.text("Change")) (\(change.text("ID")))\n"
        if change.text("Change") == "updated" { text += ClusterWords.fields(change.list("Fields")) }
        if let specification = change["Specification"], !specification.isNull {
            text += specification.pretty() + "\n"
        }
        return text
    }
}

/// `cluster diff REVISION [REVISION]`.
struct ClusterDiffCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Shows how specifications differ between two revisions.")

    @Option(parsing: .unconditional, help: "json, for the whole answer.") var format: String?
    @Argument(help: "The older revision.") var first: UInt64
    @Argument(help: "The newer one. (default: now)") var last: UInt64?

    func run() async throws {
        let differences =
            try await engine.json(
                "GET", "/martlet/history/\(first)/differences", query: last.map { [("to", String($0))] } ?? []
            ).array ?? []
        if format == "json" { return Output.line(JSONValue.array(differences).pretty()) }
        guard format == nil else { throw FlagError("--format", format ?? "", "use json") }
        Output.text(differences.map(Self.text).joined())
    }

    static func text(_ difference: JSONValue) -> String {
        let line = "\(difference.text("Change")) \(ClusterWords.object(difference)) (\(difference.text("ID")))\n"
        return difference.text("Change") == "updated" ? line + ClusterWords.fields(difference.list("Fields")) : line
    }
}

/// `cluster rollback --to REVISION`.
struct ClusterRollbackCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Makes services, networks and nodes what they were at a revision.")

    @Option(help: "The revision.") var to: UInt64
    @Flag(name: .customLong("dry-run"), help: "Only show what would happen.") var isDry = false
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    func run() async throws {
        let path = "/martlet/history/\(to)/rollback"
        let plan = try await engine.json("GET", path)
        Output.text(Self.text(plan))
        if isDry || plan.list("Steps").isEmpty { return }
        guard yes || Confirmation.ask("Do this? [y/N] ") else {
            throw CommandExit(code: 1, message: "nothing was done")
        }
        let outcome = try await engine.json("POST", path, query: [("basis", String(plan.number("Basis")))])
        for name in outcome.texts("LeftNetworks") {
            Output.error("WARNING: network \(name) is still used and was not removed")
        }
        Output.line("Rolled back to revision \(to) by revision \(outcome.number("Revision")).")
    }

    static func text(_ plan: JSONValue) -> String {
        var text = plan.list("Steps").isEmpty ? "Nothing is to be done.\n" : ""
        for step in plan.list("Steps") {
            let verb = ["created": "create", "updated": "update", "removed": "remove"][step.text("Change")] ?? ""
            text += "\(verb) \(ClusterWords.object(step))"
            if !step.text("Remark").isEmpty { text += " (\(step.text("Remark")))" }
            text += "\n" + ClusterWords.fields(step.list("Fields"))
        }
        for exception in plan.list("Exceptions") {
            text += "leave \(ClusterWords.object(exception)): \(exception.text("Reason"))\n"
        }
        return text
    }
}

/// How the history's parts are written for people.
enum ClusterWords {
    /// A node's name, or its identifier where it has left.
    static func author(_ author: JSONValue) -> String {
        guard author.text("Kind") == "node" else { return author.text("Kind") }
        return author.text("Hostname").isEmpty ? author.text("NodeID") : author.text("Hostname")
    }

    /// `service/web`.
    static func object(_ value: JSONValue) -> String { "\(value.text("Kind"))/\(value.text("Name"))" }

    /// A line for each field: where it is, what it was and what it is.
    static func fields(_ fields: [JSONValue]) -> String {
        fields.map { field in
            "    \(field.text("Path")): \(value(field["Old"])) -> \(value(field["New"]))\n"
        }.joined()
    }

    private static func value(_ value: JSONValue?) -> String { value?.text ?? "(none)" }
}
