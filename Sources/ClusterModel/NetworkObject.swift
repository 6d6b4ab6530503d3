import JSON
import Values

/// A network of the cluster (Engine API: Network, scope swarm).
public struct NetworkObject: Hashable, Sendable, Codable {
    /// The client's wish (Engine API: NetworkCreateRequest), with defaults filled in.
    public struct Spec: Hashable, Sendable, Codable {
        public var name: String
        public var labels: [String: String]
        /// `overlay`.
        public var driver: String
        public var isInternal: Bool
        public var isAttachable: Bool
        public var isIngress: Bool
        public var options: [String: String]

        public init(
            name: String, labels: [String: String] = [:], driver: String = "overlay", isInternal: Bool = false,
            isAttachable: Bool = false, isIngress: Bool = false, options: [String: String] = [:]
        ) {
            self.name = name
            self.labels = labels
            self.driver = driver
            self.isInternal = isInternal
            self.isAttachable = isAttachable
            self.isIngress = isIngress
            self.options = options
        }
    }

    public let id: String
    public var version = ObjectVersion.none
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    public var spec: Spec
    public var subnet: CIDR
    public var gateway: IPAddress
    /// The VXLAN network identifier (RFC 7348 section 5), 24 bits.
    public var vni: UInt32
    /// Where the search for the next free address begins, so that addresses come back oldest first.
    public var cursor: UInt64 = 0

    public init(id: String, createdAt: Timestamp, spec: Spec, subnet: CIDR, gateway: IPAddress, vni: UInt32) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        self.spec = spec
        self.subnet = subnet
        self.gateway = gateway
        self.vni = vni
    }
}

/// A container outside services that stands on an attachable network of the cluster.
public struct AttachmentObject: Hashable, Sendable, Codable {
    public let id: String
    public var version = ObjectVersion.none
    public var nodeID: String
    public var networkID: String
    public var containerID: String
    public var address: CIDR
    /// The names under which others find it.
    public var names: [String]

    public init(
        id: String, nodeID: String, networkID: String, containerID: String, address: CIDR, names: [String]
    ) {
        self.id = id
        self.nodeID = nodeID
        self.networkID = networkID
        self.containerID = containerID
        self.address = address
        self.names = names
    }
}
