import ClusterModel
import ClusterRPC
import JSON
import RaftNode

/// Asks the managers, those without a vote and the witness too, which versions of clusters their programs support.
struct ManagerSurvey: Sendable {
    let versions: ManagerVersions
    private let raft: RaftNode
    /// nil where there is no answer: the manager is not reached, or its program does not know the question.
    private let ask: @Sendable (RaftMember) async -> ManagerVersions?

    /// How long a manager may take to answer.
    private static let patience: Duration = .seconds(2)

    init(
        versions: ManagerVersions, raft: RaftNode, ask: @escaping @Sendable (RaftMember) async -> ManagerVersions?
    ) {
        self.versions = versions
        self.raft = raft
        self.ask = ask
    }

    init(versions: ManagerVersions, raft: RaftNode, connector: ClusterConnector) {
        self.init(versions: versions, raft: raft) { member in
            await Self.ask(member.nodeID, at: member.address, connector)
        }
    }

    /// What a host says, which need not be a manager; nil where there is no answer.
    static func ask(
        _ nodeID: String, at address: String, _ connector: ClusterConnector
    ) async -> ManagerVersions? {
        guard let address = ClusterAddress(parsing: address),
            let answer = try? await connector.call(
                ClusterMethodNames.version, [], to: ClusterPeer(nodeID: nodeID, address: address), timeout: patience)
        else { return nil }
        return try? JSONCoding.decode(ManagerVersions.self, from: answer)
    }

    /// Whom there is to ask.
    var members: [RaftMember] { raft.status.members.map(\.member) }

    /// What managers say now, in the order of their identifiers.
    func answers(of members: [RaftMember]) async -> [VersionRise.Manager] {
        let own = raft.status.member?.nodeID
        return await withTaskGroup(of: VersionRise.Manager.self) { [versions, ask] group in
            for member in members {
                group.addTask {
                    let isSelf = member.nodeID == own
                    return VersionRise.Manager(
                        nodeID: member.nodeID, versions: isSelf ? versions : await ask(member))
                }
            }
            var managers: [VersionRise.Manager] = []
            for await manager in group { managers.append(manager) }
            return managers.sorted { $0.nodeID < $1.nodeID }
        }
    }
}
