import Values

/// A cluster network as every host sees it: one VXLAN segment and the endpoints behind it (RFC 7348).
public struct OverlayNetwork: Hashable, Sendable, Codable {
    public let id: String
    public var name: String
    /// The VXLAN network identifier: 24 bits, one for each network of the cluster.
    public var vni: UInt32
    public var subnet: CIDR
    /// Frames' payload in bytes; nil for what the host's underlay allows.
    public var mtu: Int?
    /// Every endpoint that exists on any host, serving, draining or not ready yet. Connection-tracking entries of an
    /// address that leaves this list are deleted.
    public var endpoints: [OverlayEndpoint]

    public init(
        id: String, name: String, vni: UInt32, subnet: CIDR, mtu: Int? = nil, endpoints: [OverlayEndpoint] = []
    ) {
        self.id = id
        self.name = name
        self.vni = vni
        self.subnet = subnet
        self.mtu = mtu
        self.endpoints = endpoints
    }
}

/// One interface of a task or container in an overlay network, wherever it runs.
public struct OverlayEndpoint: Hashable, Sendable, Codable {
    public var address: IPAddress
    public var mac: MACAddress
    /// The underlay address of the host that it runs on.
    public var host: IPAddress
    /// The task or container that it belongs to.
    public var owner: String

    /// - Parameter mac: nil for the address that Docker derives from the IPv4 address.
    public init(address: IPAddress, mac: MACAddress? = nil, host: IPAddress, owner: String) {
        precondition(mac != nil || address.isV4, "an IPv6 endpoint names its link-layer address")
        self.address = address
        self.mac = mac ?? MACAddress(derivedFrom: address)!
        self.host = host
        self.owner = owner
    }
}

/// A service's virtual address in one network, and the endpoints that serve it.
public struct VirtualService: Hashable, Sendable, Codable {
    /// The service.
    public let id: String
    public var name: String
    public var networkID: String
    public var address: IPAddress
    /// Serving endpoints only. Without any, connections are refused.
    public var backends: [IPAddress]

    public init(id: String, name: String, networkID: String, address: IPAddress, backends: [IPAddress]) {
        self.id = id
        self.name = name
        self.networkID = networkID
        self.address = address
        self.backends = backends
    }
}
