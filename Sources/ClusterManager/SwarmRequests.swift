import JSON

/// The body of `POST /swarm/init` (Engine API: SwarmInitRequest).
public struct SwarmInitRequest: Hashable, Sendable, Codable {
    public var listenAddr: String
    public var advertiseAddr: String
    public var dataPathAddr: String
    public var dataPathPort: UInt16
    public var defaultAddrPool: [String]?
    public var subnetSize: Int
    public var forceNewCluster: Bool
    public var availability: String
    /// SwarmSpec.
    public var spec: JSONValue?
}

/// The body of `POST /swarm/join` (Engine API: SwarmJoinRequest).
public struct SwarmJoinRequest: Hashable, Sendable, Codable {
    public var listenAddr: String
    public var advertiseAddr: String
    public var dataPathAddr: String
    /// Addresses of managers, with or without a port.
    public var remoteAddrs: [String]?
    public var joinToken: String
    public var availability: String
}

/// This node's part in a cluster, for `/info` (Engine API: SwarmInfo).
public struct SwarmMembership: Hashable, Sendable {
    public enum LocalState: String, Sendable {
        case inactive, pending, active, error, locked
    }

    public struct Manager: Hashable, Sendable {
        public var nodeID: String
        /// `address:port`.
        public var address: String
    }

    public var state: LocalState
    /// Empty while inactive.
    public var nodeID: String
    /// The address that peers use, without a port; empty while inactive.
    public var nodeAddress: String
    /// Whether this node is a manager.
    public var controlAvailable: Bool
    public var error: String
    public var managers: [Manager]

    public static let inactive = SwarmMembership(
        state: .inactive, nodeID: "", nodeAddress: "", controlAvailable: false, error: "", managers: [])
}
