import LinuxSystem
import Logging
import RaftCore
import SQLite

/// Carrying out what the core asks for: send, write, install, send, apply. What the disk has already is applied while
/// it writes.
extension NodeLoop {
    /// Carries out one `Ready`; false where there was none.
    func carryOutReady() throws(RaftError) -> Bool {
        guard let ready = raft?.takeReady() else { return false }
        send(ready.messages)
        unfinished = ReadyWork(ready)
        return try finishReady()
    }

    /// Does what is left of the `Ready` under way, unless it failed for want of room and its time has not come; whether
    /// it is done.
    func finishReady() throws(RaftError) -> Bool {
        guard let work = unfinished, work.isDue(at: now) else { return false }
        let ready = work.ready
        let early = handOver(work)
        // Whatever becomes of the write, nothing is being applied any more when it is looked at.
        let saving = Result { () throws(RaftError) in try saveAndSend(ready) }
        let applying = Result { () throws(RaftError) in
            if !early.isEmpty { try noteApplied(early, applier.finish()) }
        }
        // Room may come; what else has failed ends the node.
        if case .failure(let error) = applying, !error.isDiskFull { throw error }
        try saving.get()
        try applying.get()
        try apply(unfinished?.applicable ?? [])
        if work.isWaitingForRoom { noteRoom() }
        unfinished = nil
        raft?.advance(ready)
        for read in ready.reads { answerReads(read) }
        noteAddresses()
        return true
    }

    /// Has another thread apply what the disk has already while this one waits for it to write, where there is
    /// something to do for both.
    ///
    /// - Returns: what it was given.
    private func handOver(_ work: ReadyWork) -> [Entry] {
        guard work.stage == .save, work.ready.mustPersist else { return [] }
        let entries = work.applicable
        let commands = Self.commands(in: entries)
        guard !commands.isEmpty, applier.begin(commands, on: stateMachine) else { return [] }
        return entries
    }

    private func saveAndSend(_ ready: Ready) throws(RaftError) {
        if unfinished?.stage == .save {
            if ready.mustPersist { try save(ready) }
            unfinished?.proceed()
        }
        if unfinished?.stage == .install {
            if let metadata = ready.snapshot { try install(metadata) }
            unfinished?.proceed()
            send(ready.messagesAfterPersisting)
        }
    }

    private func save(_ ready: Ready) throws(RaftError) {
        guard let metadata = ready.snapshot, stateMachine.hasState else {
            return try storage.save(ready.hardState, ready.entries, behind: ready.snapshot)
        }
        guard let file = received[metadata.index]?.file, file.metadata == metadata else {
            throw .storage("the file of snapshot \(metadata.index) is missing")
        }
        try storage.save(ready.hardState, ready.entries, behind: metadata, in: file)
    }

    private func install(_ metadata: SnapshotMetadata) throws(RaftError) {
        guard let arrived = received[metadata.index] else { return }
        do { try arrived.install() } catch { throw Self.installationFailure(error, metadata) }
        let replaced = snapshot
        snapshot = arrived.file
        isSnapshotDamaged = false
        noteSeal()
        trimTarget = 0
        received[metadata.index] = nil
        if let replaced { storage.removeFile(replaced.name) }
        appliedBytes = 0
        logger.info("installed a snapshot", metadata: ["index": "\(metadata.index)"])
        // What the core has applied is behind the snapshot now; its waiters are served when it moves on.
        wakeWaiters(upTo: metadata.index)
    }

    static func install(
        _ file: SnapshotFile, into stateMachine: any RaftStateMachine, directory: String
    ) throws(RaftError) {
        do {
            try stateMachine.install(snapshot: directory + "/" + file.name, index: file.metadata.index)
        } catch {
            throw installationFailure(error, file.metadata)
        }
    }

    private static func installationFailure(_ error: any Error, _ metadata: SnapshotMetadata) -> RaftError {
        failure(error, "snapshot \(metadata.index) could not be installed")
    }

    private static func failure(_ error: any Error, _ what: String) -> RaftError {
        let isFull = (error as? DatabaseError)?.isFull ?? (error as? SystemError)?.isFull ?? false
        return isFull ? .diskFull("\(what): \(error)") : .storage("\(what): \(error)")
    }

    private static func commands(in entries: [Entry]) -> [CommittedCommand] {
        entries.compactMap { entry in
            guard case .command(let bytes) = entry.payload else { return nil }
            return CommittedCommand(index: entry.index, term: entry.term, bytes: bytes)
        }
    }

    private func apply(_ entries: [Entry]) throws(RaftError) {
        let commands = Self.commands(in: entries)
        try noteApplied(entries, Result { try commands.isEmpty ? [] : stateMachine.apply(commands) })
    }

    /// Answers whoever waits for what the state machine made of the commands among some entries.
    private func noteApplied(_ entries: [Entry], _ outcome: Result<[[UInt8]], any Error>) throws(RaftError) {
        guard let last = entries.last else { return }
        let results: [[UInt8]]
        do {
            results = try outcome.get()
        } catch {
            throw Self.failure(error, "the state machine could not apply entries up to \(last.index)")
        }
        unfinished?.applied(through: last.index)
        raft?.applied(through: last.index)
        let commands = Self.commands(in: entries)
        precondition(results.count == commands.count, "one result for each command")
        for (command, result) in zip(commands, results) {
            appliedBytes += command.bytes.count
            guard let proposal = proposals.removeValue(forKey: command.index) else { continue }
            if proposal.term == command.term {
                later(proposal.reply, (command.index, result))
            } else {
                proposal.reply.fail(.leadershipLost)
            }
        }
        for entry in entries where !proposals.isEmpty || !memberRequests.isEmpty { settleOthers(entry) }
        wakeWaiters(upTo: last.index)
    }

    /// Answers those whose place in the log another entry has taken, and changes of members.
    private func settleOthers(_ entry: Entry) {
        if case .command = entry.payload {
        } else if let proposal = proposals.removeValue(forKey: entry.index) {
            proposal.reply.fail(.leadershipLost)
        }
        settleMemberRequests(entry)
    }

    func wakeWaiters(upTo index: UInt64) {
        guard appliedWaiters.contains(where: { $0.index <= index }) else { return }
        appliedWaiters.removeAll { waiter in
            guard waiter.index <= index else { return false }
            later(waiter.reply, waiter.index)
            return true
        }
    }
}
