import JSON
import Values

/// A network as an engine keeps it, or as the cluster gave it (Engine API: Network).
public struct NetworkRecord: Hashable, Sendable, Codable {
    public let id: String
    public var name: String
    public var createdAt: Timestamp
    /// `bridge`, `host`, `null` or `overlay`.
    public var driver: String
    /// `local` or `swarm`.
    public var scope: String
    public var subnet: CIDR?
    public var gateway: IPAddress?
    /// The part of the subnet from which addresses are given; nil for all of it.
    public var ipRange: CIDR?
    public var isInternal: Bool
    public var isAttachable: Bool
    public var isIngress: Bool
    public var labels: [String: String]
    public var options: [String: String]
    /// The VXLAN network identifier of an overlay.
    public var vni: UInt32?

    public init(
        id: String, name: String, createdAt: Timestamp, driver: String, scope: String, subnet: CIDR? = nil,
        gateway: IPAddress? = nil, isInternal: Bool = false, isAttachable: Bool = false, isIngress: Bool = false,
        labels: [String: String] = [:], options: [String: String] = [:], vni: UInt32? = nil
    ) {
        self.id = id
        self.name = name
        self.createdAt = createdAt
        self.driver = driver
        self.scope = scope
        self.subnet = subnet
        self.gateway = gateway
        self.isInternal = isInternal
        self.isAttachable = isAttachable
        self.isIngress = isIngress
        self.labels = labels
        self.options = options
        self.vni = vni
    }
}

/// A named volume (Engine API: Volume).
public struct VolumeRecord: Hashable, Sendable, Codable {
    public let name: String
    public var createdAt: Timestamp
    public var driver: String
    public var labels: [String: String]
    public var options: [String: String]
    public var isAnonymous: Bool

    public init(
        name: String, createdAt: Timestamp, driver: String = "local", labels: [String: String] = [:],
        options: [String: String] = [:], isAnonymous: Bool = false
    ) {
        self.name = name
        self.createdAt = createdAt
        self.driver = driver
        self.labels = labels
        self.options = options
        self.isAnonymous = isAnonymous
    }
}
