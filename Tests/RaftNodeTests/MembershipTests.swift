import RaftCore
import TestSupport
import Testing

@testable import RaftNode

/// Several members changed as one, and votes that are taken away.
@Suite(.serialized) struct MembershipTests {
    private func voters(_ host: Cluster.Host) -> [UInt64] {
        host.node!.status.members.filter(\.isVoter).map(\.member.id)
    }

    private func change(_ host: Cluster.Host, _ changes: [MembershipChange]) async throws {
        try await host.node!.changeMembers(changes, of: host.node!.status.members)
    }

    @Test("a dead voter is replaced by a learner in one change, and the next death costs nothing")
    func replacesTheDead() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let others = cluster.hosts.filter { $0 !== leader }
        let spare = try cluster.add()
        try await cluster.learn(spare, from: leader)
        try await cluster.kill(others[0])
        try await change(leader, [.promote(spare.member.id), .remove(others[0].member.id)])
        let status = leader.node!.status
        #expect(!status.isJoint)
        #expect(status.members.map(\.member.id).sorted() == [leader, others[1], spare].map(\.member.id).sorted())
        #expect(status.members.allSatisfy { $0.isVoter && !$0.isOutgoing })
        try await cluster.kill(others[1])
        #expect(try await cluster.propose("a", on: leader) == "a!")
        try await cluster.wait("the spare has it") { spare.machine.texts == ["a"] }
        #expect(spare.node!.status.role == .follower)
        await cluster.stopAll()
    }

    @Test("the status shows a joint membership, and the change is answered when that has ended")
    func showsTheJoint() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let others = cluster.hosts.filter { $0 !== leader }
        let spare = try cluster.add()
        try await cluster.learn(spare, from: leader)
        cluster.network.state.withLock { $0.losesEnds = true }
        let node = leader.node!
        let (new, old) = (spare.member.id, others[0].member.id)
        let change = Task { try await node.changeMembers([.promote(new), .demote(old)], of: node.status.members) }
        try await cluster.wait("the joint membership") { node.status.isJoint }
        let members = node.status.members
        #expect(members.filter(\.isOutgoing).map(\.member.id) == [1, 2, 3])
        #expect(members.first { $0.member.id == new }.map { $0.isVoter && !$0.isOutgoing } == true)
        #expect(members.first { $0.member.id == old }.map { !$0.isVoter && $0.isOutgoing } == true)
        cluster.network.state.withLock { $0.losesEnds = false }
        try await change.value
        #expect(!node.status.isJoint)
        #expect(voters(leader) == [leader, others[1], spare].map(\.member.id).sorted())
        try await cluster.wait("the demoted one knows") { others[0].node!.status.role == .learner }
        // It keeps its log and gets what follows, and its vote again.
        _ = try await cluster.propose("a", on: leader)
        try await cluster.waitForAgreement(on: ["a"])
        try await node.promote(old)
        #expect(voters(leader) == [1, 2, 3, 4])
        await cluster.stopAll()
    }

    /// A group of three whose leader has begun to give its vote to a fourth, which nobody can end yet; nil where
    /// another one was elected meanwhile, as may happen on a busy machine.
    private func jointGroup() async throws -> (Cluster, leader: Cluster.Host, change: Task<Void, any Error>)? {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let spare = try cluster.add()
        try await cluster.learn(spare, from: leader)
        cluster.network.state.withLock { $0.losesEnds = true }
        let (node, new, own) = (leader.node!, spare.member.id, leader.member.id)
        let term = node.status.term
        let change = Task { try await node.changeMembers([.promote(new), .remove(own)], of: node.status.members) }
        let nodes = cluster.hosts.map { $0.node! }
        do {
            try await waitUntil("the joint membership, everywhere", within: .seconds(15)) {
                nodes.allSatisfy { $0.status.isJoint }
            }
        } catch {
            guard nodes.contains(where: { $0.status.term != term }) else { throw error }
            await cluster.stopAll()
            return nil
        }
        return (cluster, leader, change)
    }

    @Test("a leader that dies within a joint change leaves its end to the next") func leaderDies() async throws {
        var group = try await jointGroup()
        while group == nil { group = try await jointGroup() }
        guard let (cluster, old, change) = group else { return }
        try await cluster.kill(old)
        await #expect(throws: RaftError.self) { try await change.value }
        cluster.network.state.withLock { $0.losesEnds = false }
        let leader = try await cluster.leader()
        let next = leader.node!
        try await cluster.wait("the end of the joint membership") { !next.status.isJoint }
        #expect(next.status.members.map(\.member.id) == [1, 2, 3, 4].filter { $0 != old.member.id })
        #expect(try await cluster.propose("a", on: leader) == "a!")
        await cluster.stopAll()
    }

    @Test("what makes no sense is refused, and what would have to wait") func refusals() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let node = leader.node!
        let absent = RaftMember(id: 9, nodeID: "absent", address: "10.0.0.9:2377")
        await #expect(throws: RaftError.unknownMember(9)) { try await change(leader, [.demote(9)]) }
        await #expect(throws: RaftError.unknownMember(9)) {
            try await change(leader, [.addLearner(absent), .promote(9)])
        }
        await #expect(throws: RaftError.membershipRefused("no member has the identity 9")) {
            try await change(leader, [.remove(9), .demote(2)])
        }
        await #expect(throws: RaftError.membershipRefused("the last voter cannot be removed")) {
            try await change(leader, [.demote(1), .demote(2), .demote(3)])
        }
        try await node.addLearner(absent)
        // Far enough behind not to vote at once, whatever was heard of it.
        for number in 0..<200 { _ = try await cluster.propose("\(number)", on: leader) }
        let victim = cluster.hosts.first { $0 !== leader }!.member.id
        for changes in [[.promote(9), .demote(victim)], [MembershipChange.promote(9)]] {
            await #expect(throws: RaftError.memberTooFarBehind(9)) { try await change(leader, changes) }
        }
        #expect(voters(leader) == [1, 2, 3])
        #expect(!node.status.isJoint)
        await cluster.stopAll()
    }

    @Test("what was decided on members that are others by now is not done") func staleDecisions() async throws {
        let cluster = try Cluster()
        try await cluster.form(4)
        let leader = try await cluster.leader()
        let node = leader.node!
        let others = cluster.hosts.filter { $0 !== leader }.map(\.member.id)
        let seen = node.status.members
        // Four of whom one may go; another one goes first.
        try await node.removeMember(others[0])
        let stale = RaftError.membershipRefused("the members are others by now")
        await #expect(throws: stale) { try await node.changeMembers([.demote(others[1])], of: seen) }
        #expect(voters(leader).count == 3)
        // One that has lost or got a vote is another one, too.
        let three = node.status.members
        try await change(leader, [.demote(others[1])])
        await #expect(throws: stale) { try await node.changeMembers([.remove(others[2])], of: three) }
        #expect(node.status.members.count(where: \.isVoter) == 2)
        await cluster.stopAll()
    }

    @Test("two changes are never under way at once, and the second is not kept for later") func oneAtATime()
        async throws
    {
        let cluster = try Cluster()
        try await cluster.form(4)
        let leader = try await cluster.leader()
        let node = leader.node!
        let others = cluster.hosts.filter { $0 !== leader }.map(\.member.id)
        let seen = node.status.members
        let both = await withTaskGroup(of: Result<Void, any Error>.self) { group in
            for id in others.prefix(2) {
                group.addTask {
                    do { return .success(try await node.changeMembers([.demote(id)], of: seen)) } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(both.count { (try? $0.get()) != nil } == 1)
        #expect(voters(leader).count == 3)
        cluster.network.state.withLock { $0.losesEnds = true }
        let (first, second) = (voters(leader).filter { $0 != leader.member.id }, node.status.members)
        let joint = Task {
            try await node.changeMembers([.demote(first[0]), .addLearner(self.ninth)], of: second)
        }
        try await cluster.wait("the joint membership") { node.status.isJoint }
        await #expect(throws: RaftError.membershipRefused("the members are others by now")) {
            try await node.changeMembers([.demote(first[1])], of: node.status.members)
        }
        cluster.network.state.withLock { $0.losesEnds = false }
        try await joint.value
        #expect(voters(leader).count == 2)
        await cluster.stopAll()
    }

    private let ninth = RaftMember(id: 9, nodeID: "ninth", address: "10.0.0.9:2377")

    @Test("a member that moved is known at its new address, and keeps its vote") func moves() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let mover = cluster.hosts.first { $0 !== leader }!
        var moved = mover.member
        moved.address = "10.0.1.7:2377"
        try await leader.node!.addLearner(moved)
        for host in cluster.hosts {
            let node = host.node!
            try await cluster.wait("the new address") { node.status.members.contains { $0.member == moved } }
        }
        #expect(voters(leader) == [1, 2, 3])
        await cluster.stopAll()
    }
}
