/// Finding an object by its name, its identifier or a unique beginning of it, as Docker's clients name them.
public enum ObjectLookup: Hashable, Sendable {
    case found(String)
    case none
    case ambiguous

    /// A whole identifier wins over a name, a name over a beginning.
    public static func find(
        _ reference: String, names: [String: String], identifiers: some Sequence<String>, contains: (String) -> Bool
    ) -> ObjectLookup {
        if contains(reference) { return .found(reference) }
        let name = reference.hasPrefix("/") ? String(reference.dropFirst()) : reference
        if let id = names[name] { return .found(id) }
        guard !reference.isEmpty else { return .none }
        var match: String?
        for id in identifiers where id.hasPrefix(reference) {
            guard match == nil else { return .ambiguous }
            match = id
        }
        return match.map { .found($0) } ?? .none
    }
}
