import JSON

/// JSON for people and scripts: the members that are looked at first stand first, in runc's order.
enum PrintedJSON {
    /// - Parameter first: names of members, before all others.
    static func text(_ value: some Encodable, first: [String]) throws -> String {
        text(try JSONCoding.verbatim.value(of: value), first)
    }

    private static func text(_ value: JSONValue, _ first: [String]) -> String {
        switch value {
        case .array(let elements): "[" + elements.map { text($0, first) }.joined(separator: ",") + "]"
        case .object(let members): object(members, first)
        default: value.text
        }
    }

    private static func object(_ members: [String: JSONValue], _ first: [String]) -> String {
        let names = first.filter { members[$0] != nil } + members.keys.filter { !first.contains($0) }.sorted()
        return "{" + names.map { "\(JSONValue.string($0).text):\(members[$0]!.text)" }.joined(separator: ",") + "}"
    }
}
