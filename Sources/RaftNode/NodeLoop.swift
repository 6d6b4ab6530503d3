import LinuxSystem
import Logging
import RaftCore
import SQLite

/// What the node's thread does: it steps the core, carries out its `Ready`, and answers calls.
///
/// SAFETY: made by `RaftNode.init` and from then on used by the node's thread alone.
final class NodeLoop: @unchecked Sendable {
    /// Entries removed from the log in one transaction.
    static let trimmedAtOnce: UInt64 = 2_000

    let mailbox: Mailbox
    let board: StatusBoard
    let storage: RaftStorage
    let transport: any RaftTransport
    let stateMachine: any RaftStateMachine
    let timing: RaftTiming
    let trimming: RaftTrimming
    let logger: Logger

    var raft: Raft?
    var member: RaftMember?
    var isRemovalRecorded: Bool
    /// Members by identity, also former ones and those named when joining: where answers go.
    var addresses: [UInt64: RaftMember] = [:]
    /// Ticks since the start.
    var now: UInt64 = 0
    var failure: String?
    var isStopped = false

    var proposals: [UInt64: PendingProposal] = [:]
    /// Taken from the mailbox and not proposed yet.
    var incoming: [IncomingProposal] = []
    var unissuedReads: [PendingRead] = []
    var issuedReads: [UInt64: IssuedRead] = [:]
    var lastReadRequest: UInt64 = 0
    var appliedWaiters: [AppliedWaiter] = []
    var memberRequests: [MemberRequest] = []
    var transfers: [TransferRequest] = []
    var foundingReply: Reply<Void>?
    /// Answers that go out once the status that they speak of is published.
    var answers: [() -> Void] = []

    /// What the core has asked for and the disk does not have yet.
    var unfinished: ReadyWork?

    var snapshot: SnapshotFile?
    /// Its file does not hold what was written: it is written anew, and sent to nobody until then.
    var isSnapshotDamaged = false
    /// Its file is one of an earlier version, not sealed, or under an older key: it is written anew.
    var isSnapshotOpen = false
    var isWritingSnapshot = false
    /// In ticks: not before, since the last attempt failed.
    var nextSnapshotTick: UInt64 = 0
    /// Of the commands that were applied since the last snapshot, as far as this life knows.
    var appliedBytes = 0
    /// What `appliedBytes` was when the snapshot was begun that is being written.
    var coveredBytes = 0
    var trimTarget: UInt64 = 0
    /// What is kept where there is no state.
    var tail = WitnessTail(after: 0)
    var senders: [UInt64: SnapshotSender] = [:]
    var receiver: SnapshotReceiver?
    /// Received whole and not installed yet, by index.
    var received: [UInt64: ReceivedSnapshot] = [:]
    /// One that could not be used when it was whole, and until when its pieces are not taken, in ticks.
    var refused: (metadata: SnapshotMetadata, until: UInt64)?

    let scrubber: Scrubber
    let applier = Applier()

    init(
        directory: String, mailbox: Mailbox, board: StatusBoard, transport: any RaftTransport,
        stateMachine: any RaftStateMachine, timing: RaftTiming, limits: RaftLimits, disk: (any Disk)?, logger: Logger
    ) throws(RaftError) {
        self.mailbox = mailbox
        self.board = board
        self.transport = transport
        self.stateMachine = stateMachine
        self.timing = timing
        trimming = limits.trimming
        self.logger = logger
        storage = try RaftStorage(directory: directory, on: disk)
        let contents = try storage.load(hasState: stateMachine.hasState)
        scrubber = Scrubber(storage, limits.scrubbing, mailbox, snapshotDisk: stateMachine.snapshotDisk)
        member = contents.member
        snapshot = contents.snapshot
        isRemovalRecorded = contents.isRemoved
        storage.removeLeftovers(except: contents.snapshot)
        for peer in contents.peers { addresses[peer.id] = peer }
        guard let member else {
            publishStatus()
            return
        }
        if stateMachine.appliedIndex < contents.base.index, let snapshot {
            guard snapshot.isWhole(in: storage.snapshotDirectory, on: stateMachine.snapshotDisk) else {
                throw storage.damaged(.snapshotFile(snapshot.name))
            }
            try Self.install(snapshot, into: stateMachine, directory: storage.snapshotDirectory)
        }
        var restored = contents.restored
        // A snapshot installed just now may be newer than the log's base.
        restored.applied = max(stateMachine.appliedIndex, contents.base.index)
        tail = WitnessTail(after: contents.base.index)
        let covered = contents.snapshot?.metadata.index ?? contents.base.index
        appliedBytes = contents.entries.reduce(0) { sum, entry in
            covered < entry.index && entry.index <= restored.applied ? sum + entry.byteCount : sum
        }
        raft = try Self.makeRaft(member, restored, timing)
        noteSeal()
        if let snapshot { trimTarget = snapshot.metadata.index.saturatingSubtract(trimming.keptEntries) }
        noteAddresses()
        if raft?.latestMembership.voters == [member.id] { raft?.campaign() }
        publishStatus()
    }

    static func makeRaft(
        _ member: RaftMember, _ restored: Raft.Restored, _ timing: RaftTiming
    ) throws(RaftError) -> Raft {
        var configuration = RaftConfiguration()
        configuration.electionTicks = timing.electionTicks
        configuration.heartbeatTicks = timing.heartbeatTicks
        configuration.leaseMilliseconds = UInt64(timing.tickMilliseconds * timing.electionTicks / 2)
        do {
            return try Raft(
                id: member.id, configuration: configuration, restored: restored, seed: UInt64.random(in: 0 ... .max))
        } catch {
            throw .storage(
                "the log does not belong to this state (\(error)): remove the host from the group, delete its cluster "
                    + "directory and let it join anew")
        }
    }

    /// Runs until `stop`; then everything that waits is refused.
    ///
    /// - Returns: who is to be told when this loop is gone, and with it the open database.
    func run() -> Reply<Void>? {
        let tick = Int64(timing.tickMilliseconds) * 1_000_000
        var nextTick = Clock.sinceBoot() + tick
        var isIdle = false
        scrubber.start()
        if stateMachine.hasState { applier.start() }
        while failure == nil {
            let events = mailbox.take(until: isIdle ? nextTick : 0)
            // Before what came is looked at, and after it came: a read is answered as of this moment.
            raft?.now = UInt64(Clock.sinceBoot() / 1_000_000)
            for (position, event) in events.enumerated() {
                switch event {
                case .stop(let reply):
                    end(because: "it was told to", unhandled: events[(position + 1)...])
                    return reply
                case .abandon(let reply):
                    abandon(reply, unhandled: events[(position + 1)...])
                    return nil
                default: handle(event)
                }
            }
            let time = Clock.sinceBoot()
            if time >= nextTick {
                // Ticks missed while the host slept or the disk was slow are not made up for: nobody was heard then.
                nextTick = max(nextTick + tick, time)
                now += 1
                // Nothing is ticked before what the core has asked for is done.
                if unfinished == nil { raft?.tick() }
                handleTick()
            }
            isIdle = carryOn()
            if let fault = raft?.fault { failure = failure ?? fault }
            publishStatus()
            giveAnswers()
        }
        let reason = failure ?? ""
        logger.critical("the Raft node has stopped itself", metadata: ["reason": "\(reason)"])
        end(because: reason, unhandled: [])
        return nil
    }

    /// Does what is due; false where there is more to do at once.
    private func carryOn() -> Bool {
        guard failure == nil else { return true }
        do throws(RaftError) {
            if unfinished != nil {
                guard try finishReady() else { return true }
            }
            proposeIncoming()
            issueReads()
            let isIdle = try !carryOutReady()
            if unfinished == nil { try settle() }
            return isIdle
        } catch .diskFull(let reason) {
            waitForRoom(reason)
        } catch {
            failure = "\(error)"
        }
        return true
    }

    /// Answers with success after the next publication of the status.
    func later<Value>(_ reply: Reply<Value>, _ value: Value) { answers.append { reply.succeed(value) } }

    private func giveAnswers() {
        for answer in answers { answer() }
        answers.removeAll(keepingCapacity: true)
    }

    /// Refuses whatever waits, and waits for the thread that may still write a snapshot.
    private func end(because reason: String, unhandled: ArraySlice<Event>) {
        giveAnswers()
        for event in unhandled { refuse(event, reason) }
        scrubber.stop()
        applier.stop()
        while isWritingSnapshot {
            for event in mailbox.take(until: Clock.sinceBoot() + 1_000_000_000) { refuse(event, reason) }
        }
        for event in mailbox.close(because: reason) { refuse(event, reason) }
        refuseEverything(.stopped(reason))
        raft = nil
        isStopped = true
        publishStatus()
        board.finish()
    }

    private func refuse(_ event: Event, _ reason: String) {
        if case .snapshotWritten = event { isWritingSnapshot = false }
        event.refuse(.stopped(reason))
    }

    /// As if the process had been killed: nothing is written or closed any more.
    private func abandon(_ reply: Reply<Void>, unhandled: ArraySlice<Event>) {
        giveAnswers()
        for event in unhandled { event.refuse(.stopped("killed")) }
        scrubber.stop()
        applier.stop()
        // SAFETY: never released, so that the database's handle stays open and its log is not tidied up.
        _ = Unmanaged.passRetained(storage)
        for event in mailbox.close(because: "killed") { event.refuse(.stopped("killed")) }
        refuseEverything(.stopped("killed"))
        board.finish()
        reply.succeed(())
    }

    /// Whether the node leads and has applied what earlier leaders have committed.
    var isLeading: Bool {
        guard let raft, raft.hasCommittedInTerm, !isWaitingForRoom, stateMachine.hasState else { return false }
        return raft.appliedIndex >= raft.leadershipIndex
    }

    /// Remembers where members are; former ones too, since they may still have to be answered.
    func noteAddresses() {
        guard let raft else { return }
        for membership in [raft.latestMembership, raft.membership] {
            for standing in membership.standings { addresses[standing.member.id] = standing.member }
        }
    }

    func member(_ id: UInt64) -> RaftMember? {
        if id == 0 { return nil }
        return raft?.membership[id]?.member ?? raft?.latestMembership[id]?.member ?? addresses[id]
    }

    func send(_ messages: [RaftMessage]) {
        var byReceiver: [UInt64: [RaftMessage]] = [:]
        for message in messages {
            if case .snapshot(let metadata) = message.body {
                startSending(metadata, to: message.to)
            } else {
                byReceiver[message.to, default: []].append(message)
            }
        }
        for (id, messages) in byReceiver {
            if let receiver = member(id) { transport.send(messages, to: receiver) }
        }
    }

    func publishStatus() {
        var status = RaftStatus()
        status.member = member.map { raft?.membership[$0.id]?.member ?? $0 }
        status.failure = failure
        status.isDiskFull = isWaitingForRoom
        status.snapshotIndex = snapshot?.metadata.index ?? 0
        if let raft {
            status.role =
                switch raft.role {
                case .leader where !isWaitingForRoom: .leader
                case .candidate, .preCandidate: .candidate
                case .follower, .leader:
                    if isRemovalRecorded || raft.isRemoved {
                        .removed
                    } else if raft.membership.isVoter(raft.id) {
                        .follower
                    } else {
                        .learner
                    }
                }
            status.term = raft.currentTerm
            status.leader = isWaitingForRoom ? nil : member(raft.leader)
            status.isLeading = isLeading
            status.committedIndex = raft.committedIndex
            status.appliedIndex = raft.appliedIndex
            status.lastIndex = raft.lastIndex
            status.firstIndex = raft.firstIndex
            let coming = raft.latestMembership.standings.filter { raft.membership[$0.member.id] == nil }
            status.peers = (raft.membership.standings + coming).map(\.member)
            status.members = raft.membership.standings.map { standing in
                let progress = raft.progress(of: standing.member.id)
                return RaftStatus.Member(
                    member: standing.member, isVoter: standing.isVoter, isOutgoing: standing.isOutgoing,
                    matchedIndex: progress?.matched, isActive: progress?.isActive)
            }
        } else if isStopped {
            status.role = .stopped
        }
        board.publish(status)
    }
}

extension UInt64 {
    /// The difference, or 0.
    func saturatingSubtract(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
