import Executors
import LinuxSystem
import Logging
import RaftCore

/// Writing snapshots of this member's own state, sending them, receiving others', and trimming the log behind them.
extension NodeLoop {
    /// After a snapshot that could not be written (5 s).
    static let snapshotRetryTicks: UInt64 = 100
    /// How long a snapshot that could not be used is not taken again (30 s): its sender gives up meanwhile.
    static let refusalTicks = SnapshotSending.patienceTicks

    /// To be called where there is another snapshot on record.
    func noteSeal() {
        isSnapshotOpen = false
        guard let snapshot, let disk = stateMachine.snapshotDisk else { return }
        isSnapshotOpen = !disk.hasSealed(storage.snapshotDirectory + "/" + snapshot.name)
    }

    // Writing.

    func startSnapshotIfDue() {
        guard let raft, stateMachine.hasState, !isWritingSnapshot, now >= nextSnapshotTick else { return }
        let newest = snapshot?.metadata.index ?? 0
        let count = raft.appliedIndex.saturatingSubtract(newest)
        let isDue = count >= trimming.entriesPerSnapshot || appliedBytes >= trimming.bytesPerSnapshot && count > 0
        guard isDue || isSnapshotDamaged || isSnapshotOpen else { return }
        let name = "snapshot-\(raft.appliedIndex)-\(raft.currentTerm)-\(now)"
        // One of an earlier life that is to be replaced: another tick, another name.
        guard name != snapshot?.name else { return }
        coveredBytes = appliedBytes
        let path = storage.snapshotDirectory + "/" + name
        let (stateMachine, mailbox) = (stateMachine, mailbox)
        isWritingSnapshot = true
        do throws(SystemError) {
            try DetachedThread.start("raft-snapshot", niceness: 10) {
                _ = mailbox.post(.snapshotWritten(Self.writeSnapshot(of: stateMachine, to: path, name)))
            }
        } catch {
            snapshotWritten(.failure(.storage("\(error)")))
        }
    }

    private static func writeSnapshot(
        of stateMachine: any RaftStateMachine, to path: String, _ name: String
    ) -> Result<SnapshotFile.Written?, RaftError> {
        do {
            guard let index = try stateMachine.writeSnapshot(to: path) else { return .success(nil) }
            let (byteCount, checksum) = try SnapshotFile.seal(path, on: stateMachine.snapshotDisk)
            return .success(.init(index: index, name: name, byteCount: byteCount, checksum: checksum))
        } catch {
            RaftStorage.removeFile(at: path)
            return .failure(.storage("\(error)"))
        }
    }

    /// A snapshot that failed is no disaster: the log grows until the next one.
    func snapshotWritten(_ result: Result<SnapshotFile.Written?, RaftError>) {
        isWritingSnapshot = false
        switch result {
        case .failure(let error):
            nextSnapshotTick = now + Self.snapshotRetryTicks
            logger.error("a snapshot could not be written", metadata: ["reason": "\(error)"])
        case .success(nil): nextSnapshotTick = now + Self.snapshotRetryTicks
        case .success(let written?):
            let newest = snapshot?.metadata.index ?? 0
            let isNews = written.index > newest || written.index == newest && (isSnapshotDamaged || isSnapshotOpen)
            guard let raft, isNews, written.index <= raft.appliedIndex, let term = raft.term(at: written.index)
            else { return storage.removeFile(written.name) }
            let metadata = SnapshotMetadata(
                index: written.index, term: term, membership: raft.membership(at: written.index))
            let file = SnapshotFile(
                metadata: metadata, name: written.name, byteCount: written.byteCount, checksum: written.checksum)
            do throws(RaftError) {
                try storage.record(file)
            } catch .diskFull(let reason) {
                storage.removeFile(file.name)
                nextSnapshotTick = now + Self.snapshotRetryTicks
                return logger.error("a snapshot could not be recorded", metadata: ["reason": "\(reason)"])
            } catch {
                failure = "\(error)"
                return
            }
            if let snapshot { storage.removeFile(snapshot.name) }
            snapshot = file
            appliedBytes = max(0, appliedBytes - coveredBytes)
            isSnapshotDamaged = false
            isSnapshotOpen = false
            self.raft?.snapshotWritten(metadata)
            trimTarget = metadata.index.saturatingSubtract(trimming.keptEntries)
            logger.info(
                "wrote a snapshot", metadata: ["index": "\(metadata.index)", "bytes": "\(file.byteCount)"])
        }
    }

    /// Removes a piece of the log, so that no transaction is long.
    private func trim() {
        guard let raft, raft.firstIndex <= trimTarget, unfinished == nil else { return }
        let base = self.raft!.compact(through: min(trimTarget, raft.firstIndex + Self.trimmedAtOnce))
        do throws(RaftError) {
            try storage.trim(to: base)
        } catch .diskFull {
            // The rows go with those of the next time.
        } catch {
            failure = "\(error)"
        }
        if base.index < raft.firstIndex { trimTarget = 0 }
    }

    /// A witness has nothing to write before it forgets.
    private func moveTail() {
        guard let applied = raft?.appliedIndex else { return }
        let isHeavy = appliedBytes >= trimming.tailBytes / 2
        guard let target = tail.move(applied: applied, limit: trimming.tailEntries, isHeavy: isHeavy) else { return }
        trimTarget = target
        appliedBytes = 0
    }

    func tickSnapshots() {
        // Senders stay: the core, if it leads still, counts on them.
        guard !isWaitingForRoom else { return }
        if !stateMachine.hasState { moveTail() }
        trim()
        for (id, sender) in senders {
            if sender.isOver(now: now) {
                senders[id] = nil
                raft?.snapshotFailed(for: id)
            } else {
                pump(sender, to: id)
            }
        }
    }

    // Sending.

    func startSending(_ metadata: SnapshotMetadata, to id: UInt64) {
        if member(id)?.isWitness == true { return sendPlace(metadata, to: id) }
        guard let snapshot, !isSnapshotDamaged else {
            raft?.snapshotFailed(for: id)
            return
        }
        do {
            let sender = try SnapshotSender(
                snapshot, directory: storage.snapshotDirectory, on: stateMachine.snapshotDisk, now: now)
            senders[id] = sender
            logger.info(
                "sending a snapshot", metadata: ["member": "\(id)", "index": "\(snapshot.metadata.index)"])
            pump(sender, to: id)
        } catch {
            logger.error("a snapshot could not be read", metadata: ["reason": "\(error)"])
            raft?.snapshotFailed(for: id)
        }
    }

    /// A witness has no use for the state: it learns where the log begins, in a chunk without bytes.
    private func sendPlace(_ metadata: SnapshotMetadata, to id: UInt64) {
        guard let raft, let receiver = member(id) else { return }
        let chunk = SnapshotChunk(metadata: metadata, byteCount: 0, checksum: 0, offset: 0, bytes: [])
        transport.send(
            [RaftMessage(from: raft.id, to: id, term: raft.currentTerm, body: .snapshotChunk(chunk))], to: receiver)
        // It is sent again at the next sign of life where it was lost.
        self.raft?.snapshotFailed(for: id)
    }

    func pump(_ sender: SnapshotSender, to id: UInt64) {
        guard let raft, let receiver = member(id) else { return }
        do {
            let chunks = try sender.chunks(now: now)
            guard !chunks.isEmpty else { return }
            transport.send(
                chunks.map {
                    RaftMessage(from: raft.id, to: id, term: raft.currentTerm, body: .snapshotChunk($0))
                }, to: receiver)
        } catch {
            logger.error("a snapshot could not be read", metadata: ["reason": "\(error)"])
            senders[id] = nil
            self.raft?.snapshotFailed(for: id)
        }
    }

    // Receiving.

    func receive(_ chunk: SnapshotChunk, from sender: UInt64) {
        guard let raft else { return }
        if !stateMachine.hasState { return mark(chunk.metadata, from: sender) }
        if let refused, refused.metadata == chunk.metadata, now < refused.until { return }
        let isHeld = received[chunk.metadata.index] != nil
        do {
            switch chunk.use(
                from: sender, committed: raft.committedIndex, isHeld: isHeld, arrival: receiver?.arrival)
            {
            case .known:
                acknowledge(chunk.metadata.index, chunk.byteCount, to: sender)
                return mark(chunk.metadata, from: sender)
            case .astray: return acknowledge(chunk.metadata.index, 0, to: sender)
            case .first:
                dropArriving()
                receiver = try SnapshotReceiver(
                    chunk, from: sender, directory: storage.snapshotDirectory, on: stateMachine.snapshotDisk)
            case .more: break
            }
            guard let receiver else { return }
            switch try receiver.add(chunk) {
            case .partial: acknowledge(chunk.metadata.index, receiver.arrival.received, to: sender)
            case .damaged:
                logger.error("a snapshot arrived damaged", metadata: ["index": "\(chunk.metadata.index)"])
                dropArriving()
                acknowledge(chunk.metadata.index, 0, to: sender)
            case .whole(let file):
                self.receiver = nil
                guard prepare(file, from: sender) else { return }
                acknowledge(file.metadata.index, file.byteCount, to: sender)
                mark(file.metadata, from: sender)
            }
        } catch {
            logger.error("a snapshot could not be received", metadata: ["reason": "\(error)"])
            // Its room may be what is missing.
            dropArriving()
        }
    }

    /// Whether the snapshot can replace the state. One that cannot leaves this member as it is, log and all.
    private func prepare(_ file: SnapshotFile, from sender: UInt64) -> Bool {
        do {
            let install = try stateMachine.installation(
                of: storage.snapshotDirectory + "/" + file.name, index: file.metadata.index)
            received[file.metadata.index] = ReceivedSnapshot(file: file, install: install)
            return true
        } catch {
            logger.error(
                "a snapshot that arrived cannot be used",
                metadata: ["index": "\(file.metadata.index)", "member": "\(sender)", "reason": "\(error)"])
            storage.removeFile(file.name)
            refused = (file.metadata, now + Self.refusalTicks)
            return false
        }
    }

    /// Removes what has arrived of snapshots that the log has caught up with. Whatever was to be installed is.
    func dropUselessSnapshots() {
        guard let committed = raft?.committedIndex else { return }
        if let receiver, receiver.arrival.metadata.index <= committed { dropArriving() }
        for (index, arrived) in received where index <= committed {
            received[index] = nil
            storage.removeFile(arrived.file.name)
        }
    }

    private func dropArriving() {
        guard let receiver else { return }
        storage.removeFile(receiver.partialName)
        self.receiver = nil
    }

    private func acknowledge(_ index: UInt64, _ count: UInt64, to id: UInt64) {
        guard let raft, let sender = member(id) else { return }
        transport.send(
            [
                RaftMessage(
                    from: raft.id, to: id, term: raft.currentTerm,
                    body: .snapshotReceived(index: index, received: count))
            ], to: sender)
    }

    private func mark(_ metadata: SnapshotMetadata, from sender: UInt64) {
        guard let raft else { return }
        self.raft?.step(
            RaftMessage(from: sender, to: raft.id, term: raft.currentTerm, body: .snapshot(metadata)))
    }
}
