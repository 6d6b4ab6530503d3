import Values

/// Published ports of services, and how hosts reach the tasks behind them with the client's own address.
///
/// Every host owns a block of one cluster-wide pool for its gateway bridge, on which each task has an address. Hosts
/// route the blocks to each other over one VXLAN segment.
public struct IngressPlan: Hashable, Sendable, Codable {
    /// The VXLAN network identifier of the segment between hosts.
    public var vni: UInt32
    /// The pool that the hosts' blocks are cut from.
    public var pool: CIDR
    /// Every host of the cluster, this one too.
    public var hosts: [IngressHost]
    public var ports: [IngressPort]
    /// Gateway addresses of all tasks that exist, serving or draining. Connection-tracking entries of an address that
    /// leaves this list are deleted; one that was never in it is left alone.
    public var endpoints: [IPAddress]

    public init(
        vni: UInt32 = OverlayDefaults.ingressVNI, pool: CIDR = OverlayDefaults.gatewayPool, hosts: [IngressHost],
        ports: [IngressPort] = [], endpoints: [IPAddress] = []
    ) {
        self.vni = vni
        self.pool = pool
        self.hosts = hosts
        self.ports = ports
        self.endpoints = endpoints
    }
}

/// A host's part of the gateway pool.
public struct IngressHost: Hashable, Sendable, Codable {
    public var nodeID: String
    /// Where the host's VXLAN packets go.
    public var underlay: IPAddress
    /// Its gateway bridge holds the block's first host address.
    public var block: CIDR

    public init(nodeID: String, underlay: IPAddress, block: CIDR) {
        self.nodeID = nodeID
        self.underlay = underlay
        self.block = block.network
    }

    /// The gateway bridge's address.
    public var gateway: IPAddress { block.host(1) }

    /// The link-layer address of the host's interface on the segment between hosts, which names the entry host in each
    /// packet's source.
    public var mac: MACAddress { MACAddress(bytes: [0x02, 0x4d] + gateway.bytes.suffix(4))! }

    /// The number of the block in the pool, from 1: conntrack zone and mark of flows that entered through this host.
    public func number(in pool: CIDR) -> UInt16 {
        let offset = (block.address.v4Value ?? 0) &- (pool.network.address.v4Value ?? 0)
        return UInt16(truncatingIfNeeded: (offset >> UInt32(32 - block.prefixLength)) + 1)
    }
}

/// The transport of a published port.
public enum PortTransport: String, Hashable, Sendable, Codable, CaseIterable {
    case tcp, udp, sctp

    /// The number in the IP header (IANA: Assigned Internet Protocol Numbers).
    public var number: UInt8 {
        switch self {
        case .tcp: 6
        case .udp: 17
        case .sctp: 132
        }
    }
}

/// A port that every host answers.
public struct IngressPort: Hashable, Sendable, Codable {
    public var port: UInt16
    public var transport: PortTransport
    /// The port in the task.
    public var targetPort: UInt16
    /// Gateway addresses of serving tasks. Without any, connections are refused.
    public var backends: [IPAddress]
    /// The service, for messages.
    public var service: String

    public init(
        port: UInt16, transport: PortTransport = .tcp, targetPort: UInt16, backends: [IPAddress], service: String = ""
    ) {
        self.port = port
        self.transport = transport
        self.targetPort = targetPort
        self.backends = backends
        self.service = service
    }
}
