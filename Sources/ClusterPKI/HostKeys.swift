/// What a host keeps secret of its part in a cluster.
public struct HostKeys: Hashable, Sendable {
    /// Its key with the certificate.
    public var identity: NodeIdentity
    /// On managers: the keys under which the cluster's secrets are sealed.
    public var dataKeys = DataKeys()

    public init(identity: NodeIdentity, dataKeys: DataKeys = DataKeys()) {
        self.identity = identity
        self.dataKeys = dataKeys
    }
}

extension HostKeys: Codable {
    private enum CodingKeys: String, CodingKey {
        case key, certificate, dataKeys
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            identity: try NodeIdentity(
                keyPEM: container.decode(String.self, forKey: .key),
                certificatePEM: container.decode(String.self, forKey: .certificate)),
            dataKeys: try container.decode(DataKeys.self, forKey: .dataKeys))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(identity.keyPEM, forKey: .key)
        try container.encode(identity.certificatePEM, forKey: .certificate)
        try container.encode(dataKeys, forKey: .dataKeys)
    }
}
