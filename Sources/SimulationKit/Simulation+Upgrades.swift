import ClusterModel
import RaftCore

/// Managers whose programs are upgraded one by one, and the version of the cluster that rises at the end, as
/// `VersionKeeper` and the leader's answer to joining managers have it.
extension Simulation {
    private static let versionPause: Milliseconds = 500

    /// The host stops and is back with a newer program.
    mutating func upgrade(_ id: UInt64, downtime: Milliseconds) {
        guard hosts[id]!.supported != .own else { return }
        crash(id, downtime: downtime)
        hosts[id]!.supported = .own
    }

    /// The leader looks whether all managers support more.
    mutating func keepVersion(_ id: UInt64, _ term: UInt64) {
        guard world.leaderships[id]?.term == term else { return }
        agenda.add(.keepVersion(id, term), after: Self.versionPause)
        let current = hosts[id]!.state.cluster.version
        guard canWork(id), current < hosts[id]!.supported.highest else { return }
        let members = hosts[id]!.raft.membership.standings.map(\.member.id)
        let managers = members.map { VersionRise.Manager(nodeID: "n\($0)", versions: answer(of: $0, to: id)) }
        guard case .raise(let version) = VersionRise(current: current, managers: managers).decision,
            world.leaderships[id]!.gate.mayRaise(to: version, term: term)
        else { return }
        propose([.raiseVersion(to: version)], on: id)
        work(id)
    }

    /// nil where it does not hear the question, or the answer does not come.
    private func answer(of member: UInt64, to id: UInt64) -> ManagerVersions? {
        guard let host = hosts[member], host.isUp, host.frozenUntil <= agenda.now,
            !network.isCut(from: id, to: member), !network.isCut(from: member, to: id)
        else { return nil }
        return ManagerVersions(program: "n\(member)", supported: host.supported)
    }

    /// Whether a leader lets a member be added.
    mutating func admits(_ member: UInt64, _ supported: SupportedVersions, on leader: UInt64) -> Bool {
        guard scenario.hasUpgrades else { return true }
        guard let term = world.leaderships[leader]?.term else { return false }
        let version = hosts[leader]!.state.cluster.version
        return world.leaderships[leader]!.gate.admit(member, supported, to: version, term: term) == nil
    }

    /// A change of members was applied: who was on the way is one now, however briefly.
    mutating func admitted(_ members: [UInt64], by leader: UInt64) {
        for member in members { world.leaderships[leader]?.gate.joined(member) }
    }

    /// No member meets what only a newer program understands. One that was taken out is nobody's to wait for, and may
    /// be sent what follows.
    mutating func checkVersion(_ needs: ClusterVersion, at index: UInt64, on id: UInt64) {
        let supported = hosts[id]!.supported
        guard needs > supported.highest, hosts[id]!.raft.membership(at: index)[id] != nil else { return }
        checker.note(.versions, "\(id) supports \(supported) and meets \(needs) at \(index)")
    }

    /// When all programs are new and everything is mended.
    mutating func checkUpgrades(_ state: ClusterState) {
        if state.version != .newest { checker.note(.convergence, "the cluster has version \(state.version)") }
        if world.rises.count > 1 { checker.note(.versions, "the version rose at each of \(world.rises.sorted())") }
    }
}
