import ClusterModel
import LinuxSystem
import Logging
import RaftNode
import Synchronization

/// What joining managers and the cluster's version have to pass, on one host.
final class SharedVersionGate: Sendable {
    let value = Mutex(VersionGate())
}

/// The leader's care for the cluster's version: it rises as soon as every manager supports a higher one.
struct VersionKeeper {
    /// Between two questions to the managers, while the leader itself knows a higher version.
    static let pause: Duration = .seconds(2)

    let proposer: Proposer
    let survey: ManagerSurvey
    let gate: SharedVersionGate
    let term: UInt64
    let logger: Logger
    var pause = Self.pause

    /// Until it is cancelled.
    func run() async {
        var told = VersionRise.Decision.settled
        repeat {
            guard proposer.raft.status.isLeading else { continue }
            let current = proposer.store.state.version
            // Without a higher one there is nobody to wait for: the leader could not follow.
            guard current < survey.versions.supported.highest else { continue }
            let members = survey.members
            let decision = VersionRise(current: current, managers: await survey.answers(of: members)).decision
            switch decision {
            case .settled: break
            case .wait(let version, let nodes):
                if decision != told {
                    logger.notice(
                        "the cluster's version waits for managers to be upgraded",
                        metadata: ["version": "\(version)", "nodes": "\(nodes.joined(separator: " "))"])
                }
            case .raise(let version): await raise(to: version, with: members)
            }
            told = decision
        } while (try? await Task.sleep(for: pause)) != nil
    }

    /// - Parameter members: those that support it.
    private func raise(to version: ClusterVersion, with members: [RaftMember]) async {
        // One that came meanwhile was not asked.
        let mayRaise = gate.value.withLock { survey.members == members && $0.mayRaise(to: version, term: term) }
        guard mayRaise else { return }
        do {
            try await proposer.propose(
                [.raiseVersion(to: version)], by: .orchestrator, note: "cluster version \(version)", term: term
            ).applied()
            logger.notice("the cluster has a higher version", metadata: ["version": "\(version)"])
        } catch {
            // The next look, or the next leader's.
            logger.warning("the cluster's version was not raised", metadata: ["reason": "\(error)"])
        }
    }
}
