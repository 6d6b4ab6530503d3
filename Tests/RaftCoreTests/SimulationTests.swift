import Testing

@testable import RaftCore

/// Seeded runs with lost and reordered messages, cuts, crashes, changes of members and trimmed logs. First safety: at
/// most one leader in a term, one history (Raft figure 3). Then, once the faults are over, liveness: all agree.
@Suite struct SimulationTests {
    @Test(arguments: UInt64(1)...80) func faults(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let group = try Group(voters: seed % 3 == 0 ? [1, 2, 3, 4, 5] : [1, 2, 3], seed: seed)
        group.crashOdds = 20
        let deliveries = [3, 6, 15][Int(seed) % 3]
        var nextID: UInt64 = 6
        var acknowledged: [UInt64: [UInt8]] = [:]
        for step in 0..<1_500 {
            let id = group.ids.randomElement(using: &random)!
            switch Int.random(in: 0..<200, using: &random) {
            case 0..<2: group.crash(id)
            case 2..<20: if !group.hosts[id]!.isAlive { try group.restart(id) }
            case 20..<25: group.cut(id, group.ids.randomElement(using: &random)!)
            case 25..<28: group.isolate(id)
            case 28..<34: group.mend()
            case 34..<38:
                if group.hosts[id]!.isAlive, group[id].appliedIndex > group.hosts[id]!.base.index {
                    group.compact(id, through: group[id].appliedIndex)
                }
            case 38..<44: nextID = try changeMembers(group, nextID, using: &random)
            case 44..<46:
                if let leader = group.leader, let target = group[leader].bestSuccessor {
                    try? group.hosts[leader]!.raft.transferLeadership(to: target)
                    group.carryOut(leader)
                }
            case 46..<90:
                // Whoever takes itself for the leader.
                if group.hosts[id]!.isAlive {
                    _ = try? group.hosts[id]!.raft.propose([Array("\(step)".utf8)])
                    group.carryOut(id)
                }
            default:
                if group.hosts[id]!.isAlive {
                    group.hosts[id]!.raft.tick()
                    group.carryOut(id)
                }
            }
            deliverSome(group, atMost: deliveries, using: &random)
            for id in group.ids {
                for (index, command) in group.hosts[id]!.applied where acknowledged[index] == nil {
                    acknowledged[index] = command
                }
            }
            guard group.violations.isEmpty else { break }
        }
        #expect(group.violations == [])

        group.crashOdds = 0
        group.mend()
        for id in group.ids where !group.hosts[id]!.isAlive { try group.restart(id) }
        for id in group.ids {
            for other in group.ids { group.hosts[id]!.raft.snapshotFailed(for: other) }
        }
        #expect(group.run { $0.leader != nil && $0[$0.leader!].hasCommittedInTerm }, "seed \(seed): no leader")
        let leader = try #require(group.leader)
        group.tick(30)
        try group.propose("last", on: group.leader ?? leader)
        group.tick(30)
        let final = try #require(group.leader)
        for id in group[final].membership.ids {
            #expect(group.commands(id) == group.commands(final), "seed \(seed): member \(id)")
        }
        for (index, command) in acknowledged { #expect(group.hosts[final]!.applied[index] == command) }
        #expect(group.commands(final).last == "last")
        #expect(group.violations == [])
    }

    private func changeMembers(
        _ group: Group, _ nextID: UInt64, using random: inout SplitMix64
    ) throws -> UInt64 {
        guard let leader = group.leader else { return nextID }
        let membership = group[leader].membership
        let learners = membership.standings.filter { !$0.isVoter }.map(\.member.id)
        if let learner = learners.first {
            let matched = group[leader].progress(of: learner)?.matched ?? 0
            guard matched + 20 > group[leader].lastIndex else { return nextID }
            _ = try? group.hosts[leader]!.raft.propose(.promote(learner))
        } else if membership.ids.count < 5 {
            guard (try? group.hosts[leader]!.raft.propose(.addLearner(Group.member(nextID)))) != nil else {
                return nextID
            }
            if group.hosts[nextID] == nil { try group.add(nextID) }
            group.carryOut(leader)
            return nextID + 1
        } else {
            _ = try? group.hosts[leader]!.raft.propose(.remove(membership.ids.randomElement(using: &random)!))
        }
        group.carryOut(leader)
        return nextID
    }

    /// Delivers some of what is under way: in disorder now and then, and not all of it.
    private func deliverSome(_ group: Group, atMost limit: Int, using random: inout SplitMix64) {
        for _ in 0..<Int.random(in: 0...limit, using: &random) {
            guard !group.queue.isEmpty else { return }
            let isOutOfOrder = Int.random(in: 0..<4, using: &random) == 0
            let position = isOutOfOrder ? Int.random(in: 0..<group.queue.count, using: &random) : 0
            let message = group.queue.remove(at: position)
            switch Int.random(in: 0..<20, using: &random) {
            case 0: break
            case 1:
                group.deliver(message)
                group.deliver(message)
            default: group.deliver(message)
            }
        }
    }
}
