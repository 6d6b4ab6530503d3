import ClusterModel
import Collections
import RaftCore
import SessionModel

/// A host with a disk, a clock and one member of the group. What it does takes no time but for writes, during which it
/// does nothing else, as the loop that carries a real member's work out.
final class SimulatedHost {
    /// What survives a crash. Writes happen whole or not at all, as SQLite's transactions do.
    struct Disk {
        var hardState = HardState()
        var base = SnapshotMetadata.start
        var entries: [Entry] = []
        /// The newest snapshot, which can be sent to others.
        var snapshot: SimulatedSnapshot?
        /// The applied state, which may lag behind what was applied.
        var applied: (index: UInt64, state: SimulatedState) = (0, SimulatedState())

        /// What a life begins with: of a witness nothing but the place where its log begins.
        func state(ofWitness isWitness: Bool) -> (index: UInt64, state: SimulatedState) {
            isWitness ? (base.index, SimulatedState()) : applied
        }
    }

    /// What waits until the host has time for it.
    enum Input {
        case message(Envelope)
        case request(Simulation.Request)
        case session(agent: Int, connection: Int, AgentMessage)
        case submission(String, [Mutation])
        case report(SessionReport, from: UInt64)
        case wish(ServiceWorld.Operator.Wish, name: String, operator: Int, token: Int)
    }

    /// A client's call that this host answers.
    struct Call {
        var client: Int
        var token: Int
    }

    static let tick: Milliseconds = 50
    static let usualLatency: Milliseconds = 8

    let id: UInt64
    let isWitness: Bool
    private let configuration: RaftConfiguration
    var raft: Raft
    var disk: Disk
    var state: SimulatedState
    var appliedIndex: UInt64

    var isUp = true
    /// What its program can be a manager of.
    var supported = SupportedVersions.own
    /// When it crashed last.
    var downSince: Milliseconds = 0
    /// Changes with each start: what was asked for in an earlier life is not done in a later one.
    var life = 0
    var frozenUntil: Milliseconds = 0
    /// By how many of a thousand its clock is too fast.
    private(set) var skew = 0
    /// What its clock showed when it was last set to another speed.
    private var clockStart: (time: Milliseconds, shown: Milliseconds) = (0, 0)
    /// How long a write takes at most.
    var latency = SimulatedHost.usualLatency
    var inbox = Deque<Input>()
    /// What the core has asked for and is not done.
    var work: ReadyWork?
    /// The disk is at it.
    var isWriting = false
    /// Since the start of this life.
    var ticks: UInt64 = 0
    /// What a witness keeps of its log.
    private var tail: WitnessTail
    /// It never comes back.
    var isLost = false
    /// Until when its disk has no room.
    var fullUntil: Milliseconds = 0
    /// By receiver.
    var senders: [UInt64: SimulatedSender] = [:]
    var receiver: SimulatedReceiver?
    /// Files of snapshots that have arrived whole, by index.
    var received: [UInt64: SimulatedSnapshot] = [:]

    var proposals: [UInt64: (term: UInt64, call: Call)] = [:]
    /// What was handed to the leader, until it is seen in the log.
    var forwarded: [CommandID: Call] = [:]
    var reads: [UInt64: (key: UInt64, call: Call)] = [:]
    var lastRead: UInt64 = 0
    /// Reads whose index is not applied yet.
    var waiting: [(index: UInt64, key: UInt64, call: Call)] = []

    init(
        _ member: RaftMember, disk: Disk, configuration: RaftConfiguration, seed: UInt64
    ) throws(Raft.RestoreError) {
        id = member.id
        isWitness = member.isWitness
        self.disk = disk
        self.configuration = configuration
        raft = try Self.raft(member.id, disk, member.isWitness, configuration, seed)
        (appliedIndex, state) = disk.state(ofWitness: member.isWitness)
        tail = WitnessTail(after: disk.base.index)
    }

    private static func raft(
        _ id: UInt64, _ disk: Disk, _ isWitness: Bool, _ configuration: RaftConfiguration, _ seed: UInt64
    ) throws(Raft.RestoreError) -> Raft {
        var restored = Raft.Restored()
        restored.hardState = disk.hardState
        restored.base = disk.base
        restored.entries = disk.entries
        restored.applied = disk.state(ofWitness: isWitness).index
        restored.snapshot = disk.snapshot?.metadata
        return try Raft(id: id, configuration: configuration, restored: restored, seed: seed)
    }

    var isWaitingForRoom: Bool { work?.isWaitingForRoom ?? false }
    /// Whether it says that it leads.
    var leads: Bool { isUp && raft.role == .leader && !isWaitingForRoom }

    /// Whether it has files of snapshots that it will not install.
    var hasLeftovers: Bool {
        let arriving = receiver.map { [$0.arrival.metadata.index] } ?? []
        return isUp && work == nil && (arriving + received.keys).contains { $0 <= raft.committedIndex }
    }

    /// Removes what has arrived of snapshots that the log has caught up with.
    func dropUselessSnapshots() {
        if let receiver, receiver.arrival.metadata.index <= raft.committedIndex { self.receiver = nil }
        if !received.isEmpty { received = received.filter { $0.key > raft.committedIndex } }
    }

    func setSkew(_ perMille: Int, at time: Milliseconds) {
        clockStart = (time, clock(at: time))
        skew = perMille
    }

    /// What its clock shows.
    func clock(at time: Milliseconds) -> Milliseconds {
        clockStart.shown + (time - clockStart.time) * Milliseconds(1_000 + skew) / 1_000
    }

    /// How long the host takes for one tick.
    var tickInterval: Milliseconds { Self.tick * 1_000 / Milliseconds(1_000 + skew) }

    func crash(writeWasDone: Bool) {
        if let work, isWriting, writeWasDone { write(work.ready) }
        isUp = false
        life += 1
        work = nil
        isWriting = false
        ticks = 0
        inbox = []
        (senders, receiver, received) = ([:], nil, [:])
        proposals = [:]
        forwarded = [:]
        reads = [:]
        waiting = []
    }

    func start(seed: UInt64) throws(Raft.RestoreError) {
        raft = try Self.raft(id, disk, isWitness, configuration, seed)
        (appliedIndex, state) = disk.state(ofWitness: isWitness)
        tail = WitnessTail(after: disk.base.index)
        isUp = true
        life += 1
    }

    /// What a `Ready` has to be written.
    func write(_ ready: Ready) {
        if let snapshot = ready.snapshot {
            disk.base = snapshot
            disk.entries = []
            disk.snapshot = received[snapshot.index]
            disk.applied = (snapshot.index, disk.snapshot?.state ?? SimulatedState())
        }
        disk.hardState = ready.hardState
        if let first = ready.entries.first {
            let kept = Int(first.index - disk.base.index) - 1
            disk.entries.removeLast(max(0, disk.entries.count - kept))
            disk.entries += ready.entries
        }
    }

    func install(_ snapshot: SnapshotMetadata) {
        (appliedIndex, state) = (snapshot.index, received[snapshot.index]?.state ?? SimulatedState())
        received[snapshot.index] = nil
    }

    /// Every so many entries the applied state is brought to the disk.
    private static let entriesPerCheckpoint: UInt64 = 16

    /// - Returns: what came of it; nothing on a witness.
    func apply(_ entry: Entry) -> SimulatedState.Outcome {
        appliedIndex = entry.index
        defer {
            if appliedIndex >= disk.applied.index + Self.entriesPerCheckpoint { disk.applied = (appliedIndex, state) }
        }
        return isWitness ? .nothing : state.apply(entry)
    }

    /// Writes a snapshot and forgets the log behind it, all but a few entries.
    ///
    /// - Returns: the snapshot.
    func trim(keeping kept: UInt64, writing bytes: [UInt8]) -> SimulatedSnapshot? {
        guard appliedIndex > disk.base.index, let term = raft.term(at: appliedIndex) else { return nil }
        let metadata = SnapshotMetadata(
            index: appliedIndex, term: term, membership: raft.membership(at: appliedIndex))
        disk.applied = (appliedIndex, state)
        let file = SimulatedSnapshot(metadata, bytes, state)
        disk.snapshot = file
        raft.snapshotWritten(metadata)
        compact(through: appliedIndex > kept ? appliedIndex - kept : 0)
        return file
    }

    private func compact(through index: UInt64) {
        disk.base = raft.compact(through: index)
        disk.entries.removeFirst(disk.entries.prefix { $0.index <= disk.base.index }.count)
    }

    /// Forgets what a witness need not keep.
    func moveTail(_ limit: UInt64) {
        guard let target = tail.move(applied: appliedIndex, limit: limit, isHeavy: false) else { return }
        compact(through: target)
    }
}

/// A message on its way, with the file that it carries a piece of.
final class Envelope {
    let message: RaftMessage
    let file: SimulatedSnapshot?

    init(_ message: RaftMessage, file: SimulatedSnapshot?) {
        self.message = message
        self.file = file
    }
}
