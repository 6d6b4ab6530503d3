/// Whether the cluster's version can rise: when every manager has said that it supports the higher one.
public struct VersionRise: Hashable, Sendable {
    /// A member of raft, with or without a vote.
    public struct Manager: Hashable, Sendable {
        public var nodeID: String
        /// nil where it has not said anything just now.
        public var versions: ManagerVersions?

        public init(nodeID: String, versions: ManagerVersions?) {
            self.nodeID = nodeID
            self.versions = versions
        }
    }

    public enum Decision: Hashable, Sendable {
        /// No manager knows a higher one.
        case settled
        /// All of them support it.
        case raise(to: ClusterVersion)
        /// Somebody knows a higher one, and these managers, by node, do not, or say nothing.
        case wait(for: ClusterVersion, on: [String])
    }

    public var current: ClusterVersion
    public var managers: [Manager]

    public init(current: ClusterVersion, managers: [Manager]) {
        self.current = current
        self.managers = managers
    }

    /// What is best for everybody: the highest that all support. Nobody who is silent is passed over, since it may come
    /// back with the program that it had.
    public var decision: Decision {
        let stated = managers.compactMap(\.versions?.supported)
        guard let wanted = stated.map(\.highest).max(), wanted > current else { return .settled }
        if stated.count == managers.count, let common = stated.map(\.highest).min(), common > current,
            stated.allSatisfy({ $0.contains(common) })
        {
            return .raise(to: common)
        }
        let lacking = managers.filter { $0.versions?.supported.contains(wanted) != true }
        return .wait(for: wanted, on: lacking.map(\.nodeID))
    }
}
