import LinuxSystem
import Logging
import RaftCore
import SQLite
import TestSupport
import Testing

@testable import RaftNode

/// A group of one: the log of a host outside a swarm.
@Suite struct SingleNodeTests {
    @Test func proposesAndRemembers() async throws {
        let cluster = try Cluster()
        try await cluster.form(1)
        let host = cluster.hosts[0]
        #expect(try await cluster.propose("a", on: host) == "a!")
        #expect(try await cluster.propose("b", on: host) == "b!")
        let index = try await host.node!.readIndex()
        #expect(host.node!.status.appliedIndex >= index)
        #expect(host.machine.texts == ["a", "b"])
        await cluster.stop(host)
        try cluster.start(host)
        #expect(host.node!.status.member == host.member)
        _ = try await cluster.leader()
        #expect(host.machine.texts == ["a", "b"])
        #expect(try await cluster.propose("c", on: host) == "c!")
        await cluster.stopAll()
    }

    @Test("kill -9 in the middle of many proposals loses nothing that was acknowledged") func kill() async throws {
        let cluster = try Cluster()
        try await cluster.form(1)
        let host = cluster.hosts[0]
        let node = host.node!
        let acknowledged = await proposeUntilRefused(node) {
            let machine = host.machine
            try? await cluster.wait("some work") { machine.texts.count > 500 }
            try? await cluster.kill(host)
        }
        #expect(acknowledged.count > 400)
        try cluster.start(host)
        _ = try await cluster.leader()
        let kept = Set(host.machine.texts)
        #expect(acknowledged.filter { !kept.contains($0) } == [])
        await cluster.stopAll()
    }

    @Test("snapshots are written, the log is trimmed, and a new life begins with both") func snapshots() async throws {
        let cluster = try Cluster()
        cluster.trimming = RaftTrimming(entriesPerSnapshot: 50, bytesPerSnapshot: 1 << 20, keptEntries: 10)
        try await cluster.form(1)
        let host = cluster.hosts[0]
        var expected: [String] = []
        for number in 0..<230 {
            expected.append("\(number)")
            _ = try await cluster.propose("\(number)", on: host)
        }
        try await cluster.wait("a trimmed log") {
            let status = host.node!.status
            return status.snapshotIndex >= 150 && status.firstIndex > 100
        }
        try await cluster.kill(host)
        try cluster.start(host)
        _ = try await cluster.leader()
        #expect(host.machine.texts == expected)
        #expect(host.machine.installed.count == 1)
        #expect(try await cluster.propose("more", on: host) == "more!")
        try await cluster.wait("one snapshot left") {
            (try? Files.list(host.directory + "/snapshots").count) == 1
        }
        await cluster.stopAll()
    }

    @Test("what waits together is one transaction with one sync") func groupCommit() async throws {
        let cluster = try Cluster()
        cluster.simulatesDisks = true
        try await cluster.form(1)
        let host = cluster.hosts[0]
        let (node, disk) = (host.node!, try #require(host.disk))
        let lock = try Database(path: host.directory + "/raft.sqlite", on: disk)
        try lock.begin()
        let asked = Monitor(0)
        let answers = Task {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        asked.change { $0 += 1 }
                        _ = try await node.propose(Array("\(number)".utf8))
                    }
                }
                try await group.waitForAll()
            }
        }
        // Some may still be on their way then: a node that synced for each would not get far all the same.
        try await cluster.wait("all ask") { asked.wait({ _ in true }, then: \.self) == 200 }
        #expect(host.machine.texts == [])
        disk.faults.series = [DiskFaults.Series(.sync, suffix: "-wal", after: 50)]
        try lock.commit()
        try await answers.value
        #expect(host.machine.texts.count == 200)
        await cluster.stopAll()
    }

    @Test("what is due by its bytes stays due where it could not be written, and in the next life")
    func heavySnapshots() async throws {
        let cluster = try Cluster()
        cluster.trimming = RaftTrimming(entriesPerSnapshot: 1_000, bytesPerSnapshot: 100_000, keptEntries: 1)
        try await cluster.form(1)
        let host = cluster.hosts[0]
        let filler = String(repeating: "x", count: 30_000)
        for number in 0..<3 { _ = try await cluster.propose("\(number)\(filler)", on: host) }
        try await cluster.kill(host)
        try cluster.start(host, with: host.machine)
        _ = try await cluster.leader()
        host.machine.state.withLock { $0.failingSnapshots = 1 }
        let (index, _) = try await host.node!.propose(Array("last\(filler)".utf8))
        try await cluster.wait("a snapshot of all of it") { host.node!.status.snapshotIndex == index }
        #expect(host.machine.state.withLock { $0.failingSnapshots } < 0)
        await cluster.stopAll()
    }

    @Test func refusals() async throws {
        let cluster = try Cluster()
        let host = try cluster.add()
        let node = host.node!
        #expect(node.status.role == .idle)
        await #expect(throws: RaftError.notAMember) { try await node.propose([1]) }
        await #expect(throws: RaftError.notAMember) { try await node.readIndex() }
        await #expect(throws: RaftError.notAMember) { try await node.waitApplied(1) }
        await #expect(throws: RaftError.notAMember) { try await node.transferLeadership() }
        await #expect(throws: RaftError.notAMember) { try await node.removeMember(1) }
        try await node.bootstrap(host.member)
        #expect(node.status.isLeading)
        await #expect(throws: RaftError.alreadyAMember) { try await node.bootstrap(host.member) }
        await #expect(throws: RaftError.alreadyAMember) { try await node.join(as: host.member, peers: []) }
        await #expect(throws: RaftError.commandTooLarge(bytes: 3 << 20)) {
            try await node.propose([UInt8](repeating: 0, count: 3 << 20))
        }
        _ = try await node.propose([UInt8](repeating: 0x61, count: RaftNode.commandByteLimit))
        await #expect(throws: RaftError.notLeader(leader: host.member)) { try await node.propose([1], inTerm: 1) }
        let (index, _) = try await node.propose([1], inTerm: node.status.term, notAfter: .max)
        #expect(try await node.propose([1], notAfter: index + 1).index == index + 1)
        for limit in [0, index, index + 1] {
            await #expect(throws: RaftError.tooLate(limit)) { try await node.propose([1], notAfter: limit) }
        }
        await #expect(throws: RaftError.unknownMember(9)) { try await node.removeMember(9) }
        await #expect(throws: RaftError.unknownMember(9)) { try await node.promote(9) }
        await #expect(throws: RaftError.membershipRefused("the last voter cannot be removed")) {
            try await node.removeMember(1)
        }
        await #expect(throws: RaftError.membershipRefused("no other voter answers")) {
            try await node.transferLeadership()
        }
        node.step([1, 2, 3], from: "nobody")
        await cluster.stopAll()
        await #expect(throws: RaftError.stopped("it was told to")) { try await node.propose([1]) }
        #expect(node.status.role == .stopped)
    }

    @Test("a state machine that cannot apply an entry stops the node and says why") func failure() async throws {
        let cluster = try Cluster()
        try await cluster.form(1)
        let host = cluster.hosts[0]
        host.machine.state.withLock { $0.refused = "bad" }
        let changes = host.node!.statusChanges()
        await #expect(throws: RaftError.self) { try await cluster.propose("bad", on: host) }
        var last: RaftStatus?
        for await status in changes { last = status }
        #expect(last?.role == .stopped)
        #expect(last?.failure?.contains("could not apply") == true)
        await cluster.stopAll()
    }

    @Test func damagedFilesAreRefused() async throws {
        let cluster = try Cluster()
        try Files.makeDirectories(cluster.folder.path("1"))
        try Files.write(cluster.folder.path("1") + "/raft.sqlite", [UInt8](repeating: 0x41, count: 4096))
        #expect(throws: RaftError.self) { try cluster.add() }
    }

    @Test("a state without its log is not taken for a new member's") func stateWithoutLog() async throws {
        let cluster = try Cluster()
        let host = try cluster.add()
        host.machine.state.withLock { $0.commands = [(index: 7, text: "left over")] }
        await #expect(throws: RaftError.self) { try await host.node!.bootstrap(host.member) }
        #expect(host.node!.status.role == .idle)
        await cluster.stopAll()
    }
}
