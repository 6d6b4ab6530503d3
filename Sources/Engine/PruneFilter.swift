import EngineModel
import Values

/// The filters of the prune operations: `label`, `label!` and `until` (Engine API: ContainerPrune).
struct PruneFilter {
    private let filters: ObjectFilters
    private let until: Timestamp?

    init(_ filters: ObjectFilters, now: Timestamp, known: Set<String> = []) throws(EngineError) {
        try filters.check(known: known.union(["label", "label!", "until"]))
        self.filters = filters
        until = try filters.until(now: now)
    }

    func matches(_ labels: [String: String], _ created: Timestamp) -> Bool {
        if let until, created >= until { return false }
        return filters.matches(labels: labels) && !filters.excludes(labels: labels)
    }
}
