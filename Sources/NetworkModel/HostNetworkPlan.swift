import Values

/// What a host's data plane must hold for the cluster's networks, at one revision.
///
/// Only networks that the host has endpoints in need be named; the pictures of networks are the same for all hosts.
public struct HostNetworkPlan: Hashable, Sendable, Codable {
    public var revision: PlanRevision
    public var nodeID: String
    /// This host's own address on the underlay: the source of its VXLAN packets.
    public var underlay: IPAddress
    public var networks: [OverlayNetwork]
    public var services: [VirtualService]
    public var ingress: IngressPlan?

    public init(
        revision: PlanRevision, nodeID: String, underlay: IPAddress, networks: [OverlayNetwork] = [],
        services: [VirtualService] = [], ingress: IngressPlan? = nil
    ) {
        self.revision = revision
        self.nodeID = nodeID
        self.underlay = underlay
        self.networks = networks
        self.services = services
        self.ingress = ingress
    }

    /// This host's part of the gateway pool; nil without one.
    public var ownBlock: IngressHost? { ingress?.hosts.first { $0.underlay == underlay } }
}

/// A place in a history of states. A restore from a backup begins a new history.
public struct PlanRevision: Hashable, Sendable, Codable, CustomStringConvertible {
    public var history: String
    public var index: UInt64

    public init(history: String = "", index: UInt64) {
        self.history = history
        self.index = index
    }

    public var description: String { history.isEmpty ? "\(index)" : "\(history)/\(index)" }
}

/// One entry of the kernel that is not as it should be.
public struct Difference: Hashable, Sendable, Codable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable {
        /// Wanted and not there.
        case missing
        /// There and not wanted.
        case unexpected
    }

    public var kind: Kind
    /// The namespace: `host`, `network <id>` or `sandbox <id>`.
    public var place: String
    /// The entry, as a person would write it.
    public var entry: String

    public init(_ kind: Kind, _ place: String, _ entry: String) {
        self.kind = kind
        self.place = place
        self.entry = entry
    }

    public var description: String { "\(place): \(kind.rawValue) \(entry)" }
}

/// A host's answer to a plan.
public struct DataplaneReceipt: Hashable, Sendable, Codable {
    public enum Outcome: Hashable, Sendable, Codable {
        /// The kernel holds the plan: it was read back.
        case applied
        /// The kernel refused something, or holds something else after all.
        case failed(reason: String)
    }

    public var revision: PlanRevision
    public var outcome: Outcome
    /// How many entries had to be changed for this plan.
    public var changeCount: Int
    /// Entries of the previous plan that somebody else had changed in the kernel meanwhile; now repaired.
    public var repairs: [Difference]

    public init(revision: PlanRevision, outcome: Outcome, changeCount: Int, repairs: [Difference]) {
        self.revision = revision
        self.outcome = outcome
        self.changeCount = changeCount
        self.repairs = repairs
    }
}
