import ClusterManager
import ClusterModel
import ClusterStore
import EngineModel
import JSON
import WatchModel

/// `/martlet/watch`: changes of the cluster's state as they happen, from a revision on.
///
/// The answer is a JSON text a line. The first says where the watch begins; each of the others is a revision with its
/// changes, or says that some are missing (`"resynchronise": true`) and where the watch goes on. A client that comes
/// back, to this manager or another one, asks with the last line's history and revision.
struct WatchRoutes: Sendable {
    let cluster: ControlPlane?

    func register(_ router: inout Router) {
        router.on("GET", "martlet/watch") { request in
            let filter = try Self.filter(request.text("kind"), request.text("object"))
            var position: WatchPosition?
            if let revision = try request.number("revision", as: UInt64.self) {
                guard let history = request.text("history") else {
                    throw EngineError(.invalidParameter, "a revision counts in a history: both are needed")
                }
                position = WatchPosition(history: history, revision: revision)
            }
            let (watch, begin) = try ClusterAccess.required(cluster).watch(filter, from: position)
            return .stream(contentType: "application/json") { writer in
                defer { watch.finish() }
                try await writer.write(line: Self.line(begin, []))
                var history = begin.history
                while let deliveries = await watch.next() {
                    for update in deliveries.map(\.update) {
                        if case .resynchronise(let position) = update { history = position.history }
                        for line in Self.lines(update, history: history) { try await writer.write(line: line) }
                    }
                }
            }
        }
    }

    /// `kind=service,node`, or `object=service/IDENTIFIER,...`; everything where neither is asked for.
    static func filter(_ kinds: String?, _ objects: String?) throws(EngineError) -> WatchFilter {
        func kind(_ text: Substring) throws(EngineError) -> ObjectKind {
            guard let kind = ObjectKind(rawValue: String(text)) else {
                throw EngineError(.invalidParameter, "invalid kind \"\(text)\"")
            }
            return kind
        }
        if let objects {
            guard kinds == nil else { throw EngineError(.invalidParameter, "either kind or object, not both") }
            var wanted: Set<ObjectReference> = []
            for text in objects.split(separator: ",") {
                let parts = text.split(separator: "/", maxSplits: 1)
                guard parts.count == 2 else {
                    throw EngineError(.invalidParameter, "invalid object \"\(text)\": write KIND/IDENTIFIER")
                }
                wanted.insert(ObjectReference(kind: try kind(parts[0]), id: String(parts[1])))
            }
            return .objects(wanted.sorted())
        }
        guard let kinds else { return .kinds(ObjectKind.allCases) }
        var wanted: [ObjectKind] = []
        for text in kinds.split(separator: ",") { wanted.append(try kind(text)) }
        return .kinds(wanted)
    }

    /// A line for each revision, so that a client that comes back has all of the last one's changes or none.
    static func lines(_ update: WatchUpdate, history: String) -> [JSONValue] {
        switch update {
        case .resynchronise(let position):
            var line = line(position, [])
            line["resynchronise"] = true
            return [line]
        case .changes(let changes, _):
            var lines: [JSONValue] = []
            var rest = changes[...]
            while let first = rest.first {
                let together = rest.prefix { $0.revision == first.revision }
                rest = rest.dropFirst(together.count)
                var line = line(WatchPosition(history: history, revision: first.revision), together.map(change))
                line["time"] = .string(first.time.description)
                lines.append(line)
            }
            return lines
        }
    }

    private static func line(_ position: WatchPosition, _ changes: [JSONValue]) -> JSONValue {
        [
            "history": .string(position.history),
            "revision": Int64(exactly: position.revision).map { .integer($0) } ?? .unsigned(position.revision),
            "changes": .array(changes),
        ]
    }

    private static func change(_ revised: RevisedChange) -> JSONValue {
        let change = revised.change
        let word =
            switch change.action {
            case .create: "created"
            case .update: "updated"
            case .remove: "removed"
            }
        var value: JSONValue = [
            "kind": .string(change.kind.rawValue), "id": .string(change.id), "change": .string(word),
        ]
        if let name = (change.after ?? change.before)?.name { value["name"] = .string(name) }
        return value
    }
}
