import ClusterModel

/// Why specifications cannot be made what they were at a revision.
public enum RollbackRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// A specification that this version does not understand.
    case unreadable(kind: ObjectKind, name: String)
    /// A network of the same name that is another one: services would not find what they had.
    case networkReplaced(name: String)
    /// No subnet is left for a network that has to be made again.
    case noSubnet(name: String)
    /// The cluster would refuse it.
    case refused(Refusal)

    public var description: String {
        switch self {
        case .unreadable(let kind, let name):
            "the specification of \(kind.rawValue) \(name) at that revision is not understood by this version"
        case .networkReplaced(let name):
            "network \(name) was replaced by one with other settings: remove it first"
        case .noSubnet(let name): "no subnet and identifier is left for network \(name), which would be made again"
        case .refused(let refusal): refusal.description
        }
    }
}
