import LinuxSystem
import RaftCore
import TestSupport
import Testing

@testable import RaftNode

/// Two members with a state and one that only votes.
@Suite(.serialized) struct WitnessTests {
    private func form(_ cluster: Cluster) async throws -> (first: Cluster.Host, second: Cluster.Host, Cluster.Host) {
        try await cluster.form(2)
        let witness = try cluster.add(isWitness: true)
        try await cluster.join(witness)
        let leader = try await cluster.leader()
        return (leader, cluster.hosts.first { $0 !== leader && $0 !== witness }!, witness)
    }

    @Test("one of two is lost: the other goes on with the witness") func oneIsLost() async throws {
        let cluster = try Cluster()
        let (first, second, witness) = try await form(cluster)
        _ = try await cluster.propose("a", on: first)
        try await cluster.kill(first)
        try await cluster.proposeAnywhere("b")
        #expect(second.node!.status.isLeading && !witness.node!.status.isLeading)
        try cluster.start(first)
        try await cluster.waitForAgreement(on: ["a", "b"])
        await cluster.stopAll()
    }

    @Test("what was acknowledged while one was away comes to it from the witness") func theTailIsKept() async throws {
        let cluster = try Cluster()
        let (first, second, witness) = try await form(cluster)
        cluster.isolate(second)
        for number in 0..<20 { _ = try await cluster.propose("\(number)", on: first) }
        #expect(second.machine.texts == [])
        try await cluster.kill(first)
        // It has not taken part, so that nobody but the witness can be elected.
        cluster.mend()
        try await cluster.wait("the other leads") { second.node!.status.isLeading }
        #expect(second.machine.texts == (0..<20).map { "\($0)" })
        _ = try await cluster.propose("after", on: second)
        #expect(!witness.node!.status.isLeading)
        await cluster.stopAll()
    }

    @Test("it has no files of a state, a bounded log, and comes back with its vote") func itIsSmall() async throws {
        let cluster = try Cluster()
        (cluster.trimming.entriesPerSnapshot, cluster.trimming.keptEntries, cluster.trimming.tailEntries) = (50, 10, 40)
        try await cluster.form(2)
        let leader = try await cluster.leader()
        for number in 0..<150 { _ = try await cluster.propose("\(number)", on: leader) }
        try await cluster.wait("a short log") { leader.node!.status.firstIndex > 50 }
        let witness = try cluster.add(isWitness: true)
        // The log that it would need is gone: it learns where it begins.
        try await cluster.join(witness)
        #expect(witness.node!.status.firstIndex > 50)
        for number in 150..<300 { _ = try await cluster.propose("\(number)", on: leader) }
        try await cluster.wait("its log is cut") {
            let status = witness.node!.status
            return status.appliedIndex >= 300 && status.lastIndex - status.firstIndex <= 60
        }
        #expect(try Files.list(witness.directory + "/snapshots") == [])
        let last = witness.node!.status.lastIndex
        try await cluster.kill(witness)
        try cluster.start(witness)
        #expect(witness.node!.status.firstIndex > 200 && witness.node!.status.lastIndex >= last)
        let other = cluster.hosts.first { $0 !== leader && $0 !== witness }!
        try await cluster.kill(other)
        #expect(try await cluster.propose("with the witness", on: leader) == "with the witness!")
        await cluster.stopAll()
    }

    @Test("a witness with a state, and another member without, are refused") func mismatch() async throws {
        let cluster = try Cluster()
        try await cluster.form(1)
        let peers = [cluster.hosts[0].member]
        let (witness, other) = (try cluster.add(isWitness: true), try cluster.add())
        let refusal = RaftError.membershipRefused("a witness has no state, and everybody else has one")
        await #expect(throws: refusal) {
            try await other.node!.join(as: RaftMember(id: 9, nodeID: "x", address: "", isWitness: true), peers: peers)
        }
        await #expect(throws: refusal) {
            try await witness.node!.join(as: RaftMember(id: 9, nodeID: "x", address: ""), peers: peers)
        }
        await cluster.stopAll()
    }
}
