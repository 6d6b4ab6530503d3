import Testing

@testable import RaftCore

/// Reads that a leader answers by itself, while nobody else can have been elected (dissertation, section 6.4.1).
@Suite struct LeaseTests {
    private static func group(lease: UInt64 = 250) throws -> Group {
        let group = try Group(voters: [])
        group.configuration.leaseMilliseconds = lease
        let membership = Membership((1...3).map { .init(member: Group.member($0), isVoter: true) })
        for id in UInt64(1)...3 {
            let base = SnapshotMetadata(index: 1, term: 1, membership: membership)
            try group.add(id, base: base, hardState: HardState(term: 1, vote: 0, commit: 1), snapshot: base)
        }
        #expect(group.run { $0.leader != nil && $0[$0.leader!].hasCommittedInTerm })
        return group
    }

    private static func set(_ group: Group, now: UInt64) { for id in group.ids { group.hosts[id]!.raft.now = now } }

    /// Whether a read is answered without a message.
    private static func answersAlone(_ group: Group, _ leader: UInt64) -> Bool {
        group.hosts[leader]!.reads = []
        #expect(group.requestRead(7, on: leader))
        let ready = group.takeReady(leader)
        defer { if let ready { group.hosts[leader]!.raft.advance(ready) } }
        return ready?.reads.map(\.request) == [7] && ready?.messages.isEmpty == true
    }

    @Test func aConfirmedLeaderAnswersForAWhile() throws {
        let group = try Self.group()
        let leader = try #require(group.leader)
        Self.set(group, now: 10_000)
        #expect(!Self.answersAlone(group, leader))
        group.tick(4)
        #expect(Self.answersAlone(group, leader))
        Self.set(group, now: 10_249)
        #expect(Self.answersAlone(group, leader))
        Self.set(group, now: 10_250)
        #expect(!Self.answersAlone(group, leader))
    }

    @Test func withoutAnswersThereIsNoLease() throws {
        let group = try Self.group()
        let leader = try #require(group.leader)
        group.isolate(leader)
        Self.set(group, now: 10_000)
        for _ in 0..<6 {
            group.hosts[leader]!.raft.tick()
            group.carryOut(leader)
        }
        #expect(group[leader].role == .leader && !Self.answersAlone(group, leader))
    }

    @Test func whoWantsNoLeaseHasNone() throws {
        let group = try Self.group(lease: 0)
        Self.set(group, now: 10_000)
        group.tick(4)
        #expect(!Self.answersAlone(group, try #require(group.leader)))
    }

    @Test func aLeaderThatHandsOverHasNoneAnyMore() throws {
        let group = try Self.group()
        let leader = try #require(group.leader)
        Self.set(group, now: 10_000)
        group.tick(4)
        #expect(Self.answersAlone(group, leader))
        group.isLost = { message in if case .timeoutNow = message.body { true } else { false } }
        try group.hosts[leader]!.raft.transferLeadership(to: leader % 3 + 1)
        group.tick(20)
        // The message may come yet.
        #expect(group[leader].role == .leader && !Self.answersAlone(group, leader))
    }

    @Test func aChangeOfMembersEndsIt() throws {
        let group = try Self.group()
        let leader = try #require(group.leader)
        Self.set(group, now: 10_000)
        group.tick(4)
        try group.change(.addLearner(Group.member(4)), on: leader)
        #expect(!Self.answersAlone(group, leader))
    }

    @Test func aTermThatCameOtherwiseMakesNobodyForget() throws {
        let group = try Self.group()
        let leader = try #require(group.leader)
        let follower = leader % 3 + 1
        let candidate = follower % 3 + 1
        group.tick(4)
        group.isolate(leader)
        let term = group[follower].term + 1
        group.hosts[follower]!.raft.step(
            RaftMessage(from: candidate, to: follower, term: term, body: .heartbeatResponse(read: 0)))
        #expect(group[follower].term == term)
        func ask(isTransfer: Bool) -> Bool {
            let body = RaftMessage.Body.voteRequest(lastIndex: 100, lastTerm: term, isTransfer: isTransfer)
            group.hosts[follower]!.raft.step(RaftMessage(from: candidate, to: follower, term: term, body: body))
            group.carryOut(follower)
            defer { group.queue = [] }
            return group.queue.contains { $0.body == .voteResponse(granted: true) }
        }
        #expect(!ask(isTransfer: false))
        #expect(ask(isTransfer: true))
    }

    @Test func whoHasJustStartedElectsNobodyElse() throws {
        let group = try Self.group()
        let leader = try #require(group.leader)
        let follower = leader % 3 + 1
        let candidate = follower % 3 + 1
        group.isolate(leader)
        // The candidate has heard nothing for long, the other one was confirming the leader just now.
        for _ in 0..<30 { group.hosts[candidate]!.raft.tick() }
        group.crash(follower)
        try group.restart(follower)
        group.hosts[candidate]!.raft.campaign()
        group.settle()
        #expect(group[candidate].role != .leader)
        for _ in 0..<10 { group.hosts[follower]!.raft.tick() }
        group.hosts[candidate]!.raft.campaign()
        group.settle()
        #expect(group[candidate].role == .leader)
    }
}
