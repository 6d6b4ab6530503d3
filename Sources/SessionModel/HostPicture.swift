import ClusterModel
import NetworkModel
import Values

/// A task as its host gets it.
public struct AssignedTask: Hashable, Sendable, Codable {
    public var task: TaskObject
    public var serviceName: String
    public var serviceLabels: [String: String]

    /// What the host itself reported is left out, so that its own news do not come back to it as changes; that the task
    /// was ready once stays, since a daemon that was restarted has to drain it.
    public init(task: TaskObject, serviceName: String, serviceLabels: [String: String] = [:]) {
        self.task = task
        self.task.status = TaskStatus(timestamp: task.createdAt, state: .assigned, message: "")
        self.task.version = .none
        self.task.updatedAt = task.createdAt
        self.task.isReady = false
        self.task.readinessCounter = 0
        self.serviceName = serviceName
        self.serviceLabels = serviceLabels
    }
}

/// A host of the cluster and where it is reached.
public struct PeerAddress: Hashable, Sendable, Codable {
    public var nodeID: String
    /// `address:port` of its cluster listener.
    public var address: String
    public var isManager: Bool

    public init(nodeID: String, address: String, isManager: Bool) {
        self.nodeID = nodeID
        self.address = address
        self.isManager = isManager
    }
}

/// All that one host has to know, at one revision of the cluster's state.
public struct HostPicture: Hashable, Sendable, Codable {
    public var revision: PlanRevision
    public var nodeID: String
    public var role: NodeSpec.Role
    /// Whether it is the cluster's witness; nil from a manager that knows of none.
    public var isWitness: Bool?
    public var tasks: [AssignedTask]
    public var network: HostNetworkPlan
    /// Names by network.
    public var zones: [String: DNSZone]
    /// The cluster's networks that the host may attach containers to.
    public var networks: [NetworkObject]
    /// This host's containers on attachable networks.
    public var attachments: [AttachmentObject]
    /// Every host.
    public var peers: [PeerAddress]

    public init(
        revision: PlanRevision, nodeID: String, role: NodeSpec.Role, tasks: [AssignedTask], network: HostNetworkPlan,
        zones: [String: DNSZone], networks: [NetworkObject], attachments: [AttachmentObject], peers: [PeerAddress]
    ) {
        self.revision = revision
        self.nodeID = nodeID
        self.role = role
        self.tasks = tasks
        self.network = network
        self.zones = zones
        self.networks = networks
        self.attachments = attachments
        self.peers = peers
    }
}

extension HostPicture {
    /// The same at another revision: two pictures with one content are equal at one revision.
    public func at(_ revision: PlanRevision) -> HostPicture {
        var picture = self
        picture.revision = revision
        picture.network.revision = revision
        return picture
    }
}
