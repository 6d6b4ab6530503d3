import ClusterModel
import Values

/// What is other in a cluster that one manager takes up alone, after a restore or the loss of the other managers.
struct ClusterRenewal {
    var state: ClusterState
    /// This manager, its membership in raft, and where it is reached.
    var nodeID: String
    var member: UInt64
    var address: String
    var clusterAddress: String
    var description: NodeDescription
    /// Whether the host has nothing of what the state says that runs on it.
    var isFreshHost: Bool
    var now: Timestamp

    /// The cluster gets a new history; this node is its manager; the others are workers that were not heard, until they
    /// join again; what ran on a host that is new is gone.
    func mutations(history: String) -> [Mutation] {
        guard var cluster = state.cluster else { return [] }
        cluster.history = history
        cluster.isOpen = true
        var mutations: [Mutation] = [.putCluster(cluster, expected: cluster.version.index)]
        var own =
            state.nodes[nodeID]
            ?? NodeObject(
                id: nodeID, createdAt: now, spec: NodeSpec(role: .manager), description: nil,
                status: NodeStatus(state: .ready, addr: address), clusterAddress: clusterAddress)
        own.spec.role = .manager
        own.description = description
        own.status = NodeStatus(state: .ready, addr: address)
        own.clusterAddress = clusterAddress
        own.raftMember = member
        mutations.append(.putNode(own, expected: nil))
        for var node in state.nodes.values.sorted(by: { $0.id < $1.id })
        where node.id != nodeID && (node.spec.role == .manager || node.raftMember != nil) {
            node.spec.role = .worker
            node.raftMember = nil
            node.status.state = .down
            node.status.message = "was a manager before the cluster was renewed: leave the swarm there and join again"
            mutations.append(.putNode(node, expected: node.version.index))
        }
        guard isFreshHost else { return mutations }
        for task in state.tasks(onNode: nodeID).sorted(by: { $0.id < $1.id }) where !task.status.state.isTerminal {
            mutations.append(.orphan(taskID: task.id))
        }
        for attachment in state.attachments.values.sorted(by: { $0.id < $1.id }) where attachment.nodeID == nodeID {
            mutations.append(.removeAttachment(attachment.id))
        }
        return mutations
    }
}
