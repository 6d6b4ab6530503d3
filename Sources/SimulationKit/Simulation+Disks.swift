/// Full disks: what does not fit is not written, and the host waits for room as `NodeLoop` does.
extension Simulation {
    func isDiskFull(_ id: UInt64) -> Bool { hosts[id].map { $0.fullUntil > agenda.now } ?? false }

    mutating func fillDisk(_ id: UInt64, _ duration: Milliseconds) {
        hosts[id]!.fullUntil = max(hosts[id]!.fullUntil, agenda.now + duration)
    }

    /// A stage had no effect. The host promises nothing any more, and says that it does not lead.
    mutating func waitForRoom(_ id: UInt64) {
        guard hosts[id]!.work?.refuse(at: hosts[id]!.ticks) == true else { return }
        roomWaits += 1
        for proposal in hosts[id]!.proposals.sorted(by: { $0.key < $1.key }) {
            reply(Reply(call: proposal.value.call, view: nil), from: id)
        }
        hosts[id]!.proposals = [:]
        world.leaderships[id] = nil
        world.waiting[id] = nil
    }

    /// What comes meanwhile: messages are lost, what needs the core is refused, and reads wait.
    mutating func takeWithoutRoom(_ id: UInt64) {
        let inputs = hosts[id]!.inbox
        hosts[id]!.inbox = []
        for input in inputs {
            switch input {
            case .message: break
            case .request(let request):
                if case .read = request.body {
                    hosts[id]!.inbox.append(input)
                } else {
                    reply(Reply(call: request.call, view: nil), from: id)
                }
            case .session(let agent, let connection, let message):
                receive(message, from: agent, connection: connection, on: id)
            case .submission(let name, let mutations): put(name, mutations, on: id)
            case .report(let report, let server): receive(report, from: server, on: id)
            case .wish(let wish, let name, let number, let token):
                serve(wish, named: name, of: number, token, on: id)
            }
        }
    }

    /// Tries again what there was no room for.
    mutating func retryWriting(_ id: UInt64) {
        let host = hosts[id]!
        guard let unfinished = host.work, unfinished.isWaitingForRoom, !host.isWriting,
            unfinished.isDue(at: host.ticks)
        else { return }
        carryOn(id)
        work(id)
    }
}
