import Testing
import Values

@testable import RaftCore

/// Cores joined by a network in memory, each with a disk that keeps what it was told to persist.
final class Group {
    struct Host {
        var raft: Raft
        // The disk.
        var hardState = HardState()
        var base = SnapshotMetadata.start
        var entries: [Entry] = []
        var snapshot: SnapshotMetadata?
        /// The state machine: applied commands by index.
        var applied: [UInt64: [UInt8]] = [:]
        var appliedIndex: UInt64 = 0
        var reads: [ReadState] = []
        var isAlive = true
    }

    var hosts: [UInt64: Host] = [:]
    var queue: [RaftMessage] = []
    var generator: SplitMix64
    /// Messages for which this says true are lost.
    var isLost: (RaftMessage) -> Bool = { _ in false }
    var cuts: Set<Set<UInt64>> = []
    var configuration = RaftConfiguration()
    /// Who led in which term (Raft figure 3: election safety).
    var leaders: [UInt64: UInt64] = [:]
    /// What was applied at which index (state machine safety).
    var history: [UInt64: Entry] = [:]
    var violations: [String] = []

    static func member(_ id: UInt64) -> RaftMember {
        RaftMember(id: id, nodeID: "node\(id)", address: "10.0.0.\(id):2377")
    }

    /// A group of voters that know each other from the start.
    convenience init(voters: [UInt64], seed: UInt64 = 1) throws {
        try self.init(members: voters.map(Self.member), seed: seed)
    }

    init(members: [RaftMember], seed: UInt64 = 1) throws {
        generator = SplitMix64(seed: seed)
        let membership = Membership(members.map { .init(member: $0, isVoter: true) })
        for member in members {
            let base = SnapshotMetadata(index: 1, term: 1, membership: membership)
            try add(
                member.id, base: base, hardState: HardState(term: 1, vote: 0, commit: 1),
                snapshot: member.isWitness ? nil : base)
        }
    }

    func add(
        _ id: UInt64, base: SnapshotMetadata = .start, hardState: HardState = HardState(),
        snapshot: SnapshotMetadata? = nil
    ) throws {
        var restored = Raft.Restored()
        restored.base = base
        restored.hardState = hardState
        restored.applied = base.index
        restored.snapshot = snapshot
        let raft = try Raft(id: id, configuration: configuration, restored: restored, seed: generator.next())
        hosts[id] = Host(raft: raft, hardState: hardState, base: base, snapshot: snapshot, appliedIndex: base.index)
    }

    var ids: [UInt64] { hosts.keys.sorted() }

    subscript(_ id: UInt64) -> Raft { hosts[id]!.raft }

    var leader: UInt64? {
        ids.filter { hosts[$0]!.isAlive && hosts[$0]!.raft.role == .leader }.max { self[$0].term < self[$1].term }
    }

    // Faults.

    func cut(_ left: UInt64, _ right: UInt64) { cuts.insert([left, right]) }
    func isolate(_ id: UInt64) { for other in ids where other != id { cut(id, other) } }
    func mend() { cuts = [] }

    /// What the disk does not have is gone. What it had sent may still arrive.
    func crash(_ id: UInt64) { hosts[id]!.isAlive = false }

    func restart(_ id: UInt64) throws {
        var restored = Raft.Restored()
        let host = hosts[id]!
        restored.hardState = host.hardState
        restored.base = host.base
        restored.entries = host.entries
        restored.snapshot = host.snapshot
        restored.applied = max(host.appliedIndex, host.base.index)
        hosts[id]!.raft = try Raft(id: id, configuration: configuration, restored: restored, seed: generator.next())
        hosts[id]!.isAlive = true
    }

    // Running.

    /// Carries out what a core asks for.
    func carryOut(_ id: UInt64) {
        while hosts[id]!.isAlive, let ready = hosts[id]!.raft.takeReady() {
            queue += ready.messages
            applyAtOnce(ready, id)
            persist(ready, id)
            queue += ready.messagesAfterPersisting
            for entry in ready.committedAfterPersisting { apply(entry, id) }
            hosts[id]!.reads += ready.reads
            hosts[id]!.raft.advance(ready)
        }
        if hosts[id]!.isAlive, self[id].role == .leader {
            let term = self[id].term
            if let other = leaders[term], other != id { violations.append("\(other) and \(id) lead in term \(term)") }
            leaders[term] = id
        }
        if let fault = self[id].fault { violations.append(fault) }
    }

    /// Before anything is written: all of it must be on the disk already.
    private func applyAtOnce(_ ready: Ready, _ id: UInt64) {
        for entry in ready.committed {
            if !hosts[id]!.entries.contains(entry) { violations.append("\(id) has \(entry.index) not on its disk") }
            apply(entry, id)
        }
    }

    private func persist(_ ready: Ready, _ id: UInt64) {
        guard ready.mustPersist else { return }
        if let snapshot = ready.snapshot {
            hosts[id]!.base = snapshot
            hosts[id]!.snapshot = snapshot
            hosts[id]!.entries = []
            hosts[id]!.appliedIndex = snapshot.index
            hosts[id]!.applied = history.filter { $0.key <= snapshot.index }.compactMapValues(Self.command)
        }
        hosts[id]!.hardState = ready.hardState
        if let first = ready.entries.first {
            hosts[id]!.entries.removeAll { $0.index >= first.index }
            hosts[id]!.entries += ready.entries
        }
    }

    static func command(_ entry: Entry) -> [UInt8]? {
        if case .command(let bytes) = entry.payload { bytes } else { nil }
    }

    private func apply(_ entry: Entry, _ id: UInt64) {
        if entry.index != hosts[id]!.appliedIndex + 1 {
            violations.append("\(id) applied \(entry.index) after \(hosts[id]!.appliedIndex)")
        }
        if let known = history[entry.index], known != entry {
            violations.append("\(id) applied another entry at \(entry.index)")
        }
        history[entry.index] = entry
        hosts[id]!.appliedIndex = entry.index
        hosts[id]!.applied[entry.index] = Self.command(entry)
    }

    /// Delivers messages until none is left.
    func settle() {
        for id in ids { carryOut(id) }
        var budget = 100_000
        while !queue.isEmpty, budget > 0 {
            budget -= 1
            deliver(queue.removeFirst())
        }
        #expect(budget > 0, "the members never stop talking")
    }

    func deliver(_ message: RaftMessage) {
        guard !cuts.contains([message.from, message.to]), !isLost(message), hosts[message.to]?.isAlive == true else {
            return
        }
        let kept: RaftMessage
        if case .snapshot = message.body {
            kept = message
        } else {
            // Everything passes through the codec.
            kept = (try? RaftMessage(decoding: message.encoded())) ?? message
            if kept != message { violations.append("the codec changes \(message)") }
        }
        hosts[message.to]!.raft.step(kept)
        carryOut(message.to)
    }

    func tick(_ count: Int = 1) {
        for _ in 0..<count {
            for id in ids where hosts[id]!.isAlive {
                hosts[id]!.raft.tick()
                carryOut(id)
            }
            settle()
        }
    }

    /// Lets time pass until the condition holds; false if it never does.
    @discardableResult
    func run(ticks: Int = 200, until condition: (Group) -> Bool) -> Bool {
        for _ in 0..<ticks {
            if condition(self) { return true }
            tick()
        }
        return condition(self)
    }

    func takeReady(_ id: UInt64) -> Ready? { hosts[id]!.raft.takeReady() }

    func requestRead(_ request: UInt64, on id: UInt64) -> Bool { hosts[id]!.raft.requestRead(request) }

    /// As if an election timeout had passed since the host heard from a leader.
    func forgetLeader(_ id: UInt64) {
        hosts[id]!.raft.becomeFollower(term: self[id].term, leader: 0)
        hosts[id]!.raft.silence = configuration.electionTicks
    }

    func elect(_ id: UInt64) {
        hosts[id]!.raft.campaign()
        settle()
    }

    @discardableResult
    func propose(_ text: String, on id: UInt64) throws -> UInt64 {
        let index = try hosts[id]!.raft.propose([Array(text.utf8)])
        settle()
        return index
    }

    @discardableResult
    func change(_ change: MembershipChange, on id: UInt64) throws -> UInt64 {
        let index = try hosts[id]!.raft.propose(change)
        settle()
        return index
    }

    func commands(_ id: UInt64) -> [String] {
        hosts[id]!.applied.sorted { $0.key < $1.key }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    /// A snapshot of the host's state, and its log trimmed behind it.
    func compact(_ id: UInt64, through index: UInt64) {
        let raft = hosts[id]!.raft
        let snapshot = SnapshotMetadata(
            index: index, term: raft.term(at: index)!, membership: raft.membership(at: index))
        hosts[id]!.raft.snapshotWritten(snapshot)
        hosts[id]!.snapshot = snapshot
        hosts[id]!.base = hosts[id]!.raft.compact(through: index)
        hosts[id]!.entries.removeAll { $0.index <= index }
    }
}
