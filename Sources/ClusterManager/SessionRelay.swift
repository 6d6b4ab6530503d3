import ClusterModel
import JSON
import LinuxSystem
import RaftNode
import SessionModel

/// Tells the leader what this manager's sessions say, wherever it leads, and ends them when that fails for long: their
/// hosts would be taken for dead.
struct SessionRelay {
    let manager: Manager

    /// How long the leader may take to answer.
    private static let patience: Duration = .seconds(1)

    /// Until it is cancelled.
    func run() async {
        let sessions = manager.sessions
        for await _ in sessions.news {
            let status = manager.raft.status
            let isMember = status.members.contains { $0.member.id == status.member?.id }
            // Leaders of a cluster of the first version know nothing of other managers' sessions.
            let mayServe = isMember && (status.isLeading || manager.store.state.namesSessions)
            switch mayServe ? await deliver(status) : .lost {
            case .lost: sessions.reportLost(mayServe: mayServe)
            case .delivered(let leaderIndex): sessions.reportDelivered(leaderIndex: leaderIndex)
            }
            guard (try? await Task.sleep(for: .nanoseconds(SessionTiming.mergeNanoseconds))) != nil else { return }
        }
    }

    private enum Delivery {
        /// What the leader had applied; nil where it is this manager.
        case delivered(leaderIndex: UInt64?)
        case lost
    }

    private func deliver(_ status: RaftStatus) async -> Delivery {
        guard let leader = status.leader, let own = status.member?.nodeID else { return .lost }
        let report = manager.sessions.report(term: status.term)
        if status.isLeading {
            return manager.sessions.take(report, from: own) == nil ? .lost : .delivered(leaderIndex: nil)
        }
        guard let payload = try? JSONCoding.encode(report),
            let answer = try? await manager.askLeader(
                leader, ClusterMethodNames.sessions, payload, timeout: Self.patience),
            let index = try? JSONCoding.decode(UInt64.self, from: answer)
        else { return .lost }
        return .delivered(leaderIndex: index)
    }
}
