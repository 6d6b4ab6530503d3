import EngineModel
import Values

/// The filters of the prune operations: `label`, `label!` and `until` (Engine API: ContainerPrune).
struct PruneFilter {
    private let filters: ObjectFilters
    private let until: Timestamp?

    init(_ filters: ObjectFilters, now: Timestamp, known: Set<String> = []) throws(EngineError) {
        try filters.check(known: known.union(["label", "label!", "until"]))
        self.filters = filters
        guard let text = filters.values["until"]?.first else {
            until = nil
            return
        }
        if let seconds = Int64(text) {
            until = Timestamp(secondsSinceEpoch: seconds)
        } else if let moment = Timestamp(rfc3339: text) {
            until = moment
        } else if let nanoseconds = Self.duration(text) {
            until = now.advanced(byNanoseconds: -nanoseconds)
        } else {
            throw EngineError(.invalidParameter, "invalid filter 'until=\(text)': neither a time nor a duration")
        }
    }

    func matches(_ labels: [String: String], _ created: Timestamp) -> Bool {
        if let until, created >= until { return false }
        let unwanted = (filters.values["label!"] ?? []).contains { text in
            ObjectFilters(values: ["label": [text]]).matches(labels: labels)
        }
        return !unwanted && filters.matches(labels: labels)
    }

    /// `1h30m`, `10s`, `1.5h`: numbers with units, as Go writes durations; nil for anything else.
    static func duration(_ text: String) -> Int64? {
        let units: [String: Double] = ["ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9]
        var total = 0.0
        var rest = text[...]
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isNumber || $0 == "." }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let value = Double(number), let factor = units[String(unit)] else { return nil }
            total += value * factor
        }
        return total < 9.2e18 ? Int64(total) : nil
    }
}
