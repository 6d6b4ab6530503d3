import RaftCore

/// Snapshots on their way from host to host, in pieces, as `NodeLoop` sends and receives them.
extension Simulation {
    /// The most bytes of a snapshot's file.
    private static let snapshotByteLimit = 400

    // MARK: Writing

    /// Writes a snapshot and forgets the log behind it; for want of room later.
    mutating func trim(_ id: UInt64, keeping kept: UInt64) {
        guard !hosts[id]!.isWitness else { return }
        guard !isDiskFull(id) else {
            trimming.insert(id)
            return
        }
        let bytes = (0..<random.number(in: 0...Self.snapshotByteLimit)).map { _ in
            UInt8(truncatingIfNeeded: random.next())
        }
        guard let file = hosts[id]!.trim(keeping: kept, writing: bytes) else { return }
        checker.sees(snapshot: file.metadata, bytes, by: id)
    }

    // MARK: Sending

    mutating func startSending(_ metadata: SnapshotMetadata, to receiver: UInt64, from id: UInt64) {
        let host = hosts[id]!
        if host.raft.latestMembership[receiver]?.member.isWitness == true {
            // It learns where its log begins; its core's sign of life brings another one where this is lost.
            let place = SnapshotChunk(metadata: metadata, byteCount: 0, checksum: 0, offset: 0, bytes: [])
            post(.snapshotChunk(place), to: receiver, from: id)
            return host.raft.snapshotFailed(for: receiver)
        }
        guard let file = host.disk.snapshot else { return host.raft.snapshotFailed(for: receiver) }
        let sending = SnapshotSending(
            byteCount: UInt64(file.bytes.count), pieceByteLimit: scenario.pieceBytes, now: host.ticks)
        host.senders[receiver] = SimulatedSender(file: file, sending: sending)
        if !sendTraps.isEmpty {
            let trap = sendTraps.removeFirst()
            sendStrikes += 1
            agenda.add(.strikeSending(trap.strike, from: id, to: receiver), after: trap.delay)
        }
        pump(receiver, from: id)
    }

    private mutating func pump(_ receiver: UInt64, from id: UInt64) {
        let host = hosts[id]!
        guard let file = host.senders[receiver]?.file,
            let pieces = host.senders[receiver]?.sending.pieces(now: host.ticks)
        else { return }
        for piece in pieces {
            var chunk = file.piece(piece)
            if host.senders[receiver]?.isDamaged == true, !chunk.bytes.isEmpty {
                host.senders[receiver]?.isDamaged = false
                chunk = chunk.damaged
            }
            post(.snapshotChunk(chunk), to: receiver, from: id, of: file)
        }
    }

    /// Something happens to a snapshot on its way.
    mutating func strikeSending(_ strike: Fault.SendStrike, from sender: UInt64, to receiver: UInt64) {
        guard !isMending else { return }
        switch strike {
        case .crashSender: crash(sender, downtime: Milliseconds(random.number(in: 1...2_000)))
        case .crashReceiver: crash(receiver, downtime: Milliseconds(random.number(in: 1...2_000)))
        case .fillSender: fillDisk(sender, Milliseconds(random.number(in: 20...400)))
        case .fillReceiver: fillDisk(receiver, Milliseconds(random.number(in: 20...4_000)))
        case .renew: if canWork(sender) { trim(sender, keeping: 0) } else { trimming.insert(sender) }
        case .handOver: if hosts[sender]?.leads == true { handOver(sender) }
        case .damage: hosts[sender]?.senders[receiver]?.isDamaged = true
        }
    }

    mutating func tickSnapshots(_ id: UInt64) {
        let host = hosts[id]!
        if host.raft.role != .leader { host.senders = [:] }
        for (receiver, sender) in host.senders.sorted(by: { $0.key < $1.key }) {
            if sender.sending.isGivenUp(now: host.ticks) || sender.sending.isForgotten(now: host.ticks) {
                host.senders[receiver] = nil
                host.raft.snapshotFailed(for: receiver)
            } else {
                pump(receiver, from: id)
            }
        }
    }

    // MARK: Receiving

    /// What the core leaves to its shell, once it has seen the message.
    mutating func receivePiece(_ envelope: Envelope, _ id: UInt64) {
        let message = envelope.message
        let host = hosts[id]!
        guard message.term == host.raft.currentTerm else { return }
        switch message.body {
        case .snapshotChunk(let chunk): receive(chunk, of: envelope.file, from: message.from, id)
        case .snapshotReceived(let index, let count):
            guard host.senders[message.from]?.file.metadata.index == index else { return }
            host.senders[message.from]!.sending.receive(count, now: host.ticks)
            pump(message.from, from: id)
        default: break
        }
    }

    private mutating func receive(
        _ chunk: SnapshotChunk, of source: SimulatedSnapshot?, from sender: UInt64, _ id: UInt64
    ) {
        let host = hosts[id]!
        guard !host.isWitness, let source else { return mark(chunk.metadata, from: sender, id) }
        let index = chunk.metadata.index
        let isHeld = host.received[index] != nil
        let arrival = host.receiver?.arrival
        switch chunk.use(from: sender, committed: host.raft.committedIndex, isHeld: isHeld, arrival: arrival) {
        case .known:
            post(.snapshotReceived(index: index, received: chunk.byteCount), to: sender, from: id)
            return mark(chunk.metadata, from: sender, id)
        case .astray: return post(.snapshotReceived(index: index, received: 0), to: sender, from: id)
        case .first: host.receiver = SimulatedReceiver(chunk, from: sender)
        case .more: break
        }
        // There is no answer where there is no room: the sender tries again.
        guard !isDiskFull(id) else {
            host.receiver = nil
            return
        }
        switch host.receiver!.add(chunk, of: source) {
        case .partial:
            let count = host.receiver!.arrival.received
            post(.snapshotReceived(index: index, received: count), to: sender, from: id)
        case .damaged:
            host.receiver = nil
            post(.snapshotReceived(index: index, received: 0), to: sender, from: id)
        case .whole:
            host.received[index] = host.receiver?.file
            host.receiver = nil
            post(.snapshotReceived(index: index, received: chunk.byteCount), to: sender, from: id)
            mark(chunk.metadata, from: sender, id)
        }
    }

    private mutating func mark(_ metadata: SnapshotMetadata, from sender: UInt64, _ id: UInt64) {
        let term = hosts[id]!.raft.currentTerm
        hosts[id]!.raft.step(RaftMessage(from: sender, to: id, term: term, body: .snapshot(metadata)))
    }

    private mutating func post(
        _ body: RaftMessage.Body, to receiver: UInt64, from id: UInt64, of file: SimulatedSnapshot? = nil
    ) {
        let term = hosts[id]!.raft.currentTerm
        post(RaftMessage(from: id, to: receiver, term: term, body: body), of: file)
    }
}
