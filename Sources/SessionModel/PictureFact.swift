import ClusterModel
import NetworkModel
import Values

/// One thing that hosts have to know: pictures are sent as facts, of which only those that have changed go out again.
public indirect enum PictureFact: Hashable, Sendable, Codable {
    case host(HostFact)
    case task(AssignedTask)
    /// A container of the host's on an attachable network.
    case attachment(AttachmentObject)
    case peer(PeerAddress)
    /// A network that the host may attach containers to.
    case attachable(NetworkObject)
    /// The addresses that hosts' blocks of the ingress network are taken from.
    case ingressPool(CIDR)
    case ingressHost(IngressHost)
    case ingressPort(IngressPort)
    case ingressEndpoint(IPAddress)
    /// A network, without its endpoints.
    case overlay(OverlayNetwork)
    case endpoint(OverlayEndpoint)
    case service(VirtualService)
    /// Addresses that a name has, beside those of other facts of it.
    case name(String, [IPAddress])
    case pointer(String, name: String)
}

/// What the host itself is in the cluster.
public struct HostFact: Hashable, Sendable, Codable {
    public var role: NodeSpec.Role
    public var isWitness: Bool
    /// Its address on the network between hosts.
    public var underlay: IPAddress

    public init(role: NodeSpec.Role, isWitness: Bool, underlay: IPAddress) {
        self.role = role
        self.isWitness = isWitness
        self.underlay = underlay
    }
}
