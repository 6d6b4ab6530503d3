import EngineModel
import Values

/// Which containers a list shows (Engine API: ContainerList).
struct ContainerFilter {
    static let known: Set<String> = [
        "ancestor", "before", "expose", "exited", "health", "id", "is-task", "isolation", "label", "name", "network",
        "publish", "since", "status", "volume",
    ]

    let filters: ObjectFilters
    /// Those that do not run too.
    let all: Bool
    /// The newest so many, whether they run or not; nil is all of them.
    let limit: Int?
    /// The identifiers of the images that an `ancestor` filter names.
    var ancestors: Set<String> = []

    init(_ filters: ObjectFilters, all: Bool, limit: Int?) throws(EngineError) {
        try filters.check(known: Self.known)
        for code in filters.values["exited"] ?? [] where Int32(code) == nil {
            throw EngineError(.invalidParameter, "invalid filter 'exited=\(code)'")
        }
        let states = ["created", "running", "paused", "restarting", "removing", "exited", "dead"]
        for state in filters.values["status"] ?? [] where !states.contains(state) {
            throw EngineError(.invalidParameter, "invalid filter 'status=\(state)'")
        }
        self.filters = filters
        self.all = all || filters.values["status"] != nil || filters.values["exited"] != nil
        self.limit = limit.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The containers to show of `records`, which are ordered, newest first.
    func apply(_ records: [ContainerRecord]) throws(EngineError) -> [ContainerRecord] {
        let before = try moment("before", records)
        let since = try moment("since", records)
        var chosen: [ContainerRecord] = []
        for record in records {
            if let limit, chosen.count == limit { break }
            if !all, limit == nil, !record.state.isRunning, record.state.status != .restarting { continue }
            if let before, record.createdAt >= before { continue }
            if let since, record.createdAt <= since { continue }
            if matches(record) { chosen.append(record) }
        }
        return chosen
    }

    private func moment(_ key: String, _ records: [ContainerRecord]) throws(EngineError) -> Timestamp? {
        guard let reference = filters.values[key]?.first else { return nil }
        let record = records.first { $0.name == reference || $0.id.hasPrefix(reference) }
        guard let record else { throw .notFound(container: reference) }
        return record.createdAt
    }

    private func matches(_ record: ContainerRecord) -> Bool {
        filters.matches("id") { record.id.hasPrefix($0) }
            && filters.matches("name") { NamePattern.matches($0, [record.name, "/" + record.name]) }
            && filters.matches(labels: record.configuration.labels)
            && filters.matches("status") { record.state.status.rawValue == $0 }
            && filters.matches("exited") {
                record.state.startedAt != nil && !record.state.isRunning && String(record.state.exitCode) == $0
            }
            && filters.matches("health") { (record.state.health?.status.rawValue ?? "none") == $0 }
            && filters.matches("is-task") { (record.taskID != nil) == ["1", "true"].contains($0.lowercased()) }
            && filters.matches("network") { wanted in
                record.endpoints.contains { $0.key == wanted || $0.value.networkID.hasPrefix(wanted) }
            }
            && filters.matches("volume") { wanted in
                record.mounts.contains { $0.name == wanted || $0.destination == wanted || $0.source == wanted }
            }
            && filters.matches("publish") { wanted in
                record.ports.contains { "\($0.hostPort)/\($0.transport)" == PortKey(wanted)?.description }
            }
            && filters.matches("expose") { wanted in
                record.configuration.exposedPorts?.keys.contains {
                    PortKey($0) == PortKey(wanted) && PortKey(wanted) != nil
                } ?? false
            }
            && (filters.values["ancestor"] == nil || ancestors.contains(record.imageID))
    }
}

/// A regular expression, as Docker's name filters are; a text that is none is looked for as it is.
enum NamePattern {
    static func matches(_ pattern: String, _ names: [String]) -> Bool {
        guard let expression = try? Regex(pattern) else { return names.contains { $0.contains(pattern) } }
        return names.contains { (try? expression.firstMatch(in: $0)) ?? nil != nil }
    }
}
