import ClusterModel
import ClusterRPC
import ClusterStore
import LinuxSystem
import Logging
import Orchestration
import RaftNode
import Values

/// Keeps raft's members as the nodes' roles and the policy want them, and the nodes' rows as raft has them: whatever
/// was left halfway by a leader that died is finished by the next.
extension LeaderLoop {
    func keepMembers() async {
        var silence = SilenceRecord(pauseLimitNanoseconds: 4 * Self.tickNanoseconds)
        while !Task.isCancelled {
            try? await Task.sleep(for: .nanoseconds(Self.tickNanoseconds / 4))
            guard let (plan, _) = look(&silence) else { continue }
            if let successor = plan.successor {
                try? await raft.transferLeadership(to: successor)
                continue
            }
            if !plan.changes.isEmpty {
                // Who is cut off, or whose raft stands still, notices it here, before it acts on the silence of others.
                guard (try? await raft.readIndex()) != nil, let (plan, status) = look(&silence) else { continue }
                await carryOut(plan, status)
            }
            await noteMembers()
        }
    }

    private var policy: ManagerPolicy { store.state.cluster?.managerPolicy ?? ManagerPolicy() }

    /// What is to be done of the members, and the status from which that follows; nil where this leader has no say.
    private func look(_ silence: inout SilenceRecord) -> (plan: ManagerPlan, status: RaftStatus)? {
        let status = raft.status
        let now = Clock.sinceBoot()
        guard status.isLeading, status.term == term, !store.state.nodes.isEmpty else { return nil }
        silence.note(status.members.map { ($0.member.id, $0.isActive == true) }, at: now)
        // Another leader may have begun it; raft ends it by itself.
        guard !status.isJoint else { return nil }
        return (ManagerPlan.next(standings(status, silence, at: now), policy), status)
    }

    private func standings(
        _ status: RaftStatus, _ silence: SilenceRecord, at now: Int64
    ) -> [ManagerStanding] {
        status.members.map { member in
            let state = store.state
            let node = state.nodes[member.member.nodeID]
            let isWanted =
                member.member.isWitness ? state.isWitness(member.member.nodeID) : node?.spec.role == .manager
            return ManagerStanding(
                member: member.member.id, nodeID: member.member.nodeID, votes: member.isVoter,
                isLeader: member.member.id == status.member?.id, isWanted: isWanted, isWitness: member.member.isWitness,
                silentNanoseconds: silence.silence(of: member.member.id, isHeard: member.isActive == true, at: now),
                hasCaughtUp: hasCaughtUp(member, status), joinedAt: node?.createdAt ?? .epoch)
        }
    }

    /// Near enough for a promotion not to wait long: raft waits for a moment at which less is missing.
    private func hasCaughtUp(_ member: RaftStatus.Member, _ status: RaftStatus) -> Bool {
        guard member.isActive == true, let matched = member.matchedIndex else { return false }
        return matched + 10 * RaftNode.promotionLag >= status.lastIndex
    }

    private func carryOut(_ plan: ManagerPlan, _ status: RaftStatus) async {
        guard !plan.changes.isEmpty else { return }
        func node(_ id: UInt64) -> String { status.members.first { $0.member.id == id }?.member.nodeID ?? "" }
        let changes = plan.changes.map { change -> (change: MembershipChange, text: String) in
            switch change {
            case .promote(let id): (.promote(id), "\(node(id)) gets a vote")
            case .demote(let id): (.demote(id), "\(node(id)) loses its vote")
            case .remove(let id): (.remove(id), "\(node(id)) goes")
            }
        }
        let text = changes.map(\.text).joined(separator: ", ")
        do {
            try await raft.changeMembers(changes.map(\.change), of: status.members)
            logger.notice("raft's members were changed", metadata: ["change": "\(text)"])
        } catch {
            logger.warning(
                "raft's members could not be changed", metadata: ["change": "\(text)", "reason": "\(error)"])
        }
    }

    /// The nodes' rows say which member of raft a node is, and where. A learner on its way to a vote is not noted
    /// before it has it; one that may stay a spare counts as a manager once it has caught up.
    private func noteMembers() async {
        let (status, policy) = (raft.status, policy)
        let members = Dictionary(grouping: status.members.filter { !$0.member.isWitness }, by: \.member.nodeID)
        for node in store.state.nodes.values where node.raftMember != nil || members[node.id] != nil {
            let own = members[node.id] ?? []
            let place =
                own.last(where: \.isVoter)
                ?? own.last { $0.member.id == node.raftMember || policy.voters != nil && hasCaughtUp($0, status) }
            var noted = node
            noted.raftMember = place?.member.id
            if let address = place?.member.address, let parsed = ClusterAddress(parsing: address) {
                noted.clusterAddress = address
                noted.status.addr = parsed.host
            }
            guard noted != node else { continue }
            do { try await propose([.putNode(noted, expected: node.version.index)]) } catch {
                // Somebody changed the node meanwhile, or another one leads: it is looked at again.
                logger.debug(
                    "a node's row could not be written", metadata: ["node": "\(node.id)", "reason": "\(error)"])
            }
        }
    }
}
