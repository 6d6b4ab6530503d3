import JSON

/// A list for people or programs: rows of named fields, shown as `--format` says.
struct Listing {
    /// Every field that a format may name, with its heading.
    var headings: [String: String]
    /// The columns without a format: `{{.ID}}\t{{.Name}}`.
    var columns: String
    /// What is shown with `--quiet`.
    var quiet = "{{.ID}}"
    var rows: [JSONValue]

    /// The list as text with a line feed behind each line.
    func render(format: String?, quiet isQuiet: Bool = false) throws(TemplateError) -> String {
        var format = format ?? ""
        if format.isEmpty || format == "table" {
            format = isQuiet ? quiet : "table " + columns
        }
        if format == "json" { format = "{{json .}}" }
        let isTable = format.hasPrefix("table ")
        if isTable { format.removeFirst(6) }
        format = format.replacing("\\t", with: "\t").replacing("\\n", with: "\n")
        let template = try Template(format)
        let lines = try rows.map { row throws(TemplateError) in try template.render(row) }
        guard isTable else { return lines.map { $0 + "\n" }.joined() }
        // A heading is the same template filled with headings.
        let heading = try Template(Self.headingFormat(format)).render(.texts(headings))
        return Table.layOut([heading] + lines)
    }

    func show(format: String?, quiet: Bool = false) throws(TemplateError) {
        Output.text(try render(format: format, quiet: quiet))
    }

    /// `{{.Label "x"}}` is headed by the label's name, `{{json .X}}` by X's.
    private static func headingFormat(_ format: String) -> String {
        var result = ""
        var rest = format.replacing("{{json .", with: "{{.")[...]
        while let start = rest.firstRange(of: "{{.Label \"") {
            result += rest[..<start.lowerBound]
            rest = rest[start.upperBound...]
            guard let end = rest.firstRange(of: "\"}}") else { break }
            result += rest[..<end.lowerBound]
            rest = rest[end.upperBound...]
        }
        return result + rest
    }
}

/// Making rows of a list.
enum Row {
    /// Labels as a list shows them.
    static func labels(_ labels: JSONValue?) -> JSONValue {
        .string(
            (labels?.object ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.string ?? "")" }
                .joined(separator: ","))
    }

    /// The first 12 digits of an identifier, without `sha256:`.
    static func short(_ id: String, _ isWhole: Bool = false) -> String {
        if isWhole { return id }
        return String((id.hasPrefix("sha256:") ? id.dropFirst(7) : id[...]).prefix(12))
    }

    /// At most `length` characters, the last being an ellipsis where something was cut off.
    static func cut(_ text: String, _ length: Int) -> String {
        text.count <= length ? text : text.prefix(length - 1) + "…"
    }
}
