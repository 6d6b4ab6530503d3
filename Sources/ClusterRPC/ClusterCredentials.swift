import ClusterPKI

/// What a host shows its peers and what it asks of them.
public struct ClusterCredentials: Hashable, Sendable {
    public let identity: NodeIdentity
    public let roots: TrustRoots

    public init(identity: NodeIdentity, roots: TrustRoots) {
        self.identity = identity
        self.roots = roots
    }
}

/// The credentials of this moment. It is asked at each new connection, so renewed ones count from then on.
public typealias CredentialProvider = @Sendable () throws -> ClusterCredentials
