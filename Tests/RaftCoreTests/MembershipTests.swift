import Testing

@testable import RaftCore

/// Raft section 6 and the dissertation's chapter 4, one change at a time.
@Suite struct MembershipTests {
    @Test("a founded group of one grows to three and loses its founder") func grow() throws {
        let group = try Group(voters: [])
        let (hardState, entry) = Raft.founding(Group.member(1))
        var restored = Raft.Restored()
        restored.hardState = hardState
        restored.entries = [entry]
        let raft = try Raft(id: 1, restored: restored, seed: 1)
        group.hosts[1] = .init(raft: raft, hardState: hardState, entries: [entry])
        group.elect(1)
        #expect(group[1].role == .leader)
        try group.propose("a", on: 1)
        for id in UInt64(2)...3 {
            try group.add(id)
            try group.change(.addLearner(Group.member(id)), on: 1)
            #expect(group.run(ticks: 10) { $0.commands(id) == ["a"] })
            #expect(!group[1].membership.isVoter(id))
            try group.change(.promote(id), on: 1)
            #expect(group[1].membership.isVoter(id))
        }
        group.tick(3)
        for id in group.ids { #expect(group[id].membership.voters == [1, 2, 3]) }
        // The leader removes itself: it leads until that is committed, and then no more.
        try group.change(.remove(1), on: 1)
        #expect(group[1].role == .follower)
        #expect(group[1].isRemoved)
        #expect(group.run { $0[2].role == .leader || $0[3].role == .leader })
        let leader = try #require(group.leader)
        try group.propose("b", on: leader)
        #expect(group.commands(2) == ["a", "b"])
        group.tick(50)
        #expect(group[1].role == .follower, "a removed member does not stand for election")
        #expect(group.violations.isEmpty)
    }

    @Test("4.2.1: a learner does not count for the majority") func learner() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        try group.add(4)
        try group.change(.addLearner(Group.member(4)), on: 1)
        group.tick(3)
        group.crash(2)
        group.crash(3)
        try group.propose("a", on: 1)
        group.tick(3)
        #expect(group.commands(1) == [])
        #expect(group[4].role == .follower)
    }

    @Test("4.1: the next change waits until the last one is committed") func oneAtATime() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        _ = try group.hosts[1]!.raft.propose(.addLearner(Group.member(4)))
        #expect(throws: Raft.Refusal.changePending) {
            try group.hosts[1]!.raft.propose(.addLearner(Group.member(5)))
        }
        group.settle()
        try group.change(.addLearner(Group.member(5)), on: 1)
        #expect(group[3].membership.ids == [1, 2, 3, 4, 5])
    }

    @Test("no change before the leader has committed an entry of its term") func notBeforeFirstEntry() throws {
        let group = try Group(voters: [1, 2, 3])
        group.isLost = { if case .appendAccepted = $0.body { true } else { false } }
        group.elect(1)
        #expect(group[1].role == .leader)
        #expect(throws: Raft.Refusal.changePending) { try group.change(.remove(3), on: 1) }
    }

    @Test("a removed follower learns of it") func removedFollower() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.tick(3)
        try group.change(.remove(3), on: 1)
        #expect(group[3].isRemoved)
        #expect(group[1].membership.voters == [1, 2])
        group.tick(60)
        #expect(group[1].role == .leader)
    }

    @Test("a removal from a group of two needs the other one only until it is committed") func twoToOne() throws {
        let group = try Group(voters: [1, 2])
        group.elect(1)
        try group.change(.remove(2), on: 1)
        group.crash(2)
        try group.propose("a", on: 1)
        #expect(group.commands(1) == ["a"])
        group.tick(60)
        #expect(group[1].role == .leader)
    }

    @Test func refusals() {
        var membership = Membership()
        let member = Group.member(1)
        #expect(membership.refusal(of: .found(member)) == nil)
        membership.apply(.found(member))
        #expect(membership.refusal(of: .found(member)) != nil)
        #expect(membership.refusal(of: .remove(1)) == "the last voter cannot be removed")
        #expect(membership.refusal(of: .remove(9)) == "no member has the identity 9")
        #expect(membership.refusal(of: .promote(9)) == "no member has the identity 9")
        let sameHost = RaftMember(id: 2, nodeID: member.nodeID, address: "elsewhere:1")
        #expect(membership.refusal(of: .addLearner(sameHost)) != nil)
        let moved = RaftMember(id: 1, nodeID: member.nodeID, address: "elsewhere:1")
        #expect(membership.refusal(of: .addLearner(moved)) == nil)
        membership.apply(.addLearner(moved))
        #expect(membership[1] == .init(member: moved, isVoter: true))
        membership.apply(.remove(1))
        #expect(membership.voters == [1], "a change that makes no sense changes nothing")
    }

    @Test("6: while members are exchanged jointly, both majorities decide") func joint() throws {
        var membership = Membership((1...3).map { .init(member: Group.member($0), isVoter: true) })
        let exchange = MembershipChange.joint(
            [.addLearner(Group.member(4)), .promote(4), .addLearner(Group.member(5)), .demote(2), .remove(3)])
        membership.apply(exchange)
        #expect(membership.electorate == Electorate(incoming: [1, 4], outgoing: [1, 2, 3]))
        #expect(membership.voters == [1, 2, 3, 4] && membership.ids == [1, 2, 3, 4, 5])
        #expect(membership.isVoter(3), "who goes votes until it has gone")
        let others: [MembershipChange] = [exchange, .promote(5), .remove(1), .found(Group.member(9))]
        for change in others { #expect(membership.refusal(of: change) == "a joint change is under way") }
        membership.apply(.leaveJoint)
        #expect(membership.electorate == Electorate(incoming: [1, 4]))
        #expect(membership.ids == [1, 2, 4, 5] && !membership.isVoter(2))
        #expect(membership.refusal(of: .leaveJoint) == "no joint change is under way")
    }

    @Test func jointRefusals() {
        let membership = Membership((1...2).map { .init(member: Group.member($0), isVoter: true) })
        #expect(membership.refusal(of: .joint([.remove(1), .remove(2)])) == "the last voter cannot be removed")
        #expect(membership.refusal(of: .joint([.remove(1), .promote(1)])) == "no member has the identity 1")
        #expect(membership.refusal(of: .joint([.joint([])])) != nil)
        #expect(membership.refusal(of: .joint([.leaveJoint])) != nil)
        let many = [MembershipChange](repeating: .demote(2), count: MembershipChange.jointLimit + 1)
        #expect(membership.refusal(of: .joint(many)) != nil)
        // The same host under a new identity takes the place of the one that goes.
        let again = RaftMember(id: 9, nodeID: Group.member(2).nodeID, address: "a:1")
        #expect(membership.refusal(of: .addLearner(again)) != nil)
        #expect(membership.refusal(of: .joint([.remove(2), .addLearner(again), .promote(9)])) == nil)
    }

    @Test("where the voters stay the same nothing is joint") func needlessJoint() {
        var membership = Membership([.init(member: Group.member(1), isVoter: true)])
        membership.apply(.joint([.addLearner(Group.member(2)), .addLearner(Group.member(3))]))
        #expect(!membership.electorate.isJoint && membership.ids == [1, 2, 3])
    }

    @Test("4.3: the next leader ends a joint change that the last one has begun") func jointOutlivesItsLeader() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        for id in UInt64(4)...5 { try group.add(id) }
        // What ends it goes to nobody.
        group.isLost = { message in
            guard case .append(_, _, _, let entries) = message.body else { return false }
            return entries.contains { $0.payload == .membership(.leaveJoint) }
        }
        let members = (UInt64(4)...5).flatMap { [MembershipChange.addLearner(Group.member($0)), .promote($0)] }
        try group.change(.joint(members + [.remove(3)]), on: 1)
        group.tick(4)
        #expect(group[1].membership.electorate.isJoint)
        group.crash(1)
        group.isLost = { _ in false }
        #expect(group.run { $0.leader.map { $0 != 1 } ?? false })
        #expect(group.run { $0.ids.filter { $0 > 1 }.allSatisfy { !group[$0].membership.electorate.isJoint } })
        #expect(group[2].membership.voters == [1, 2, 4, 5])
        #expect(group[3].isRemoved)
        #expect(group.violations.isEmpty)
    }

    private static let witness = RaftMember(id: 3, nodeID: "node3", address: "10.0.0.3:2377", isWitness: true)

    @Test("a witness is brought up without a state, and never keeps the lead") func witness() throws {
        let group = try Group(members: [Group.member(1), Group.member(2), Self.witness])
        group.tick(100)
        #expect(group.leader == 1 || group.leader == 2)
        group.elect(3)
        #expect(group.run { $0.leader == 1 || $0.leader == 2 })
        #expect(throws: Raft.Refusal.notLeader) { try group.hosts[3]!.raft.propose([[1]]) }
        #expect(group.hosts[3]!.raft.compact(through: group[3].appliedIndex).index == group[3].appliedIndex)
    }

    @Test("a witness that leads sends no snapshot that brings nobody on") func witnessWithoutSnapshot() throws {
        let group = try Group(members: [Group.member(1), Group.member(2), Self.witness])
        group.elect(1)
        group.isolate(3)
        try group.propose("a", on: 1)
        group.compact(1, through: group[1].appliedIndex)
        group.mend()
        #expect(group.run { $0[3].appliedIndex == $0[1].appliedIndex }, "the witness has the snapshot's place")
        group.isolate(2)
        try group.propose("b", on: 1)
        try group.propose("c", on: 1)
        #expect(group.run { $0[3].appliedIndex == $0[1].appliedIndex })
        #expect(group.hosts[3]!.raft.compact(through: group[3].appliedIndex).index > group[2].lastIndex)
        group.crash(1)
        group.mend()
        #expect(group.run { $0.leader == 3 })
        var snapshots = 0
        group.isLost = { message in
            if case .snapshot = message.body { snapshots += 1 }
            return false
        }
        group.tick(20)
        #expect(snapshots == 0)
        try group.restart(1)
        #expect(group.run { $0.leader == 1 && $0[2].appliedIndex == $0[1].appliedIndex })
        #expect(group.violations.isEmpty)
    }

    @Test("the members as of a snapshot are those of its index") func membershipAtIndex() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        let before = group[1].committedIndex
        try group.change(.addLearner(Group.member(4)), on: 1)
        try group.propose("a", on: 1)
        #expect(group[1].membership(at: before).ids == [1, 2, 3])
        #expect(group[1].membership(at: before + 1).ids == [1, 2, 3, 4])
        group.compact(1, through: before + 1)
        #expect(group.hosts[1]!.base.membership.ids == [1, 2, 3, 4])
        try group.restart(1)
        #expect(group[1].membership.ids == [1, 2, 3, 4])
    }
}

@Suite struct QuorumTests {
    @Test(
        arguments: [
            ([], 0), ([5], 5), ([5, 3], 3), ([5, 3, 1], 3), ([1, 9, 9, 2], 2), ([7, 1, 1, 9, 8], 7),
        ] as [([UInt64], UInt64)])
    func reached(_ values: [UInt64], _ expected: UInt64) { #expect(Quorum.reached(values) == expected) }

    @Test func bothMajorities() {
        let electorate = Electorate(incoming: [1, 4, 5], outgoing: [3, 1, 2])
        #expect(electorate.all == [1, 2, 3, 4, 5] && electorate.isJoint)
        let matched: [UInt64: UInt64] = [1: 9, 2: 7, 3: 1, 4: 5, 5: 0]
        #expect(electorate.reached { matched[$0]! } == 5)
        #expect(electorate.hasMajority { [1, 2, 4].contains($0) })
        #expect(!electorate.hasMajority { [1, 4, 5].contains($0) })
        #expect(!electorate.hasMajority { [1, 2, 3].contains($0) })
        #expect(!Electorate(incoming: []).hasMajority { _ in true })
        var tally = VoteTally()
        for voter in UInt64(2)...3 { tally.record(voter, granted: true) }
        #expect(tally.outcome(among: electorate) == .pending)
        for voter in UInt64(4)...5 { tally.record(voter, granted: false) }
        #expect(tally.outcome(among: electorate) == .lost, "one of the two is enough to lose")
    }

    @Test func votes() {
        var tally = VoteTally()
        tally.record(1, granted: true)
        #expect(tally.outcome(among: Electorate(incoming: [1, 2, 3])) == .pending)
        tally.record(4, granted: true)
        #expect(tally.outcome(among: Electorate(incoming: [1, 2, 3])) == .pending, "only voters count")
        tally.record(2, granted: false)
        tally.record(2, granted: true)
        #expect(tally.outcome(among: Electorate(incoming: [1, 2, 3])) == .pending, "the first answer counts")
        tally.record(3, granted: false)
        #expect(tally.outcome(among: Electorate(incoming: [1, 2, 3])) == .lost)
        #expect(tally.outcome(among: Electorate(incoming: [1])) == .won)
    }
}
