import Testing

@testable import RaftCore

/// Seeded runs with lost and reordered messages, cuts, crashes, changes of members and trimmed logs. First safety: at
/// most one leader in a term, one history (Raft figure 3). Then, once the faults are over, liveness: all agree.
@Suite struct SimulationTests {
    @Test(arguments: UInt64(1)...60) func faults(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let group = try Group(voters: [1, 2, 3], seed: seed)
        var nextID: UInt64 = 4
        var acknowledged: [UInt64: [UInt8]] = [:]
        for step in 0..<600 {
            let id = group.ids.randomElement(using: &random)!
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<3: if group.hosts[id]!.isAlive { group.crash(id) }
            case 3..<10: if !group.hosts[id]!.isAlive { try group.restart(id) }
            case 10..<12:
                // Dies between sending what may precede and writing.
                if group.hosts[id]!.isAlive { group.carryOut(id, crashBeforePersisting: true) }
            case 12..<15: group.cut(id, group.ids.randomElement(using: &random)!)
            case 15..<18: group.mend()
            case 18..<20:
                if group.hosts[id]!.isAlive, group[id].appliedIndex > group.hosts[id]!.base.index {
                    group.compact(id, through: group[id].appliedIndex)
                }
            case 20..<23: nextID = try changeMembers(group, nextID, using: &random)
            case 23..<25:
                if let leader = group.leader, let target = group[leader].bestSuccessor {
                    try? group.hosts[leader]!.raft.transferLeadership(to: target)
                }
            case 25..<50:
                if let leader = group.leader {
                    _ = try? group.hosts[leader]!.raft.propose([Array("\(step)".utf8)])
                    group.carryOut(leader)
                }
            default:
                for id in group.ids where group.hosts[id]!.isAlive {
                    group.hosts[id]!.raft.tick()
                    group.carryOut(id)
                }
            }
            deliverSome(group, using: &random)
            for id in group.ids {
                for (index, command) in group.hosts[id]!.applied where acknowledged[index] == nil {
                    acknowledged[index] = command
                }
            }
            guard group.violations.isEmpty else { break }
        }
        #expect(group.violations == [])

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
    private func deliverSome(_ group: Group, using random: inout SplitMix64) {
        for _ in 0..<Int.random(in: 0..<30, using: &random) {
            guard !group.queue.isEmpty else { return }
            let isOutOfOrder = Int.random(in: 0..<10, using: &random) == 0
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
