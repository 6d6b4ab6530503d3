/// What is told of an object to those who watch for changes.
public enum ObjectSummary: Hashable, Sendable {
    case service(name: String, update: UpdateStatus.State?)
    case node(name: String, NodeStatus.State, NodeSpec.Availability)
    case network(name: String)
    case config(name: String)
    case secret(name: String)

    /// The object's name for people.
    public var name: String {
        switch self {
        case .service(let name, _), .node(let name, _, _), .network(let name), .config(let name), .secret(let name):
            name
        }
    }
}

extension ClusterState {
    /// nil where there is no such object, and for kinds of which nothing is told.
    func summary(of object: ObjectReference) -> ObjectSummary? {
        switch object.kind {
        case .service: services[object.id].map { .service(name: $0.spec.name, update: $0.updateStatus?.state) }
        case .node: nodes[object.id].map { .node(name: $0.hostname, $0.status.state, $0.spec.availability) }
        case .network: networks[object.id].map { .network(name: $0.spec.name) }
        case .config: configs[object.id].map { .config(name: $0.name) }
        case .secret: secrets[object.id].map { .secret(name: $0.name) }
        case .cluster, .task, .attachment: nil
        }
    }
}
