import LinuxSystem
import RaftCore
import SQLite
import Synchronization
import TestSupport
import Testing
import Values

@testable import RaftNode

/// Proposes different texts to whoever leads, until it is told to stop.
private final class Load: Sendable {
    private struct State {
        var acknowledged: [String] = []
        var isOver = false
    }

    private let network: Network
    private let state = Mutex(State())

    init(_ network: Network) { self.network = network }

    var acknowledged: [String] { state.withLock { $0.acknowledged } }

    func stop() { state.withLock { $0.isOver = true } }

    func run(workers: Int) async {
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<workers { group.addTask { await self.work(worker) } }
        }
    }

    private func work(_ worker: Int) async {
        var number = 0
        while !state.withLock({ $0.isOver }) {
            number += 1
            let text = "\(worker)-\(number)"
            if let leader = network.leader {
                guard (try? await leader.propose(Array(text.utf8))) != nil else { continue }
                state.withLock { $0.acknowledged.append(text) }
            } else {
                try? await waitUntil("a leader", every: .milliseconds(5)) {
                    network.leader != nil || state.withLock { $0.isOver }
                }
            }
        }
    }
}

extension Network {
    var leader: RaftNode? { state.withLock { $0.nodes.values.first { $0.status.isLeading } } }
}

/// Nodes whose disk fails, is full, or does not hold what was written.
@Suite struct DiskTests {
    private func cluster(_ count: Int) async throws -> Cluster {
        let cluster = try Cluster()
        cluster.simulatesDisks = true
        cluster.scrubbing.stepPauseMilliseconds = 1
        cluster.scrubbing.passPauseMilliseconds = 10
        try await cluster.form(count)
        return cluster
    }

    private func fill(_ host: Cluster.Host) { host.disk?.capacityBytes = host.disk?.usedBytes }

    @Test("a node alone whose disk is full acknowledges nothing, says so, and goes on when there is room")
    func fullAlone() async throws {
        let cluster = try await cluster(1)
        let host = cluster.hosts[0]
        _ = try await cluster.propose("a", on: host)
        fill(host)
        await #expect(throws: RaftError.leadershipLost) {
            try await cluster.propose(String(repeating: "b", count: 10_000), on: host)
        }
        try await cluster.wait("its status") { host.node!.status.isDiskFull }
        let status = host.node!.status
        #expect(!status.isLeading && status.role == .follower && status.leader == nil && status.failure == nil)
        await #expect(throws: RaftError.notLeader(leader: nil)) { try await cluster.propose("c", on: host) }
        await #expect(throws: RaftError.notLeader(leader: nil)) { try await host.node!.removeMember(1) }
        host.disk?.capacityBytes = nil
        try await cluster.wait("it leads again") { host.node!.status.isLeading }
        #expect(!host.node!.status.isDiskFull)
        #expect(try await cluster.propose("d", on: host) == "d!")
        try await cluster.kill(host)
        try cluster.start(host)
        _ = try await cluster.leader()
        #expect(host.machine.texts.map { $0.prefix(1) } == ["a", "b", "d"])
        await cluster.stopAll()
    }

    @Test("a leader whose disk is full loses the lead, and follows when there is room") func fullLeader() async throws {
        let cluster = try await cluster(3)
        let old = try await cluster.leader()
        _ = try await cluster.propose("a", on: old)
        fill(old)
        await #expect(throws: RaftError.leadershipLost) {
            try await cluster.propose(String(repeating: "b", count: 10_000), on: old)
        }
        let new = try await cluster.leader(butNot: old)
        #expect(old.node!.status.isDiskFull)
        _ = try await cluster.propose("c", on: new)
        #expect(new.node!.status.isLeading)
        old.disk?.capacityBytes = nil
        try await cluster.waitForAgreement()
        #expect(new.machine.texts.suffix(1) == ["c"])
        #expect(!old.node!.status.isDiskFull && old.node!.status.role == .follower)
        await cluster.stopAll()
    }

    @Test("a snapshot that was under way when the disk was full arrives when there is room")
    func fullWhileSending() async throws {
        let cluster = try Cluster()
        cluster.simulatesDisks = true
        cluster.trimming = RaftTrimming(entriesPerSnapshot: 20, bytesPerSnapshot: 1 << 20, keptEntries: 0)
        // Alone it leads whatever happens.
        try await cluster.form(1)
        let leader = cluster.hosts[0]
        for number in 0..<50 { _ = try await cluster.propose("\(number)", on: leader) }
        try await cluster.wait("a trimmed log") { leader.node!.status.firstIndex > 20 }
        cluster.network.state.withLock { $0.lostChunks = Set(1...10_000) }
        let learner = try cluster.add()
        try await cluster.learn(learner, from: leader)
        try await cluster.wait("a snapshot on its way") { cluster.network.state.withLock { $0.chunkCount > 0 } }
        fill(leader)
        await #expect(throws: RaftError.leadershipLost) {
            try await cluster.propose(String(repeating: "b", count: 10_000), on: leader)
        }
        cluster.network.state.withLock { $0.lostChunks = [] }
        leader.disk?.capacityBytes = nil
        try await cluster.wait("it leads again") { leader.node!.status.isLeading }
        try await cluster.waitForAgreement()
        #expect(!learner.machine.installed.isEmpty)
        await cluster.stopAll()
    }

    @Test("a follower whose disk is full promises nothing") func fullFollower() async throws {
        let cluster = try await cluster(3)
        let leader = try await cluster.leader()
        let others = cluster.hosts.filter { $0 !== leader }
        for other in others { fill(other) }
        let text = String(repeating: "b", count: 10_000)
        let node = leader.node!
        async let answer: Void? = { _ = try? await node.propose(Array(text.utf8)) }()
        try await cluster.wait("both are full") { others.allSatisfy { $0.node!.status.isDiskFull } }
        #expect(leader.machine.texts == [])
        others[0].disk?.capacityBytes = nil
        try await cluster.wait("a majority has it") {
            leader.machine.texts == [text] || others[0].machine.texts == [text]
        }
        others[1].disk?.capacityBytes = nil
        await answer
        try await cluster.waitForAgreement()
        await cluster.stopAll()
    }

    @Test("where there is no room for the state, its commands come again") func fullState() async throws {
        let cluster = try await cluster(1)
        let host = cluster.hosts[0]
        host.machine.state.withLock { $0.isDiskFull = true }
        await #expect(throws: RaftError.leadershipLost) { try await cluster.propose("a", on: host) }
        try await cluster.wait("its status") { host.node!.status.isDiskFull }
        host.machine.state.withLock { $0.isDiskFull = false }
        try await cluster.wait("it leads again") { host.node!.status.isLeading }
        #expect(try await cluster.propose("b", on: host) == "b!")
        #expect(host.machine.texts == ["a", "b"])
        await cluster.stopAll()
    }

    @Test(
        "errors of writes and syncs stop a node, which sends nothing that rests on them",
        arguments: [
            DiskFaults.Operation.write, .sync,
        ])
    func errorsStop(operation: DiskFaults.Operation) async throws {
        let cluster = try await cluster(3)
        let leader = try await cluster.leader()
        let other = cluster.hosts.first { $0 !== leader }!
        _ = try await cluster.propose("a", on: leader)
        other.disk?.faults.series = [DiskFaults.Series(operation, suffix: "-wal")]
        _ = try await cluster.propose("b", on: leader)
        try await cluster.wait("it has stopped") { other.node!.status.role == .stopped }
        #expect(other.node!.status.failure?.contains("SQLite") == true)
        _ = try await cluster.propose("c", on: leader)
        // A new life begins with what is on the disk.
        try await cluster.kill(other)
        try cluster.start(other)
        try await cluster.waitForAgreement(on: ["a", "b", "c"])
        await cluster.stopAll()
    }

    @Test("power that fails everywhere loses nothing that was acknowledged") func powerLoss() async throws {
        let cluster = try await cluster(3)
        for round in 0..<3 {
            let leader = try await cluster.leader()
            let (node, machine) = (leader.node!, leader.machine)
            let before = Set(machine.texts)
            let acknowledged = await proposeUntilRefused(node, prefix: "\(round)-") {
                try? await cluster.wait("some work") { machine.texts.count > before.count + 100 }
                for host in cluster.hosts { try? await cluster.kill(host) }
            }
            #expect(acknowledged.count > 50)
            for host in cluster.hosts { try cluster.start(host) }
            try await cluster.proposeAnywhere("after \(round)")
            try await cluster.waitForAgreement()
            let kept = Set(cluster.hosts[0].machine.texts)
            #expect(before.isSubset(of: kept))
            #expect(acknowledged.filter { !kept.contains($0) } == [])
        }
        await cluster.stopAll()
    }

    @Test("full disks, errors and losses of power, one after another and under load, lose nothing")
    func everything() async throws {
        let cluster = try await cluster(3)
        let load = Load(cluster.network)
        let workers = Task { await load.run(workers: 4) }
        var generator = SplitMix64(seed: 11)
        for round in 0..<12 {
            let host = cluster.hosts.randomElement(using: &generator)!
            let before = load.acknowledged.count
            switch round % 3 {
            case 0:
                fill(host)
                // What SQLite writes in the place of what it does not need any more takes no room.
                try await cluster.wait("a full disk") {
                    host.node!.status.isDiskFull || load.acknowledged.count > before + 400
                }
                host.disk?.capacityBytes = nil
                try await cluster.wait("room") { !host.node!.status.isDiskFull }
            case 1:
                host.disk?.faults.series = [DiskFaults.Series(.sync, suffix: "-wal")]
                try await cluster.wait("it has stopped") { host.node!.status.role == .stopped }
                try await cluster.kill(host)
                try cluster.start(host)
            default:
                try await cluster.kill(host)
                try cluster.start(host)
            }
            try await cluster.wait("progress") { load.acknowledged.count > before + 20 }
        }
        load.stop()
        await workers.value
        try await cluster.proposeAnywhere("end")
        try await cluster.waitForAgreement()
        let texts = cluster.hosts[0].machine.texts.filter { $0 != "end" }
        #expect(Set(texts).count == texts.count, "nothing is applied twice")
        #expect(load.acknowledged.filter { !Set(texts).contains($0) } == [])
        await cluster.stopAll()
    }

    @Test("the scrub finds damaged rows, and they are written again") func repair() async throws {
        let cluster = try await cluster(1)
        let host = cluster.hosts[0]
        for text in ["a", "b", "c"] { _ = try await cluster.propose(text, on: host) }
        let path = host.directory + "/raft.sqlite"
        let other = try Database(path: path, on: host.disk)
        try other.execute("UPDATE log SET data = 'x' WHERE idx = (SELECT max(idx) - 1 FROM log)")
        try other.execute("UPDATE hard_state SET vote = 99")
        let (data, vote) = (Array("b".utf8), UInt64(1))
        try await cluster.wait("repair") {
            let found = try? other.first(
                "SELECT data, vote FROM log, hard_state WHERE idx = (SELECT max(idx) - 1 FROM log)"
            ) { ($0.blob(0), $0.unsigned(1)) }
            return found?.0 == data && found?.1 == vote
        }
        #expect(host.node!.status.isLeading)
        try await cluster.kill(host)
        try cluster.start(host)
        _ = try await cluster.leader()
        #expect(host.machine.texts == ["a", "b", "c"])
        await cluster.stopAll()
    }

    @Test("a file that SQLite cannot read any more stops the node with instructions, for good, whatever is read later")
    func structure() async throws {
        let cluster = try await cluster(1)
        let host = cluster.hosts[0]
        for number in 0..<50 {
            _ = try await cluster.propose("\(number)" + String(repeating: "x", count: 1_000), on: host)
        }
        let path = host.directory + "/raft.sqlite"
        try Database(path: path, on: host.disk).checkpoint()
        // The type of each page's tree (https://www.sqlite.org/fileformat2.html, section 1.6), but for the first.
        let pages = try #require(host.disk?.contents(of: path)).count / 4_096
        for page in 1..<pages { host.disk?.damage(path, at: page * 4_096) { $0 ^ 0x33 } }
        try await cluster.wait("it has stopped") { host.node!.status.role == .stopped }
        #expect(host.node!.status.failure?.contains("Demote this manager") == true)
        await cluster.stopAll()
        #expect(throws: RaftError.self) { try cluster.start(host) }
        for page in 1..<pages { host.disk?.damage(path, at: page * 4_096) { $0 ^ 0x33 } }
        let error = #expect(throws: RaftError.self) { try cluster.start(host) }
        #expect(error.map { "\($0)" }?.contains("Demote this manager") == true)
        try Files.removeTree(host.directory + "/raft.damaged")
        try cluster.start(host)
        _ = try await cluster.leader()
        #expect(host.machine.texts.count == 50)
        await cluster.stopAll()
    }

    @Test("a damaged snapshot is written anew, and one that is needed is not installed") func snapshot() async throws {
        let cluster = try Cluster()
        cluster.scrubbing.stepPauseMilliseconds = 1
        cluster.scrubbing.passPauseMilliseconds = 10
        cluster.trimming = RaftTrimming(entriesPerSnapshot: 20, bytesPerSnapshot: 64 << 20, keptEntries: 5)
        try await cluster.form(1)
        let host = cluster.hosts[0]
        for number in 0..<50 { _ = try await cluster.propose("\(number)", on: host) }
        try await cluster.wait("a trimmed log") { host.node!.status.firstIndex > 20 }
        func snapshotName() -> String? { (try? Files.list(host.directory + "/snapshots"))?.first }
        let name = try #require(snapshotName())
        try Files.write(host.directory + "/snapshots/" + name, "1 wrong\n")
        try await cluster.wait("another snapshot") { snapshotName().map { $0 != name } ?? false }
        await cluster.stop(host)
        // Whole again: a new life needs it, since its state begins empty.
        try cluster.start(host)
        _ = try await cluster.leader()
        #expect(host.machine.texts.count == 50)
        await cluster.stop(host)
        let newName = try #require(snapshotName())
        try Files.write(host.directory + "/snapshots/" + newName, "1 wrong\n")
        let error = #expect(throws: RaftError.self) { try cluster.start(host) }
        #expect(error.map { "\($0)" }?.contains(newName) == true)
    }
}
