/// Which object: its kind and identifier.
public struct ObjectReference: Hashable, Comparable, Sendable {
    public var kind: ObjectKind
    public var id: String

    public init(kind: ObjectKind, id: String) {
        self.kind = kind
        self.id = id
    }

    /// By the identifier alone: hardly any repeats among kinds.
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }

    public static func < (one: ObjectReference, other: ObjectReference) -> Bool {
        (one.kind.rawValue, one.id) < (other.kind.rawValue, other.id)
    }

    /// Whether somebody asks for such objects, so that the history keeps them; the others are made by the cluster.
    public var hasSpecification: Bool {
        switch kind {
        case .cluster, .node, .service, .network, .config, .secret: true
        case .task, .attachment: false
        }
    }
}

extension Mutation {
    /// The object that it writes, where that has a specification.
    public func specified(in state: ClusterState) -> ObjectReference? {
        switch self {
        case .putCluster(let object, _): ObjectReference(kind: .cluster, id: object.id)
        case .raiseVersion: state.cluster.map { ObjectReference(kind: .cluster, id: $0.id) }
        case .putNode(let object, _): ObjectReference(kind: .node, id: object.id)
        case .removeNode(let id, _), .allocateGateway(let id, _), .observeNode(let id, _, _),
            .openSession(let id, _):
            ObjectReference(kind: .node, id: id)
        case .putService(let object, _): ObjectReference(kind: .service, id: object.id)
        case .removeService(let id, _), .allocate(let id, _), .progress(let id, _):
            ObjectReference(kind: .service, id: id)
        case .putNetwork(let object, _): ObjectReference(kind: .network, id: object.id)
        case .removeNetwork(let id, _), .moveCursor(let id, _): ObjectReference(kind: .network, id: id)
        case .putConfig(let object, _): ObjectReference(kind: .config, id: object.id)
        case .removeConfig(let id, _): ObjectReference(kind: .config, id: id)
        case .putSecret(let object, _): ObjectReference(kind: .secret, id: object.id)
        case .removeSecret(let id, _): ObjectReference(kind: .secret, id: id)
        case .createTask, .removeTask, .desire, .assign, .explain, .orphan, .observe, .putAttachment,
            .removeAttachment:
            nil
        }
    }
}
