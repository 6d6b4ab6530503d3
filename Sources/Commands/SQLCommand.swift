import ArgumentParser
import EngineClient
import JSON

/// `martlet sql "SELECT ..."`.
struct SQLCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql", abstract: "Runs a statement that reads the cluster's state.",
        discussion: "The tables: SELECT name, sql FROM sqlite_schema.")

    @Option(help: "table or json.") var format = "table"
    @Argument(help: "One SELECT statement, as SQLite understands it.") var statement: String

    func run() async throws {
        guard ["table", "json"].contains(format) else { throw FlagError("--format", format, "use table or json") }
        let answer = try await engine.json("POST", "/martlet/sql", body: ["Statement": .string(statement)])
        Output.text(format == "json" ? Self.lines(answer) : Self.table(answer))
        if answer["Cut"] == true { Output.error("WARNING: there are more rows than are shown") }
    }

    /// One object a row.
    static func lines(_ answer: JSONValue) -> String {
        let columns = answer.texts("Columns")
        return answer.list("Rows").map { row in
            let members = zip(columns, row.array ?? []).map { ($0, $1) }
            return JSONValue.object(Dictionary(members) { _, last in last }).text + "\n"
        }.joined()
    }

    static func table(_ answer: JSONValue) -> String {
        let rows = answer.list("Rows").map { row in (row.array ?? []).map(cell).joined(separator: "\t") }
        return Table.layOut([answer.texts("Columns").map { $0.uppercased() }.joined(separator: "\t")] + rows)
    }

    /// Texts as they are, on one line; nothing for NULL.
    private static func cell(_ value: JSONValue) -> String {
        switch value {
        case .null: ""
        case .string(let text): String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 })
        default: value.text
        }
    }
}
