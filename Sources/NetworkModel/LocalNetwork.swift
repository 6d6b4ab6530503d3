import Values

/// A bridge network of one host (Docker's `bridge` driver).
public struct LocalBridge: Hashable, Sendable, Codable {
    public let id: String
    /// The name of the link: `martlet0` for the default network, else `br-` and 12 digits of the network's id.
    public var linkName: String
    public var subnet: CIDR
    public var gateway: IPAddress
    /// No way out of the bridge and none in.
    public var isInternal: Bool
    /// Traffic that leaves the host carries the host's address.
    public var masquerades: Bool
    public var mtu: Int

    public init(
        id: String, linkName: String? = nil, subnet: CIDR, gateway: IPAddress? = nil, isInternal: Bool = false,
        masquerades: Bool = true, mtu: Int = 1500
    ) {
        self.id = id
        self.linkName = linkName ?? "br-" + id.prefix(12)
        self.subnet = subnet.network
        self.gateway = gateway ?? subnet.host(1)
        self.isInternal = isInternal
        self.masquerades = masquerades
        self.mtu = mtu
    }

    /// The link of the default network.
    public static let defaultLinkName = "martlet0"
}

/// An interface of a sandbox on a bridge of its host.
public struct BridgeAttachment: Hashable, Sendable, Codable {
    /// The bridge's link.
    public var bridge: String
    /// The name in the sandbox: `eth0` and so on.
    public var interface: String
    public var address: CIDR
    public var mac: MACAddress
    /// Where the default route leads; nil for none.
    public var gateway: IPAddress?
    public var mtu: Int

    /// - Parameter mac: nil for the address that Docker derives from the IPv4 address.
    public init(
        bridge: String, interface: String, address: CIDR, mac: MACAddress? = nil, gateway: IPAddress?, mtu: Int = 1500
    ) {
        precondition(mac != nil || address.address.isV4, "an IPv6 interface names its link-layer address")
        self.bridge = bridge
        self.interface = interface
        self.address = address
        self.mac = mac ?? MACAddress(derivedFrom: address.address)!
        self.gateway = gateway
        self.mtu = mtu
    }
}

/// An interface of a sandbox in an overlay network.
public struct OverlayAttachment: Hashable, Sendable, Codable {
    public var networkID: String
    public var interface: String
    /// With the prefix length of the network's subnet.
    public var address: CIDR
    public var mac: MACAddress

    /// - Parameter mac: nil for the address that Docker derives from the IPv4 address.
    public init(networkID: String, interface: String, address: CIDR, mac: MACAddress? = nil) {
        precondition(mac != nil || address.address.isV4, "an IPv6 interface names its link-layer address")
        self.networkID = networkID
        self.interface = interface
        self.address = address
        self.mac = mac ?? MACAddress(derivedFrom: address.address)!
    }
}

/// A port of the host that leads to a container on a bridge of this host.
public struct PublishedPort: Hashable, Sendable, Codable {
    /// nil for every address of the host, its loopback included.
    public var hostAddress: IPAddress?
    public var hostPort: UInt16
    public var transport: PortTransport
    public var containerAddress: IPAddress
    public var containerPort: UInt16

    public init(
        hostAddress: IPAddress? = nil, hostPort: UInt16, transport: PortTransport = .tcp, containerAddress: IPAddress,
        containerPort: UInt16
    ) {
        self.hostAddress = hostAddress
        self.hostPort = hostPort
        self.transport = transport
        self.containerAddress = containerAddress
        self.containerPort = containerPort
    }
}
