import DatabaseCipher

/// What a host keeps secret of its part in a cluster.
public struct HostKeys: Hashable, Sendable {
    /// Its key with the certificate.
    public var identity: NodeIdentity
    /// On managers: the keys under which the cluster's secrets are sealed.
    public var dataKeys = DataKeys()
    /// On managers: the keys under which this host's own databases lie on its disk.
    public var databaseKeys = DatabaseKeys()

    public init(
        identity: NodeIdentity, dataKeys: DataKeys = DataKeys(), databaseKeys: DatabaseKeys = DatabaseKeys()
    ) {
        self.identity = identity
        self.dataKeys = dataKeys
        self.databaseKeys = databaseKeys
    }
}

extension HostKeys: Codable {
    private enum CodingKeys: String, CodingKey {
        case key, certificate, dataKeys, databaseKeys
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            identity: try NodeIdentity(
                keyPEM: container.decode(String.self, forKey: .key),
                certificatePEM: container.decode(String.self, forKey: .certificate)),
            dataKeys: try container.decode(DataKeys.self, forKey: .dataKeys),
            // Versions that did not seal their databases had none.
            databaseKeys: try container.decodeIfPresent(DatabaseKeys.self, forKey: .databaseKeys) ?? DatabaseKeys())
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(identity.keyPEM, forKey: .key)
        try container.encode(identity.certificatePEM, forKey: .certificate)
        try container.encode(dataKeys, forKey: .dataKeys)
        if !databaseKeys.isEmpty { try container.encode(databaseKeys, forKey: .databaseKeys) }
    }
}
