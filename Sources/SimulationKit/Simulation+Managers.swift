import ClusterModel
import Orchestration
import RaftCore
import Values

/// What a leader knows for the policy's sake, as `LeaderLoop.keepMembers` does.
struct ManagerKeeping {
    let term: UInt64
    var silence = SilenceRecord(pauseLimitNanoseconds: 2_000_000_000)
    /// The read that has to show that it still leads, and when it was asked for.
    var read: (request: UInt64, time: Milliseconds)?
}

/// Members as operators and the policy want them.
extension Simulation {
    private static let keepPause: Milliseconds = 125
    /// Entries that who gets a vote may lack.
    private static let promotionLag: UInt64 = 20
    /// Managers that operators leave.
    private static let fewestManagers = 3
    /// Whoever was down for longer, a leader that has looked cannot take for alive: two election timeouts, the slowest
    /// message, and the longest that a host stands still.
    private static let longestIllusion: Milliseconds = 12_000

    mutating func keepMembers() {
        guard scenario.policy != nil else { return }
        agenda.add(.keepMembers, after: Self.keepPause)
        for id in hosts.ids { keepMembers(id) }
    }

    /// An operator wants a host to be no manager any more.
    mutating func dismiss(_ id: UInt64) {
        guard let leader else { return }
        let rest = hosts[leader]!.raft.membership.ids.filter { $0 != id && !dismissed.contains($0) }
        if rest.count >= Self.fewestManagers { dismissed.insert(id) }
    }

    private mutating func keepMembers(_ id: UInt64) {
        guard leads(id) else {
            keepings[id] = nil
            return
        }
        let term = hosts[id]!.raft.currentTerm
        if keepings[id]?.term != term { keepings[id] = ManagerKeeping(term: term) }
        guard canWork(id), let plan = look(id) else { return }
        if let successor = plan.successor {
            try? hosts[id]!.raft.transferLeadership(to: successor)
        } else if !plan.changes.isEmpty, keepings[id]?.read.map({ $0.time + 1_000 < agenda.now }) ?? true {
            hosts[id]!.lastRead += 1
            keepings[id]!.read = (hosts[id]!.lastRead, agenda.now)
            _ = hosts[id]!.raft.requestRead(hosts[id]!.lastRead)
        }
        work(id)
    }

    private mutating func look(_ id: UInt64) -> ManagerPlan? {
        let raft = hosts[id]!.raft
        let now = Int64(hosts[id]!.clock(at: agenda.now)) * 1_000_000
        let standings = raft.membership.standings
        func isHeard(_ member: UInt64) -> Bool { raft.progress(of: member)?.isActive ?? false }
        keepings[id]!.silence.note(standings.map { ($0.member.id, isHeard($0.member.id)) }, at: now)
        guard !raft.membership.electorate.isJoint, let policy = scenario.policy else { return nil }
        let silence = keepings[id]!.silence
        return ManagerPlan.next(
            standings.map { standing in
                let member = standing.member.id
                return ManagerStanding(
                    member: member, nodeID: standing.member.nodeID, votes: standing.isVoter, isLeader: member == id,
                    isWanted: !dismissed.contains(member),
                    silentNanoseconds: silence.silence(of: member, isHeard: isHeard(member), at: now),
                    hasCaughtUp: hasCaughtUp(member, raft, within: 10 * Self.promotionLag),
                    joinedAt: ServiceWorld.start.advanced(byNanoseconds: Int64(member)))
            }, policy)
    }

    private func hasCaughtUp(_ member: UInt64, _ raft: Raft, within lag: UInt64) -> Bool {
        guard let progress = raft.progress(of: member), progress.isActive else { return false }
        return progress.matched + lag >= raft.lastIndex
    }

    /// The leader is confirmed: it looks again, and acts.
    mutating func isConfirmed(_ request: UInt64, _ id: UInt64) -> Bool {
        guard let read = keepings[id]?.read, read.request == request else { return false }
        keepings[id]!.read = nil
        agenda.add(.carryOutPlan(id, keepings[id]!.term), after: 0)
        return true
    }

    mutating func carryOutPlan(_ id: UInt64, _ term: UInt64) {
        guard canWork(id), leads(id), keepings[id]?.term == term, let plan = look(id), plan.successor == nil else {
            return
        }
        let changes = plan.changes.map { change -> MembershipChange in
            switch change {
            case .promote(let id): .promote(id)
            case .demote(let id): .demote(id)
            case .remove(let id): .remove(id)
            }
        }
        let raft = hosts[id]!.raft
        let isReady = plan.changes.allSatisfy { change in
            if case .promote(let member) = change { hasCaughtUp(member, raft, within: Self.promotionLag) } else { true }
        }
        guard let first = changes.first, isReady else { return }
        let change = changes.count == 1 ? first : .joint(changes)
        guard (try? hosts[id]!.raft.propose(change)) != nil else { return }
        plans += 1
        check(change, of: raft.membership)
        work(id)
    }

    /// No change makes the group rest on the dead: most of those that vote after it may live.
    private mutating func check(_ change: MembershipChange, of before: Membership) {
        var after = before
        after.apply(change)
        let voters = after.standings.filter(\.isVoter).map(\.member.id)
        let dead = voters.filter { id in
            guard let host = hosts[id] else { return true }
            return !host.isUp && host.downSince + Self.longestIllusion < agenda.now
        }
        if dead.count * 2 >= voters.count {
            checker.note(.managers, "of the voters \(voters) after \(change), \(dead) are dead")
        }
    }

    /// In the end as many vote as the policy wants, and nobody who was dismissed is a member.
    mutating func checkManagers(_ membership: Membership) {
        guard let policy = scenario.policy else { return }
        let unwanted = membership.ids.filter { dismissed.contains($0) }
        if !unwanted.isEmpty { checker.note(.convergence, "\(unwanted) are dismissed, and members") }
        let wanted = min(policy.voters ?? .max, membership.ids.count - unwanted.count)
        if membership.electorate.isJoint || membership.voters.count != wanted {
            checker.note(.convergence, "\(membership.voters) vote of \(membership.ids); \(wanted) are wanted")
        }
    }
}
