import ClusterModel
import EngineModel

/// Finds the cluster's objects by identifier, name or unique beginning of an identifier, as Docker does.
enum ClusterLookup {
    static func node(_ reference: String, _ state: ClusterState, selfID: String) throws(EngineError) -> NodeObject {
        if reference == "self", let node = state.nodes[selfID] { return node }
        if let node = state.nodes[reference] { return node }
        return try one(
            "node", reference,
            named: state.nodes.values.filter { $0.hostname == reference || $0.spec.name == reference },
            begun: state.nodes.values.filter { $0.id.hasPrefix(reference) })
    }

    static func service(_ reference: String, _ state: ClusterState) throws(EngineError) -> ServiceObject {
        if let service = state.services[reference] { return service }
        return try one(
            "service", reference, named: state.services.values.filter { $0.spec.name == reference },
            begun: state.services.values.filter { $0.id.hasPrefix(reference) })
    }

    static func task(_ reference: String, _ state: ClusterState) throws(EngineError) -> TaskObject {
        if let task = state.tasks[reference] { return task }
        return try one("task", reference, named: [], begun: state.tasks.values.filter { $0.id.hasPrefix(reference) })
    }

    /// A config or a secret.
    static func payload<Object: NamedObject>(
        _ reference: String, _ objects: NamedObjects<Object>
    ) throws(EngineError) -> Object {
        if let object = objects[reference] ?? objects.named(reference) { return object }
        return try one(
            Object.kind.rawValue, reference, named: [], begun: objects.values.filter { $0.id.hasPrefix(reference) })
    }

    private static func one<Object>(
        _ kind: String, _ reference: String, named: [Object], begun: [Object]
    ) throws(EngineError) -> Object {
        let matches = named.isEmpty ? (reference.isEmpty ? [] : begun) : named
        switch matches.count {
        case 1: return matches[0]
        case 0: throw EngineError(.notFound, "\(kind) \(reference) not found")
        default:
            throw EngineError(
                .invalidParameter, "\(kind) \(reference) is ambiguous (\(matches.count) matches found)")
        }
    }
}
