import ClusterModel
import JSON

/// What the objects that a transaction is about were like before it, so that the state itself need not be kept.
public struct EarlierSpecifications: Sendable {
    let specifications: [ObjectReference: (name: String, document: JSONValue)]
    let historyID: String?
    let version: ClusterVersion

    public init(of transaction: Transaction, in state: ClusterState) {
        var specifications: [ObjectReference: (name: String, document: JSONValue)] = [:]
        for case let object? in transaction.mutations.lazy.map({ $0.specified(in: state) }) {
            guard let (name, document, _, _) = state.specification(of: object) else { continue }
            specifications[object] = (name, document)
        }
        self.specifications = specifications
        historyID = state.cluster?.historyID
        version = state.version
    }
}
