import Values

/// A place in a cluster's overlay network that a manager gave to a container before it was made.
public struct ClusterAttachment: Hashable, Sendable, Codable {
    public var networkID: String
    public var networkName: String
    /// The container's address with the network's prefix.
    public var address: CIDR
    public var mac: MACAddress
    public var gateway: IPAddress?
    /// Names beside the container's own that its network resolves to this address.
    public var aliases: [String]

    public init(
        networkID: String, networkName: String, address: CIDR, mac: MACAddress, gateway: IPAddress? = nil,
        aliases: [String] = []
    ) {
        self.networkID = networkID
        self.networkName = networkName
        self.address = address
        self.mac = mac
        self.gateway = gateway
        self.aliases = aliases
    }
}

/// A port of the host that leads to a container.
public struct PublishedBinding: Hashable, Sendable, Codable {
    /// The host's address; nil for every one.
    public var hostAddress: IPAddress?
    public var hostPort: UInt16
    public var containerPort: UInt16
    /// `tcp` or `udp`.
    public var transport: String

    public init(hostAddress: IPAddress?, hostPort: UInt16, containerPort: UInt16, transport: String) {
        self.hostAddress = hostAddress
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.transport = transport
    }
}
