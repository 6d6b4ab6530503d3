import RaftCore

/// What hosts do: tick, receive, write, apply.
extension Simulation {
    /// The most messages between members in a second: several times what they say at worst, where a network without
    /// order has them refuse what is on its way.
    private static let messageLimitPerSecond = 250_000

    func canWork(_ id: UInt64) -> Bool {
        guard let host = hosts[id] else { return false }
        return host.isUp && host.work == nil && host.frozenUntil <= agenda.now
    }

    mutating func tick(_ id: UInt64, _ life: Int) {
        guard let host = hosts[id], host.isUp, host.life == life else { return }
        agenda.add(.tick(id, life: life), after: host.tickInterval)
        if host.frozenUntil <= agenda.now {
            hosts[id]!.ticks += 1
            retryWriting(id)
        }
        guard canWork(id) else { return }
        setClock(id)
        if sideChange != nil { foresee(id) }
        hosts[id]!.raft.tick()
        tickSnapshots(id)
        work(id)
    }

    mutating func deliver(_ envelope: Envelope) {
        let id = envelope.message.to
        guard hosts[id]?.isUp == true, !network.isCut(from: envelope.message.from, to: id) else { return }
        queue(.message(envelope), on: id)
    }

    /// Taken as soon as the host has time for it.
    mutating func queue(_ input: SimulatedHost.Input, on id: UInt64) {
        guard hosts[id]?.isUp == true else { return }
        hosts[id]!.inbox.append(input)
        work(id)
    }

    private func setClock(_ id: UInt64) { hosts[id]!.raft.now = hosts[id]!.clock(at: agenda.now) }

    /// Takes what has come, and carries out what comes of it: of each alone, or as a loop that writes once for all that
    /// waits, by chance.
    mutating func work(_ id: UInt64) {
        setClock(id)
        carryOut(id)
        if hosts[id]!.isWaitingForRoom, hosts[id]!.frozenUntil <= agenda.now { takeWithoutRoom(id) }
        while canWork(id), let input = hosts[id]!.inbox.popFirst() {
            switch input {
            case .message(let envelope):
                hosts[id]!.raft.step(envelope.message)
                receivePiece(envelope, id)
            case .request(let request): serve(request, id)
            case .session(let agent, let connection, let message):
                receive(message, from: agent, connection: connection, on: id)
            case .submission(let name, let mutations): put(name, mutations, on: id)
            case .report(let report, let server): receive(report, from: server, on: id)
            case .wish(let wish, let name, let number, let token):
                serve(wish, named: name, of: number, token, on: id)
            }
            if hosts[id]!.inbox.isEmpty || random.chance(perMille: 400) { carryOut(id) }
        }
    }

    mutating func carryOut(_ id: UInt64) {
        while canWork(id), let ready = hosts[id]!.raft.takeReady() {
            send(ready.messages, from: id)
            hosts[id]!.work = ReadyWork(ready)
            carryOn(id)
        }
        guard let host = hosts[id], host.isUp else { return }
        if let fault = host.raft.fault { checker.note(.fault, "\(id): \(fault)") }
        if host.raft.role == .leader {
            checker.sees(leader: id, in: host.raft.currentTerm)
            sees(leader: id, in: host.raft.currentTerm)
            sees(electorate: host.raft.latestMembership.electorate, of: id)
        }
    }

    /// Does what is left of the work under way; what is to be written takes its time.
    mutating func carryOn(_ id: UInt64) {
        guard let host = hosts[id], let work = host.work else { return }
        guard work.stage == .save, work.ready.mustPersist else { return finish(work, id) }
        hosts[id]!.isWriting = true
        agenda.add(.written(id, life: host.life), after: Milliseconds(random.number(in: 1...Int(host.latency))))
        // A node does both at once: what is first is chance, and a crash may come in between. Where the write has no
        // room the state may still have some, or go on in memory.
        if !work.applicable.isEmpty, random.chance(perMille: 500) { applyWhatMayBe(id) }
    }

    mutating func finishWriting(_ id: UInt64, _ life: Int) {
        guard let host = hosts[id], host.life == life, host.isWriting, let unfinished = host.work else { return }
        // A process that stands still while the kernel writes goes on later.
        guard host.frozenUntil <= agenda.now else {
            return agenda.add(.written(id, life: life), after: host.frozenUntil - agenda.now)
        }
        hosts[id]!.isWriting = false
        if isDiskFull(id) {
            waitForRoom(id)
        } else {
            write(unfinished.ready, id)
            finish(unfinished, id)
        }
        work(id)
    }

    private mutating func write(_ ready: Ready, _ id: UInt64) {
        if let first = ready.entries.first {
            let base = ready.snapshot ?? hosts[id]!.disk.base
            let previous =
                first.index == base.index + 1
                ? base.term : hosts[id]!.disk.entries.last { $0.index < first.index }?.term ?? 0
            checker.sees(written: ready.entries, after: previous, by: id)
        }
        if let snapshot = ready.snapshot, !hosts[id]!.isWitness {
            guard let file = hosts[id]!.received[snapshot.index], file.metadata == snapshot else {
                return checker.note(.fault, "\(id) has no file of snapshot \(snapshot.index)")
            }
            checker.sees(installed: file.metadata, file.bytes, by: id)
        }
        hosts[id]!.write(ready)
    }

    /// What is left once everything that has to be written is: install, send, apply.
    private mutating func finish(_ work: ReadyWork, _ id: UInt64) {
        let ready = work.ready
        if hosts[id]!.work?.stage == .save { hosts[id]!.work?.proceed() }
        if hosts[id]!.work?.stage == .install {
            if let snapshot = ready.snapshot {
                if isDiskFull(id) { return waitForRoom(id) }
                checker.sees(installed: snapshot.index, after: hosts[id]!.appliedIndex, by: id)
                hosts[id]!.install(snapshot)
                world.servers[id]?.changes = nil
                checkVersion(hosts[id]!.state.cluster.version, at: snapshot.index, on: id)
                installs += 1
            }
            hosts[id]!.work?.proceed()
            send(ready.messagesAfterPersisting, from: id)
        }
        if hosts[id]!.work?.applicable.isEmpty == false, isDiskFull(id) { return waitForRoom(id) }
        applyWhatMayBe(id)
        hosts[id]!.work = nil
        hosts[id]!.raft.advance(ready)
        for read in ready.reads where !isConfirmed(read.request, id) {
            guard let asked = hosts[id]!.reads.removeValue(forKey: read.request) else { continue }
            hosts[id]!.waiting.append((read.index, asked.key, asked.call))
        }
        hosts[id]!.dropUselessSnapshots()
        answerReads(id)
        followLeadership(of: id)
        if hosts[id]!.isWitness, !isDiskFull(id) { hosts[id]!.moveTail(scenario.tailEntries) }
        if trimming.remove(id) != nil { trim(id, keeping: UInt64(random.number(in: 0...10))) }
    }

    private mutating func applyWhatMayBe(_ id: UInt64) {
        guard let entries = hosts[id]!.work?.applicable, let last = entries.last else { return }
        for entry in entries { apply(entry, id) }
        hosts[id]!.work?.applied(through: last.index)
        hosts[id]!.raft.applied(through: last.index)
    }

    private mutating func apply(_ entry: Entry, _ id: UInt64) {
        checker.sees(applied: entry, after: hosts[id]!.appliedIndex, by: id)
        let before = hosts[id]!.state.cluster
        let outcome = hosts[id]!.apply(entry)
        if case .appended(let command, let isCertain) = outcome,
            let call = hosts[id]!.forwarded.removeValue(forKey: command.id)
        {
            reply(Reply(call: call, view: isCertain ? ListStore.View() : nil), from: id)
        }
        applied(outcome, entry, before: before, on: id)
        if case .membership = entry.payload { admitted(hosts[id]!.raft.membership(at: entry.index).ids, by: id) }
        if let limit = scenario.entriesPerTrim, entry.index % limit == 0 { trimming.insert(id) }
        guard let proposal = hosts[id]!.proposals.removeValue(forKey: entry.index) else { return }
        reply(Reply(call: proposal.call, view: proposal.term == entry.term ? ListStore.View() : nil), from: id)
    }

    private mutating func answerReads(_ id: UInt64) {
        let host = hosts[id]!
        guard host.waiting.contains(where: { $0.index <= host.appliedIndex }) else { return }
        for read in host.waiting where read.index <= host.appliedIndex {
            reply(Reply(call: read.call, view: host.state.lists.view(read.key)), from: id)
        }
        hosts[id]!.waiting.removeAll { $0.index <= host.appliedIndex }
    }

    private mutating func send(_ messages: [RaftMessage], from id: UInt64) {
        for message in messages {
            if case .snapshot(let metadata) = message.body {
                startSending(metadata, to: message.to, from: id)
            } else {
                post(message)
            }
        }
    }

    /// - Parameter file: the one that the message carries a piece of.
    mutating func post(_ message: RaftMessage, of file: SimulatedSnapshot? = nil) {
        countTraffic()
        let envelope = Envelope(onTheWire(message), file: file)
        for delay in network.delays(from: message.from, to: message.to, at: agenda.now, using: &random) {
            agenda.add(.deliver(envelope), after: delay)
        }
        if let delay = network.echo(using: &random) { agenda.add(.deliver(envelope), after: delay) }
    }

    /// Members that answer a message with more than one never come to rest.
    private mutating func countTraffic() {
        let second = agenda.now / 1_000
        if second != traffic.second { traffic = (second, 0) }
        traffic.count += 1
        guard traffic.count == Self.messageLimitPerSecond + 1 else { return }
        checker.note(.traffic, "more than \(Self.messageLimitPerSecond) messages in the second from \(second)")
    }

    /// The message as it is read again.
    private mutating func onTheWire(_ message: RaftMessage) -> RaftMessage {
        guard scenario.isEncoded else { return message }
        guard let read = try? RaftMessage(decoding: message.encoded()), read == message else {
            checker.note(.fault, "the codec changes \(message)")
            return message
        }
        return read
    }

    mutating func crash(_ id: UInt64, downtime: Milliseconds) {
        guard hosts[id]?.isUp == true else { return }
        world.leaderships[id] = nil
        world.servers[id] = nil
        world.waiting[id] = nil
        keepings[id] = nil
        hosts[id]!.downSince = agenda.now
        hosts[id]!.crash(writeWasDone: random.chance(perMille: 500) && !isDiskFull(id))
        agenda.add(.start(id, life: hosts[id]!.life), after: downtime)
    }

    mutating func start(_ id: UInt64) {
        guard hosts[id]?.isUp == false else { return }
        do throws(Raft.RestoreError) {
            try hosts[id]!.start(seed: random.next())
            agenda.add(.tick(id, life: hosts[id]!.life), after: Milliseconds(random.number(in: 1...50)))
            startServer(of: id)
            work(id)
        } catch {
            checker.note(.fault, "\(id) cannot start again: \(error)")
        }
    }
}
