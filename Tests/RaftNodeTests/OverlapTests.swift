import LinuxSystem
import Logging
import RaftCore
import SQLite
import Synchronization
import TestSupport
import Testing

@testable import RaftNode

/// A node that applies what is on its disk while it writes what follows. The test is its leader, and holds up its
/// writes by a lock on its database.
@Suite struct OverlapTests {
    private final class Outbox: RaftTransport {
        private let bodies = Monitor<[RaftMessage.Body]>([])

        func send(_ messages: [RaftMessage], to member: RaftMember) { bodies.change { $0 += messages.map(\.body) } }

        /// Whether it says so by a moment in nanoseconds since boot, or now.
        func hasAccepted(_ index: UInt64, by deadline: Int64 = 0) -> Bool {
            let body = RaftMessage.Body.appendAccepted(index: index)
            return bodies.wait(until: deadline, { $0.contains(body) }, then: { $0.contains(body) })
        }
    }

    private final class Follower {
        let disk = SimulatedDisk(seed: 1)
        let machine = ListMachine()
        let outbox = Outbox()
        let node: RaftNode
        private let folder: TemporaryDirectory
        private let attemptCount = Monitor(0)
        private let lock: Database

        /// Its log has "a" on the disk, and nothing is committed.
        init() async throws {
            folder = try TemporaryDirectory("overlap")
            var timing = RaftTiming()
            timing.tickMilliseconds = 20
            node = try RaftNode(
                directory: folder.path, transport: outbox, stateMachine: machine, timing: timing,
                limits: RaftLimits(), on: disk, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            lock = try Database(path: folder.path + "/raft.sqlite", on: disk)
            func member(_ id: UInt64) -> RaftMember {
                RaftMember(id: id, nodeID: "node\(id)", address: "10.0.0.\(id):2377")
            }
            try await node.join(as: member(2), peers: [member(1)])
            append("a", at: 1, commit: 0)
            try await waitUntil("a is written") { [outbox] in outbox.hasAccepted(1) }
        }

        /// How often it was to apply something.
        var attempts: Int { attemptCount.wait({ _ in true }, then: \.self) }

        private func step(_ body: RaftMessage.Body) {
            node.step(RaftMessage(from: 1, to: 2, term: 1, body: body).encoded(), from: "node1")
        }

        func append(_ text: String, at index: UInt64, commit: UInt64) {
            let entry = Entry(index: index, term: 1, payload: .command(Array(text.utf8)))
            let previous = index - 1
            step(
                .append(
                    previousIndex: previous, previousTerm: previous == 0 ? 0 : 1, commit: commit, entries: [entry]))
        }

        func commit(_ index: UInt64) { step(.heartbeat(commit: index, read: 0)) }

        /// Commits "a" together with another entry, whose write does not end before `body` returns. By then the node
        /// has tried to apply "a".
        func appendAndHold(_ text: String, _ body: () throws -> Void) async throws {
            machine.state.withLock { state in
                state.onApply = { [attemptCount] in attemptCount.change { $0 += 1 } }
            }
            try lock.begin()
            append(text, at: 2, commit: 1)
            do {
                // SQLite waits for a lock for 5 s.
                try await waitUntil("a is applied", within: .seconds(4), every: .milliseconds(2)) { attempts > 0 }
                try body()
            } catch {
                try? lock.execute("ROLLBACK")
                throw error
            }
            try lock.execute("ROLLBACK")
        }

        func fill() { disk.capacityBytes = disk.usedBytes }
    }

    /// What SQLite writes in the place of what it does not need any more takes no room.
    private static let large = String(repeating: "b", count: 10_000)

    @Test("what is on the disk is applied while what follows is being written") func overlap() async throws {
        let follower = try await Follower()
        try await follower.appendAndHold("b") { #expect(!follower.outbox.hasAccepted(2)) }
        try await waitUntil("b is written") { follower.outbox.hasAccepted(2) }
        follower.commit(2)
        try await waitUntil("b is applied") { follower.machine.texts == ["a", "b"] }
        await follower.node.stop()
    }

    @Test("an answer waits for the write alone, however long what is on the disk takes to be applied")
    func answer() async throws {
        let follower = try await Follower()
        let outbox = follower.outbox
        let wasFirst = Mutex(false)
        follower.machine.state.withLock { state in
            state.onApply = {
                let isAccepted = outbox.hasAccepted(2, by: Clock.sinceBoot() + 10_000_000_000)
                wasFirst.withLock { $0 = isAccepted }
            }
        }
        follower.append("b", at: 2, commit: 1)
        try await waitUntil("a is applied", within: .seconds(20)) { follower.machine.texts == ["a"] }
        #expect(wasFirst.withLock { $0 })
        await follower.node.stop()
    }

    @Test(
        "whatever has no room, the log, the state or both: nothing is applied twice, and nothing is lost",
        arguments: [(true, false), (false, true), (true, true)])
    func noRoom(ofLog: Bool, ofState: Bool) async throws {
        let follower = try await Follower()
        let (node, machine, outbox) = (follower.node, follower.machine, follower.outbox)
        if ofState { machine.state.withLock { $0.isDiskFull = true } }
        try await follower.appendAndHold(Self.large) { if ofLog { follower.fill() } }
        try await waitUntil("it says so") { node.status.isDiskFull }
        #expect(machine.texts == (ofState ? [] : ["a"]))
        #expect(node.status.appliedIndex == (ofState ? 0 : 1))
        #expect(outbox.hasAccepted(2) != ofLog)
        machine.state.withLock { $0.isDiskFull = false }
        follower.disk.capacityBytes = nil
        try await waitUntil("it goes on") { !node.status.isDiskFull && outbox.hasAccepted(2) }
        #expect(machine.texts == ["a"])
        follower.commit(2)
        try await waitUntil("all is applied") { machine.texts == ["a", Self.large] }
        #expect(follower.attempts == (ofState ? 3 : 2))
        await node.stop()
    }

    @Test("what fails for another reason than room ends the node, whatever has no room beside it")
    func failure() async throws {
        for isLogBroken in [true, false] {
            let follower = try await Follower()
            let (node, machine) = (follower.node, follower.machine)
            machine.state.withLock { state in if isLogBroken { state.isDiskFull = true } else { state.refused = "a" } }
            try await follower.appendAndHold(Self.large) {
                guard isLogBroken else { return follower.fill() }
                follower.disk.faults.series = [DiskFaults.Series(.write, suffix: "-wal")]
            }
            try await waitUntil("it has stopped") { node.status.role == .stopped }
            #expect(node.status.failure?.contains(isLogBroken ? "SQLite" : "could not apply") == true)
            await node.stop()
        }
    }
}
