import ClusterModel
import ClusterPKI
import SessionModel

/// What a host without certificate asks for.
struct EnrolRequest: Hashable, Codable {
    var token: String
    /// PKCS #10, PEM.
    var request: String
    var description: NodeDescription
    /// Where the host is reached; without an address where it did not choose one.
    var address: String
    var port: UInt16
    var availability: NodeSpec.Availability
    /// What it can be a manager of; nil where its program does not say it.
    var supported: SupportedVersions?
}

/// What a host gets to be part of the cluster.
struct EnrolResponse: Hashable, Codable {
    var nodeID: String
    var clusterID: String
    /// Missing from a manager of a version that did not tell it.
    var history: String?
    var isManager: Bool
    var certificate: String
    /// The CA's certificates, PEM.
    var roots: String
    var address: String
    var managers: [PeerAddress]
}

/// A node that asks for a certificate for a new key, or for another role.
struct RenewRequest: Hashable, Codable {
    var request: String
}

/// A manager that asks for its place in raft.
struct JoinRaftRequest: Hashable, Codable {
    var member: UInt64
    var address: String
    /// nil where its program does not say it.
    var supported: SupportedVersions?
}

/// What a new member of raft has to know: the others, and the keys of what is sealed in the state.
struct JoinRaftResponse: Hashable, Codable {
    struct Member: Hashable, Codable {
        var id: UInt64
        var nodeID: String
        var address: String
    }

    var members: [Member]
    /// Missing from a manager of a version that sealed nothing.
    var dataKeys: DataKeys?
}
