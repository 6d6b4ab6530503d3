import Testing

@testable import RaftCore

/// Raft section 5.2: leader election.
@Suite struct ElectionTests {
    @Test("5.2: one leader emerges by itself") func oneLeader() throws {
        let group = try Group(voters: [1, 2, 3])
        #expect(group.run { $0.leader != nil })
        group.tick(5)
        let leader = try #require(group.leader)
        for id in group.ids { #expect(group[id].leader == leader) }
        #expect(group.ids.filter { group[$0].role == .leader }.count == 1)
        #expect(group.violations.isEmpty)
    }

    @Test("5.2: a member alone leads at once and commits") func alone() throws {
        let group = try Group(voters: [1])
        group.elect(1)
        #expect(group[1].role == .leader)
        try group.propose("a", on: 1)
        #expect(group.commands(1) == ["a"])
    }

    @Test("5.2: randomised timeouts differ and lie within their bounds") func timeouts() throws {
        var raft = try Raft(id: 1, seed: 7)
        var seen: Set<Int> = []
        for _ in 0..<1_000 {
            raft.chooseElectionTimeout()
            seen.insert(raft.electionTimeout)
        }
        #expect(seen == Set(10..<20))
    }

    @Test("5.2: each member votes once in a term") func oneVote() throws {
        let membership = Membership((1...3).map { .init(member: Group.member($0), isVoter: true) })
        var restored = Raft.Restored()
        restored.base = SnapshotMetadata(index: 1, term: 1, membership: membership)
        restored.applied = 1
        restored.hardState = HardState(term: 1, vote: 0, commit: 1)
        var raft = try Raft(id: 1, restored: restored, seed: 1)
        raft.step(vote(from: 2, term: 2))
        raft.step(vote(from: 3, term: 2))
        let taken = raft.takeReady()
        let ready = try #require(taken)
        #expect(ready.messages.isEmpty, "a vote goes out only once it is on the disk")
        #expect(ready.hardState.vote == 2)
        #expect(
            ready.messagesAfterPersisting.map(\.body) == [.voteResponse(granted: true), .voteResponse(granted: false)])
    }

    private func vote(from: UInt64, term: UInt64) -> RaftMessage {
        RaftMessage(
            from: from, to: 1, term: term, body: .voteRequest(lastIndex: 9, lastTerm: 1, isTransfer: false))
    }

    @Test("5.4.1: a member whose log is behind is not elected") func upToDate() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.isolate(3)
        try group.propose("a", on: 1)
        group.isolate(1)
        group.cuts.remove([2, 3])
        #expect(group.run { $0[2].role == .leader && $0[2].leader == 2 })
        #expect(group[3].role == .follower)
        #expect(group.commands(2) == ["a"])
        #expect(group.violations.isEmpty)
    }

    @Test("9.6: a member that was cut off does not depose the leader when it returns") func preVote() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        let term = group[1].term
        group.isolate(3)
        group.tick(100)
        #expect(group[3].term == term)
        group.mend()
        group.tick(50)
        #expect(group[1].role == .leader)
        #expect(group[1].term == term)
        #expect(group[3].leader == 1)
    }

    @Test("6.2: a leader without a majority steps down") func checkQuorum() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.isolate(1)
        #expect(group.run(ticks: 30) { $0[1].role != .leader })
        #expect(group.run { $0[2].role == .leader || $0[3].role == .leader })
        #expect(group.violations.isEmpty)
    }

    @Test("5.2: the loss of the leader is mended within two election timeouts") func leaderDeath() throws {
        for seed in UInt64(1)...20 {
            let group = try Group(voters: [1, 2, 3], seed: seed)
            group.elect(1)
            try group.propose("a", on: 1)
            group.crash(1)
            var ticks = 0
            while group.leader == nil, ticks < 100 {
                group.tick()
                ticks += 1
            }
            #expect(ticks <= 45, "seed \(seed): \(ticks) ticks")
            #expect(group.violations.isEmpty)
        }
    }

    @Test("3.10: the leadership is handed over without an election timeout") func transfer() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        try group.propose("a", on: 1)
        group.hosts[1]!.raft.step(RaftMessage(from: 2, to: 1, term: group[1].term, body: .heartbeatResponse(read: 0)))
        try group.hosts[1]!.raft.transferLeadership(to: 3)
        #expect(throws: Raft.Refusal.transferring) { try group.propose("b", on: 1) }
        group.settle()
        #expect(group[3].role == .leader)
        #expect(group[1].role == .follower)
        try group.propose("c", on: 3)
        #expect(group.commands(1) == ["a", "c"])
    }

    @Test("3.10: a hand-over to a dead member is given up") func transferToDead() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.crash(3)
        try group.hosts[1]!.raft.transferLeadership(to: 3)
        group.tick(12)
        #expect(group[1].role == .leader)
        try group.propose("a", on: 1)
        #expect(group.commands(2) == ["a"])
    }
}
