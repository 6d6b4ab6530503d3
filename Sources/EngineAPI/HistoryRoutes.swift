import ClusterHistory
import ClusterManager
import ClusterModel
import ClusterStore
import EngineModel
import HTTPMessages
import JSON

/// `/martlet`: what Docker's API has no words for. The past of the cluster, the way back, and statements over its
/// state.
struct HistoryRoutes: Sendable {
    let cluster: ControlPlane?

    private func access() throws(EngineError) -> ControlPlane { try ClusterAccess.required(cluster) }

    func register(_ router: inout Router) {
        router.on("GET", "martlet/history", list)
        router.on("GET", "martlet/history/{revision}") { request in
            let cluster = try access()
            let changes = try await cluster.changes(at: try Self.revision(request["revision"]))
            let names = Self.names(cluster)
            return .json(.array(changes.map { HistoryShapes.change($0, names: names) }))
        }
        router.on("GET", "martlet/history/{revision}/differences") { request in
            let differences = try await access().differences(
                from: try Self.revision(request["revision"]), to: try request.number("to"))
            return .json(.array(differences.map(HistoryShapes.difference)))
        }
        router.on("GET", "martlet/history/{revision}/rollback") { request in
            let (plan, basis) = try await access().planRollback(to: try Self.revision(request["revision"]))
            return .json(HistoryShapes.plan(plan, basis: basis))
        }
        router.on("POST", "martlet/history/{revision}/rollback") { request in
            let outcome = try await access().rollBack(
                to: try Self.revision(request["revision"]), basis: try request.number("basis"))
            return .json(HistoryShapes.outcome(outcome))
        }
        router.on("POST", "martlet/sql") { request in
            guard let statement = try await request.json()["Statement"]?.string else {
                throw EngineError(.invalidParameter, "a Statement is needed")
            }
            return .json(HistoryShapes.answer(try await access().query(statement)))
        }
    }

    private static func revision(_ text: String) throws(EngineError) -> UInt64 {
        guard let revision = UInt64(text) else {
            throw EngineError(.invalidParameter, "invalid revision \"\(text)\": a number is needed")
        }
        return revision
    }

    private static func names(_ cluster: ControlPlane) -> [String: String] {
        (cluster.localState?.nodes.values.map { ($0.id, $0.hostname) } ?? []).reduce(into: [:]) { $0[$1.0] = $1.1 }
    }

    /// What a query asks for.
    static func filter(of query: RequestTarget) throws -> HistoryFilter {
        let limit = try query.number("limit", as: Int.self) ?? HistoryFilter().limit
        guard limit > 0 else { throw EngineError(.invalidParameter, "invalid limit \(limit): it is a positive number") }
        var filter = HistoryFilter(limit: limit)
        filter.since = try query.time("since")
        filter.until = try query.time("until")
        filter.before = try query.number("before")
        if let text = query.text("object") { try select(text, &filter) }
        return filter
    }

    private func list(_ request: APIRequest) async throws -> APIResponse {
        let filter = try Self.filter(of: request.target)
        let cluster = try access()
        let records = try await cluster.history(filter, author: request.text("author"))
        let names = Self.names(cluster)
        return .json(.array(records.map { HistoryShapes.record($0, names: names) }))
    }

    /// `web`, `service/web`, `service/`, or an identifier.
    private static func select(_ text: String, _ filter: inout HistoryFilter) throws(EngineError) {
        guard let slash = text.firstIndex(of: "/") else {
            filter.object = text
            return
        }
        guard let kind = ObjectKind(rawValue: String(text[..<slash])) else {
            throw EngineError(
                .invalidParameter, "invalid object \"\(text)\": write KIND/NAME, such as service/web")
        }
        filter.kind = kind
        let name = String(text[text.index(after: slash)...])
        if !name.isEmpty { filter.object = name }
    }
}
