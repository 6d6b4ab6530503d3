import ClusterModel
import JSON

/// What the objects that a transaction is about were like before it, so that the state itself need not be kept.
public struct EarlierSpecifications: Sendable {
    let specifications: [ObjectReference: (name: String, document: JSONValue)]
    let historyID: String?

    public init(of transaction: Transaction, in state: ClusterState) {
        var specifications: [ObjectReference: (name: String, document: JSONValue)] = [:]
        for case let object? in transaction.mutations.lazy.map(\.specified) {
            guard let (name, document, _, _) = state.specification(of: object) else { continue }
            specifications[object] = (name, document)
        }
        self.specifications = specifications
        historyID = state.cluster?.historyID
    }
}

extension Mutation {
    /// The object that it writes, where that has a specification.
    fileprivate var specified: ObjectReference? {
        switch self {
        case .putCluster(let object, _): ObjectReference(kind: .cluster, id: object.id)
        case .putNode(let object, _): ObjectReference(kind: .node, id: object.id)
        case .removeNode(let id, _), .allocateGateway(let id, _), .observeNode(let id, _, _):
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
