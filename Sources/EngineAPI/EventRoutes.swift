import ClusterManager
import Engine
import EngineModel
import JSON
import LinuxSystem
import Values

/// `/events`: this host's and, on a manager, the cluster's.
struct EventRoutes: Sendable {
    static let known: Set<String> = [
        "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
        "service", "type", "volume",
    ]

    let engine: Engine
    let cluster: ControlPlane?

    func register(_ router: inout Router) {
        router.on("GET", "events") { request in
            let filters = try request.filters()
            try filters.check(known: Self.known)
            let since = try request.time("since")
            let until = try request.time("until")
            if let since, let until, until < since {
                throw EngineError(.invalidParameter, "`since` cannot be after `until`")
            }
            // Subscribed before the headers go out, so that what happens from then on is seen.
            var sources = [engine.events.subscribe(since: since)]
            if let cluster, cluster.membership.controlAvailable { sources.append(cluster.events(since: since)) }
            let streams = sources
            return .stream(contentType: "application/json") { writer in
                try await Self.pass(streams, filters, until: until, to: writer)
            }
        }
    }

    private static func pass(
        _ sources: [AsyncStream<EngineEvent>], _ filters: ObjectFilters, until: Timestamp?, to writer: ResponseWriter
    ) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for source in sources {
                group.addTask {
                    for await event in source {
                        if let until, event.time > until { return true }
                        if matches(event, filters) { try await writer.write(line: event.message) }
                    }
                    return false
                }
            }
            if let until {
                group.addTask {
                    // Those kept from before come without waiting.
                    let rest = max(until.nanoseconds(since: Clock.now()), 50_000_000)
                    try await Task.sleep(for: .nanoseconds(rest))
                    return true
                }
            }
            while let isOver = try await group.next(), !isOver {}
            group.cancelAll()
        }
    }

    /// Docker's filters of events: `container=web`, `event=start`, `type=network`, `label=...`.
    static func matches(_ event: EngineEvent, _ filters: ObjectFilters) -> Bool {
        func names(_ wanted: String) -> Bool { event.id.hasPrefix(wanted) || event.attributes["name"] == wanted }
        for kind in ["container", "network", "volume", "service", "node", "daemon", "config", "secret"] {
            guard let wanted = filters.values[kind], !wanted.isEmpty else { continue }
            guard event.kind.rawValue == kind, wanted.contains(where: names) else { return false }
        }
        return filters.matches("type") { event.kind.rawValue == $0 }
            && filters.matches("event") { wanted in
                event.action == wanted || event.action.prefix { $0 != ":" } == wanted
            }
            && filters.matches("scope") { event.scope == $0 }
            && filters.matches("image") { wanted in
                event.kind == .image && names(wanted) || event.attributes["image"] == wanted
            }
            && filters.matches(labels: event.attributes)
    }
}
