import JSON
import Values

/// Docker's `filters` query parameter: for each key the values of which one must match.
///
/// Both forms are read: lists of values, and objects whose members are values with `true` behind them.
public struct ObjectFilters: Hashable, Sendable {
    public var values: [String: [String]]

    public init(values: [String: [String]] = [:]) { self.values = values }

    /// Reads the parameter's JSON text; an empty text is no filter.
    public init(parsing text: String) throws(EngineError) {
        guard !text.isEmpty else {
            values = [:]
            return
        }
        guard let members = (try? JSONValue(parsing: text))?.object else {
            throw EngineError(.invalidParameter, "invalid filters: not a JSON object")
        }
        var values: [String: [String]] = [:]
        for (key, value) in members {
            switch value {
            case .array(let elements): values[key] = elements.compactMap(\.string)
            case .object(let set): values[key] = set.filter { $0.value.bool != false }.keys.sorted()
            default: throw EngineError(.invalidParameter, "invalid filter '\(key)'")
            }
        }
        self.values = values
    }

    /// Refuses keys that an operation does not know, with Docker's message.
    public func check(known: Set<String>) throws(EngineError) {
        for key in values.keys.sorted() where !known.contains(key) {
            throw EngineError(.invalidParameter, "invalid filter '\(key)'")
        }
    }

    /// True where the key is not given or one of its values passes.
    public func matches(_ key: String, _ predicate: (String) -> Bool) -> Bool {
        guard let wanted = values[key], !wanted.isEmpty else { return true }
        return wanted.contains(where: predicate)
    }

    /// Every `label` filter, `name` or `name=value`, must hold.
    public func matches(labels: [String: String], key: String = "label") -> Bool {
        (values[key] ?? []).allSatisfy { wanted in
            guard let equals = wanted.firstIndex(of: "=") else { return labels[wanted] != nil }
            return labels[String(wanted[..<equals])] == String(wanted[wanted.index(after: equals)...])
        }
    }

    /// Whether one of the `label!` filters holds.
    public func excludes(labels: [String: String]) -> Bool {
        (values["label!"] ?? []).contains { ObjectFilters(values: ["label": [$0]]).matches(labels: labels) }
    }

    /// The moment of an `until` filter: seconds since 1970, a time of RFC 3339, or a length of time before now.
    public func until(now: Timestamp) throws(EngineError) -> Timestamp? {
        guard let text = values["until"]?.first else { return nil }
        if let seconds = Int64(text) { return Timestamp(secondsSinceEpoch: seconds) }
        if let moment = Timestamp(rfc3339: text) { return moment }
        guard let nanoseconds = GoDuration.nanoseconds(text) else {
            throw EngineError(.invalidParameter, "invalid filter 'until=\(text)': neither a time nor a duration")
        }
        return now.advanced(byNanoseconds: -nanoseconds)
    }
}
