import LinuxSystem
import RaftCore
import TestSupport
import Testing

@testable import RaftNode

/// Several nodes in one process, with real files and a network in memory.
@Suite(.serialized) struct GroupTests {
    @Test func formsAndReplicates() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        #expect(leader.node!.status.members.filter(\.isVoter).count == 3)
        for text in ["a", "b", "c"] { #expect(try await cluster.propose(text, on: leader) == text + "!") }
        try await cluster.waitForAgreement(on: ["a", "b", "c"])
        let follower = cluster.hosts.first { $0 !== leader }!
        await #expect(throws: RaftError.notLeader(leader: leader.member)) {
            try await cluster.propose("d", on: follower)
        }
        let index = try await follower.node!.readIndex()
        #expect(index >= leader.node!.status.committedIndex)
        #expect(follower.node!.status.appliedIndex >= index)
        await cluster.stopAll()
    }

    @Test("the leader's death costs seconds, and it comes back with its log") func leaderDeath() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let old = try await cluster.leader()
        _ = try await cluster.propose("a", on: old)
        let start = ContinuousClock.now
        try await cluster.kill(old)
        let new = try await cluster.leader()
        #expect(ContinuousClock.now - start < .seconds(5))
        _ = try await cluster.propose("b", on: new)
        try cluster.start(old)
        try await cluster.waitForAgreement(on: ["a", "b"])
        #expect(old.node!.status.role == .follower)
        await cluster.stopAll()
    }

    @Test("all killed at once: nothing acknowledged is lost") func allDie() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let node = leader.node!
        let acknowledged = await proposeUntilRefused(node) {
            let machine = leader.machine
            try? await cluster.wait("some work") { machine.texts.count > 300 }
            for host in cluster.hosts { try? await cluster.kill(host) }
        }
        #expect(acknowledged.count > 200)
        for host in cluster.hosts { try cluster.start(host) }
        try await cluster.proposeAnywhere("after")
        try await cluster.waitForAgreement()
        let kept = Set(cluster.hosts[0].machine.texts)
        #expect(acknowledged.filter { !kept.contains($0) } == [])
        await cluster.stopAll()
    }

    @Test("a leader cut off accepts nothing, the majority goes on, and they agree when mended")
    func partition() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let old = try await cluster.leader()
        _ = try await cluster.propose("a", on: old)
        cluster.isolate(old)
        await #expect(throws: RaftError.leadershipLost) { try await cluster.propose("lost", on: old) }
        let new = try await cluster.leader(butNot: old)
        _ = try await cluster.propose("b", on: new)
        #expect(!old.node!.status.isLeading)
        cluster.mend()
        try await cluster.waitForAgreement(on: ["a", "b"])
        #expect(new.node!.status.isLeading, "the one that was cut off does not disturb")
        await cluster.stopAll()
    }

    @Test("a read waits for the next leader where the last one is gone") func readAcrossElection() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let old = try await cluster.leader()
        _ = try await cluster.propose("a", on: old)
        let follower = cluster.hosts.first { $0 !== old }!
        try await cluster.kill(old)
        try await follower.node!.readIndex()
        #expect(follower.machine.texts == ["a"])
        await cluster.stopAll()
    }

    @Test("a member far behind gets a snapshot, some of whose chunks are lost") func snapshot() async throws {
        let cluster = try Cluster()
        cluster.trimming = RaftTrimming(entriesPerSnapshot: 20, bytesPerSnapshot: 64 << 20, keptEntries: 5)
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let late = cluster.hosts.first { $0 !== leader }!
        await cluster.stop(late)
        cluster.network.state.withLock { $0.lostChunks = [2, 3, 9] }
        let filler = String(repeating: "x", count: 100_000)
        var expected: [String] = []
        for number in 0..<50 {
            expected.append("\(number)\(filler)")
            _ = try await cluster.propose(expected.last!, on: leader)
        }
        try await cluster.wait("a trimmed log") { leader.node!.status.firstIndex > 30 }
        try cluster.start(late)
        try await cluster.waitForAgreement(on: expected)
        #expect(late.machine.installed.count >= 1)
        #expect(cluster.network.state.withLock { $0.chunkCount } >= 10)
        _ = try await cluster.propose("more", on: leader)
        try await cluster.waitForAgreement(on: expected + ["more"])
        // And it lives on with it.
        try await cluster.kill(late)
        try cluster.start(late)
        try await cluster.waitForAgreement(on: expected + ["more"])
        await cluster.stopAll()
    }

    @Test("a snapshot that cannot be used changes nothing: its receiver goes on with the log that it has")
    func lyingSnapshot() async throws {
        let cluster = try Cluster()
        cluster.trimming = RaftTrimming(entriesPerSnapshot: 20, bytesPerSnapshot: 64 << 20, keptEntries: 5)
        try await cluster.form(3)
        let leader = try await cluster.leader()
        _ = try await cluster.propose("before", on: leader)
        let late = cluster.hosts.first { $0 !== leader }!
        try await cluster.wait("all have it") { late.machine.texts == ["before"] }
        await cluster.stop(late)
        for number in 0..<50 { _ = try await cluster.propose("\(number)", on: leader) }
        try await cluster.wait("a trimmed log") { leader.node!.status.firstIndex > 20 }
        try cluster.start(late, refusingSnapshots: ["0"])
        func refusals() -> Int { late.machine.state.withLock { $0.refusals } }
        try await cluster.wait("it was refused") { refusals() > 0 }
        #expect(try Files.list(late.directory + "/snapshots") == [])
        // It takes part still, with what it had; and what is sent again is not looked at again.
        _ = try await cluster.propose("more", on: leader)
        let chunks = cluster.network.state.withLock { $0.chunkCount }
        try await cluster.wait("it was sent again") { cluster.network.state.withLock { $0.chunkCount } >= chunks + 2 }
        #expect(refusals() == 1)
        #expect(late.node!.status.failure == nil)
        #expect(late.machine.installed == [])
        #expect(late.machine.texts == ["before"])
        await cluster.stop(late)
        try cluster.start(late)
        try await cluster.waitForAgreement()
        #expect(late.machine.installed.count == 1)
        await cluster.stopAll()
    }

    @Test("bytes that another host wants proposed are not, whoever it says it is")
    func forgedProposals() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let other = cluster.hosts.first { $0 !== leader }!.member
        let forged = RaftMessage(
            from: other.id, to: leader.member.id, term: leader.node!.status.term,
            body: .proposals([Array("forged".utf8)]))
        leader.node!.step(forged.encoded(), from: other.nodeID)
        #expect(try await cluster.propose("own", on: leader) == "own!")
        try await cluster.waitForAgreement(on: ["own"])
        await cluster.stopAll()
    }

    @Test func handsOverAndRemoves() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let first = try await cluster.leader()
        let second = cluster.hosts.first { $0 !== first }!
        try await first.node!.transferLeadership(to: second.member.id)
        #expect(try await cluster.leader() === second)
        await #expect(throws: RaftError.notLeader(leader: second.member)) {
            try await first.node!.removeMember(second.member.id)
        }
        try await second.node!.removeMember(first.member.id)
        try await cluster.wait("the removed member knows") { first.node!.status.role == .removed }
        #expect(second.node!.status.members.count == 2)
        _ = try await cluster.propose("a", on: second)
        // It knows in its next life too.
        await cluster.stop(first)
        try cluster.start(first)
        #expect(first.node!.status.role == .removed)
        // The host comes back under a new identity.
        await cluster.stop(first)
        let again = RaftMember(id: 77, nodeID: first.member.nodeID, address: first.member.address)
        first.directory = cluster.folder.path("again")
        try cluster.start(first)
        try await first.node!.join(as: again, peers: second.node!.status.members.map(\.member))
        try await second.node!.addLearner(again)
        #expect(second.node!.status.members.contains { $0.member == again && !$0.isVoter })
        try await second.node!.promote(again.id)
        try await cluster.waitForAgreement(on: ["a"])
        await cluster.stopAll()
    }

    @Test("a learner that does not answer is not promoted") func deadLearner() async throws {
        let cluster = try Cluster()
        cluster.timing.membershipTicks = 20
        try await cluster.form(1)
        let leader = try await cluster.leader()
        let absent = RaftMember(id: 9, nodeID: "absent", address: "10.0.0.9:2377")
        try await leader.node!.addLearner(absent)
        for number in 0..<200 { _ = try await cluster.propose("\(number)", on: leader) }
        await #expect(throws: RaftError.memberTooFarBehind(9)) { try await leader.node!.promote(9) }
        await #expect(throws: RaftError.self) {
            try await leader.node!.addLearner(RaftMember(id: 10, nodeID: "absent", address: "10.0.0.9:2377"))
        }
        try await leader.node!.removeMember(9)
        #expect(leader.node!.status.members.count == 1)
        await cluster.stopAll()
    }

    @Test("a message in another host's name is dropped") func impostor() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let follower = cluster.hosts.first { $0 !== leader }!
        let term = leader.node!.status.term
        let forged = RaftMessage(
            from: follower.member.id, to: leader.member.id, term: term + 50, body: .heartbeatResponse(read: 0))
        leader.node!.step(forged.encoded(), from: "node3x")
        _ = try await cluster.propose("a", on: leader)
        #expect(leader.node!.status.term == term)
        await cluster.stopAll()
    }

    @Test func statusChangesTellOfLeadership() async throws {
        let cluster = try Cluster()
        try await cluster.form(3)
        let leader = try await cluster.leader()
        let successor = cluster.hosts.first { $0 !== leader }!
        let changes = successor.node!.statusChanges()
        try await leader.node!.transferLeadership(to: successor.member.id)
        var hasLed = false
        for await status in changes where status.isLeading {
            hasLed = true
            break
        }
        #expect(hasLed)
        await cluster.stopAll()
    }
}
