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
            // Leaders of a cluster of the first version know nothing of other managers' sessions.
            let mayServe = status.isLeading || manager.store.state.namesSessions
            if mayServe, let leaderIndex = await deliver(status) {
                sessions.reportDelivered(leaderIndex: leaderIndex)
            } else {
                sessions.reportLost(mayServe: mayServe)
            }
            guard (try? await Task.sleep(for: .nanoseconds(SessionTiming.mergeNanoseconds))) != nil else { return }
        }
    }

    /// Returns what the leader had applied; nil where it may not have the report.
    private func deliver(_ status: RaftStatus) async -> UInt64? {
        let sessions = manager.sessions
        guard let leader = status.leader else { return nil }
        let report = sessions.report(term: status.term)
        if status.isLeading { return sessions.take(report) }
        guard let payload = try? JSONCoding.encode(report),
            let answer = try? await manager.ask(leader, ClusterMethodNames.sessions, payload, timeout: Self.patience)
        else { return nil }
        return try? JSONCoding.decode(UInt64.self, from: answer)
    }
}
