import RaftCore
import TestSupport
import Testing

@testable import RaftNode

/// Several members changed as one, and votes that are taken away.
@Suite(.serialized) struct MembershipTests {
    private func voters(_ host: Cluster.Host) -> [UInt64] {
        host.node!.status.members.filter(\.isVoter).map(\.member.id)
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
        try await leader.node!.changeMembers([.promote(spare.member.id), .remove(others[0].member.id)])
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
        let change = Task { try await node.changeMembers([.promote(new), .demote(old)]) }
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

    @Test("a leader that dies within a joint change leaves its end to the next") func leaderDies() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let old = try await cluster.leader()
        let spare = try cluster.add()
        try await cluster.learn(spare, from: old)
        cluster.network.state.withLock { $0.losesEnds = true }
        let (node, new, own) = (old.node!, spare.member.id, old.member.id)
        let change = Task { try await node.changeMembers([.promote(new), .remove(own)]) }
        let nodes = cluster.hosts.map { $0.node! }
        try await cluster.wait("the joint membership, everywhere") { nodes.allSatisfy { $0.status.isJoint } }
        try await cluster.kill(old)
        await #expect(throws: RaftError.self) { try await change.value }
        cluster.network.state.withLock { $0.losesEnds = false }
        let leader = try await cluster.leader()
        let next = leader.node!
        try await cluster.wait("the end of the joint membership") { !next.status.isJoint }
        #expect(next.status.members.map(\.member.id) == [1, 2, 3, 4].filter { $0 != own })
        #expect(try await cluster.propose("a", on: leader) == "a!")
        await cluster.stopAll()
    }

    @Test("what makes no sense is refused, and whoever is absent is waited for") func refusals() async throws {
        let cluster = try Cluster()
        cluster.timing.membershipTicks = 20
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let node = leader.node!
        let absent = RaftMember(id: 9, nodeID: "absent", address: "10.0.0.9:2377")
        await #expect(throws: RaftError.unknownMember(9)) { try await node.demote(9) }
        await #expect(throws: RaftError.unknownMember(9)) {
            try await node.changeMembers([.addLearner(absent), .promote(9)])
        }
        await #expect(throws: RaftError.membershipRefused("no member has the identity 9")) {
            try await node.changeMembers([.remove(9), .demote(2)])
        }
        await #expect(throws: RaftError.membershipRefused("the last voter cannot be removed")) {
            try await node.changeMembers([.demote(1), .demote(2), .demote(3)])
        }
        try await node.addLearner(absent)
        // Far enough behind to be waited for, whatever was heard of it.
        for number in 0..<200 { _ = try await cluster.propose("\(number)", on: leader) }
        let victim = cluster.hosts.first { $0 !== leader }!.member.id
        await #expect(throws: RaftError.memberTooFarBehind(9)) {
            try await node.changeMembers([.promote(9), .demote(victim)])
        }
        #expect(voters(leader) == [1, 2, 3])
        #expect(!node.status.isJoint)
        await cluster.stopAll()
    }

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
