import Executors
import LinuxSystem
import Logging
import RaftCore
import SQLite
import Synchronization

@_exported import enum RaftCore.MembershipChange
@_exported import struct RaftCore.RaftMember
@_exported import struct RaftCore.RaftMessage

/// A member of a Raft group on this host: the log on disk, a thread of its own, and calls from any task.
///
///     let node = try RaftNode(directory: data + "/cluster", transport: transport, stateMachine: store, logger: logger)
///     if node.status.role == .idle { try await node.bootstrap(member) }
///     let (index, result) = try await node.propose(bytes)
///
/// Where `directory` holds the log of an earlier life, the node takes part again as soon as it is made. To leave a
/// group for good: `stop`, then delete `raft.sqlite*`, `snapshots` and the state.
public final class RaftNode: Sendable {
    /// The longest command, in bytes.
    public static let commandByteLimit = Entry.commandByteLimit

    /// How many entries a learner may lack when it gets its vote.
    public static let promotionLag: UInt64 = 100

    private let mailbox: Mailbox
    private let board: StatusBoard
    private let ending = Ending()

    /// Opens or makes `raft.sqlite` in the directory (which it makes too) and starts the node's thread.
    ///
    /// - Parameters:
    ///   - timing: how long the node waits for what; the defaults suit hosts on one network.
    ///   - entriesPerSnapshot: after how many entries a snapshot is written; nil for the usual number.
    ///   - disk: which seals `raft.sqlite`, also one that an earlier version left open; nil leaves it open.
    /// - Throws: `damaged` where the files do not hold what was written, `storage` where they cannot be read or do not
    ///   belong together.
    public convenience init(
        directory: String, transport: any RaftTransport, stateMachine: any RaftStateMachine,
        timing: RaftTiming = RaftTiming(), entriesPerSnapshot: UInt64? = nil, on disk: SealedDisk? = nil, logger: Logger
    ) throws(RaftError) {
        var limits = RaftLimits()
        if let entriesPerSnapshot { limits.trimming = RaftTrimming(everyEntries: entriesPerSnapshot) }
        try self.init(
            directory: directory, transport: transport, stateMachine: stateMachine, timing: timing,
            limits: limits, on: disk, logger: logger)
    }

    init(
        directory: String, transport: any RaftTransport, stateMachine: any RaftStateMachine, timing: RaftTiming,
        limits: RaftLimits, on disk: (any Disk)?, logger: Logger
    ) throws(RaftError) {
        mailbox = Mailbox()
        board = StatusBoard()
        let loop = try NodeLoop(
            directory: directory, mailbox: mailbox, board: board, transport: transport, stateMachine: stateMachine,
            timing: timing, limits: limits, disk: disk, logger: logger)
        do throws(SystemError) {
            let running = RunningLoop(loop, ending)
            try DetachedThread.start("raft") { running.run() }
        } catch {
            throw .stopped("\(error)")
        }
    }

    deinit { _ = mailbox.post(.stop(nil)) }

    /// Founds a group of which `member` is the only one; returns when it leads.
    public func bootstrap(_ member: RaftMember) async throws(RaftError) {
        try await ask { .bootstrap(member, $0) }
    }

    /// Makes this node `member` of a group that exists, with an empty log: the leader fills it once `addLearner` was
    /// called there. `peers` are the group's members so far, to whom it must be able to answer.
    public func join(as member: RaftMember, peers: [RaftMember]) async throws(RaftError) {
        try await ask { .join(member, peers: peers, $0) }
    }

    /// Proposes a command; returns its index and what the state machine answered when it was applied here.
    ///
    /// - Parameters:
    ///   - term: where given, the proposal is refused unless the node leads in exactly this term.
    ///   - lastIndex: where given, the proposal is refused unless its entry is this one or comes before it.
    /// - Throws: `notLeader`, `leadershipLost`, `timedOut`, `commandTooLarge`, `tooManyProposals`, `tooLate` or
    ///   `stopped`. Only `leadershipLost`, `timedOut` and `stopped` leave open whether the command will be applied.
    public func propose(
        _ command: [UInt8], inTerm term: UInt64? = nil, notAfter lastIndex: UInt64? = nil
    ) async throws(RaftError) -> (index: UInt64, result: [UInt8]) {
        guard command.count <= Self.commandByteLimit else { throw .commandTooLarge(bytes: command.count) }
        return try await ask {
            .propose(IncomingProposal(bytes: command, term: term, lastIndex: lastIndex, reply: $0))
        }
    }

    /// Waits until this node has applied everything that was committed anywhere when it was called, and returns that
    /// index: what is read of the state afterwards is linearizable (Raft section 8). Works on every member, and waits
    /// for a leader where there is none.
    @discardableResult
    public func readIndex() async throws(RaftError) -> UInt64 {
        try await ask { .read($0) }
    }

    /// Waits until the entry at `index` has been applied here.
    public func waitApplied(_ index: UInt64) async throws(RaftError) {
        _ = try await ask { .waitApplied(index, $0) }
    }

    /// Takes a message that another member's transport has sent; one that is damaged is dropped.
    ///
    /// - Parameter nodeID: whom the connection proved to be at the other end; a message that claims to be from a member
    ///   on another host is dropped.
    public func step(_ message: [UInt8], from nodeID: String) {
        guard let decoded = try? RaftMessage(decoding: message) else { return }
        mailbox.post(decoded, from: nodeID, byteCount: message.count)
    }

    /// The node's view of the group now.
    public var status: RaftStatus { board.status }

    /// The status now and then whenever role, term, leader, members, `isLeading`, `isDiskFull` or `failure` change;
    /// only the newest is kept for a slow reader. Ends when the node stops.
    public func statusChanges() -> AsyncStream<RaftStatus> { board.changes() }

    /// Adds a member without a vote, or gives a known member a new address. Leader only; returns when applied.
    public func addLearner(_ member: RaftMember) async throws(RaftError) {
        try await ask { .changeMembers(.addLearner(member), seen: nil, $0) }
    }

    /// Gives a learner its vote as soon as it has caught up. Leader only; `memberTooFarBehind` if it does not in time.
    public func promote(_ id: UInt64) async throws(RaftError) {
        try await ask { .changeMembers(.promote(id), seen: nil, $0) }
    }

    /// Changes the members (`addLearner`, `promote`, `demote`, `remove`, in order) as they were seen: now, or not at
    /// all. What was decided on members that are others by now, or waits long for a member that is not there, or for
    /// another change, would be carried out when it is no longer right. Leader only.
    ///
    /// Several changes are one: a joint membership (Raft section 6), during which a majority of the voters before it
    /// and one of those after it are needed. Returns when that has ended; another leader ends it where this one is lost
    /// meanwhile. A voter that is demoted keeps its log and gets new entries; a leader that demotes itself steps down.
    ///
    /// - Parameter seen: the members in the status on which the changes were decided.
    /// - Throws: `membershipRefused` where the members are others, another change is under way, or the changes make no
    ///   sense; `unknownMember`; `memberTooFarBehind` where one that is to be promoted cannot vote within half a
    ///   second; `timedOut`, `leadershipLost`.
    public func changeMembers(
        _ changes: [MembershipChange], of seen: [RaftStatus.Member]
    ) async throws(RaftError) {
        let change = changes.count == 1 ? changes[0] : .joint(changes)
        let votes = Dictionary(uniqueKeysWithValues: seen.map { ($0.member.id, $0.isVoter) })
        try await ask { .changeMembers(change, seen: votes, $0) }
    }

    /// Takes a member out of the group. Leader only; a leader that removes itself steps down.
    public func removeMember(_ id: UInt64) async throws(RaftError) {
        try await ask { .changeMembers(.remove(id), seen: nil, $0) }
    }

    /// Hands the leadership to a voter (the one furthest along where none is named); returns when it is given up.
    public func transferLeadership(to id: UInt64? = nil) async throws(RaftError) {
        try await ask { .transfer(to: id, $0) }
    }

    /// Ends the node's thread and closes the database, also where it has stopped itself; whatever waits gets `stopped`.
    /// The group is not told. Who lets go of a node without it must not open another one in its directory.
    public func stop() async {
        _ = try? await ask { .stop($0) }
        await ending.wait()
    }

    /// For tests: ends the thread as kill -9 would, without closing anything.
    func abandon() async {
        _ = try? await ask { .abandon($0) }
    }

    private func ask<Value: Sendable>(_ event: (Reply<Value>) -> Event) async throws(RaftError) -> Value {
        let result = await withCheckedContinuation { continuation in
            if let refusal = mailbox.post(event(Reply(continuation: continuation))) {
                continuation.resume(returning: .failure(refusal))
            }
        }
        return try result.get()
    }
}

/// The last holder of a node's loop.
///
/// SAFETY: used by the loop's thread alone, after it was made.
private final class RunningLoop: @unchecked Sendable {
    private var loop: NodeLoop?
    private let ending: Ending

    init(_ loop: NodeLoop, _ ending: Ending) { (self.loop, self.ending) = (loop, ending) }

    /// A connection that closes removes the log beside the database by its name: whoever waits for the end may put
    /// another database there at once.
    func run() {
        let reply = loop?.run()
        loop = nil
        ending.finish()
        reply?.succeed(())
    }
}

/// Whether a node's thread is gone, and with it the open database.
private final class Ending: Sendable {
    private struct State {
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiters.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    func finish() {
        let waiters = state.withLock { state in
            defer { state = State(isOver: true) }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
