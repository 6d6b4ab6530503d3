import ArgumentParser
import JSON

/// `--filter`.
struct FilterOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .customLong("filter")], parsing: .unconditionalSingleValue,
        help: "Only what matches, KEY=VALUE.")
    var filters: [String] = []

    /// The query parameter `filters`; none where nothing is filtered.
    func query(_ more: [String: [String]] = [:]) throws(FlagError) -> [(String, String)] {
        var values = more
        for text in filters {
            guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
                throw FlagError("--filter", text, "invalid filter: write KEY=VALUE")
            }
            values[String(text[..<equals]).lowercased(), default: []].append(String(text[text.index(after: equals)...]))
        }
        return Self.query(values)
    }

    static func query(_ values: [String: [String]]) -> [(String, String)] {
        values.isEmpty ? [] : [("filters", JSONValue.object(values.mapValues { .strings($0) }).text)]
    }
}

/// `--format`.
struct FormatOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "table, json, or a template such as 'table {{.ID}}\\t{{.Names}}'.")
    var format: String?
}

/// `--quiet` and `--no-trunc` of lists.
struct ListOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Only identifiers.") var quiet = false
    @Flag(name: .customLong("no-trunc"), help: "Do not shorten anything.") var isWhole = false
}
