import JSON
import Values

/// `node inspect --pretty`: the fields of a node in words.
enum NodePretty {
    static let format = "{{range .Lines}}{{println .}}{{end}}"

    /// The lines for `format`.
    static func fields(_ node: JSONValue) -> JSONValue { ["Lines": .strings(lines(node))] }

    private static func lines(_ node: JSONValue) -> [String] {
        let description = node["Description"] ?? [:]
        var lines: [String] = []
        func add(_ name: String, _ value: String, indent: Int = 0) {
            guard !value.isEmpty else { return }
            let title = String(repeating: " ", count: indent) + name + ":"
            lines.append(title + String(repeating: " ", count: max(1, 18 - title.count)) + value)
        }
        func text(_ path: String...) -> String {
            path.reduce(node as JSONValue?) { value, name in value?[name] }?.string ?? ""
        }
        add("ID", node.text("ID"))
        let labels = node["Spec"]?.members("Labels") ?? [:]
        if !labels.isEmpty { lines.append("Labels:") }
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            lines.append(" - \(name)=\(value.string ?? "")")
        }
        add("Hostname", text("Description", "Hostname"))
        add("Joined at", text("CreatedAt"))
        lines.append("Status:")
        add("State", capitalised(text("Status", "State")), indent: 1)
        add("Message", text("Status", "Message"), indent: 1)
        add("Availability", capitalised(text("Spec", "Availability")), indent: 1)
        add("Address", text("Status", "Addr"), indent: 1)
        if let manager = node["ManagerStatus"] {
            lines.append("Manager Status:")
            add("Address", manager.text("Addr"), indent: 1)
            add("Raft Status", capitalised(manager.text("Reachability")), indent: 1)
            add("Leader", manager["Leader"] == true ? "Yes" : "No", indent: 1)
        }
        lines.append("Platform:")
        add("Operating System", text("Description", "Platform", "OS"), indent: 1)
        add("Architecture", text("Description", "Platform", "Architecture"), indent: 1)
        let resources = description["Resources"] ?? [:]
        lines.append("Resources:")
        add("CPUs", "\(resources.number("NanoCPUs") / 1_000_000_000)", indent: 1)
        add("Memory", ByteCount(resources.number("MemoryBytes")).binaryDescription, indent: 1)
        add("Engine Version", text("Description", "Engine", "EngineVersion"))
        return lines
    }

    private static func capitalised(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
}
