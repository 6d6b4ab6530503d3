import RaftCore

/// One client, which does one thing after the other.
struct SimulatedClient {
    let id: Int
    /// Its own appends so far.
    var sequence: UInt64 = 0
    /// Changes with each try: an answer to an earlier one that comes late counts all the same, where it is of the same
    /// call.
    var token = 0
    var firstToken = 0
    /// The place of the present call in the history.
    var call: Int?
    var body: Simulation.Request.Body = .read(key: 0)
    var isWaitingSince: Milliseconds?
    var host: UInt64 = 1
    /// When its next call begins.
    var nextThought: Milliseconds = 0
}

extension Simulation {
    /// How long a client waits before it asks another host.
    private var patience: Milliseconds { isHasty ? 60 : 1_500 }
    private var isHasty: Bool { agenda.now < hasteEnd }

    mutating func thinkLater(_ number: Int, after delay: Milliseconds) {
        clients[number].nextThought = agenda.now + delay
        agenda.add(.think(client: number), after: delay)
    }

    /// Clients lose no time for so long.
    mutating func hurry(for duration: Milliseconds) {
        guard !isMending else { return }
        hasteEnd = max(hasteEnd, agenda.now + duration)
        for number in clients.indices where clients[number].call == nil {
            thinkLater(number, after: Milliseconds(random.number(in: 1...10)))
        }
    }

    /// Begins the next call.
    mutating func think(_ number: Int) {
        guard clients[number].call == nil, clients[number].nextThought == agenda.now else { return }
        if isHasty { clients[number].host = random.element(of: hosts.ids) ?? 1 }
        let key = UInt64(random.number(in: 0..<scenario.keys))
        var call = History.Call(client: UInt64(number), key: key, kind: .read, begin: agenda.now)
        if random.chance(perMille: 550), agenda.now >= quietEnd {
            clients[number].sequence += 1
            let sequence = clients[number].sequence
            // A value is of one client and one call.
            let value = UInt64(number) << 32 | sequence
            let id = CommandID(client: UInt64(number), since: 0, sequence: sequence, acknowledged: sequence - 1)
            clients[number].body = .append(ListStore.Command(id: id, key: key, value: value))
            call.kind = .append(value: value)
        } else {
            clients[number].body = .read(key: key)
        }
        clients[number].call = history.begin(call)
        clients[number].isWaitingSince = agenda.now
        clients[number].firstToken = clients[number].token + 1
        attempt(number)
    }

    private mutating func attempt(_ number: Int) {
        clients[number].token += 1
        let client = clients[number]
        let request = Request(call: .init(client: number, token: client.token), body: client.body)
        // Clients reach every host, also one that the others do not reach.
        if let delay = network.clientDelay(using: &random) {
            agenda.add(.request(host: client.host, request), after: delay)
        }
        agenda.add(.patience(client: number, token: client.token), after: patience)
    }

    mutating func losePatience(_ number: Int, _ token: Int) {
        guard clients[number].call != nil, clients[number].token == token else { return }
        tryElsewhere(number, hint: 0)
    }

    private mutating func tryElsewhere(_ number: Int, hint: UInt64) {
        let others = hosts.ids
        clients[number].host = hosts[hint] != nil ? hint : random.element(of: others) ?? 1
        attempt(number)
    }

    mutating func receive(_ request: Request, _ id: UInt64) {
        queue(.request(request), on: id)
    }

    mutating func serve(_ request: Request, _ id: UInt64) {
        guard !hosts[id]!.isWitness else {
            return reply(Reply(call: request.call, leader: hosts[id]!.raft.leader), from: id)
        }
        switch request.body {
        case .append(let command)
        where random.chance(perMille: 500) && hosts[id]!.raft.forward([Self.bytes(of: command)]):
            hosts[id]!.forwarded[command.id] = request.call
        case .append(let command):
            do throws(Raft.Refusal) {
                let index = try hosts[id]!.raft.propose([Self.bytes(of: command)])
                hosts[id]!.proposals[index] = (hosts[id]!.raft.currentTerm, request.call)
            } catch {
                reply(Reply(call: request.call, leader: hosts[id]!.raft.leader), from: id)
            }
        case .read(let key):
            hosts[id]!.lastRead += 1
            let number = hosts[id]!.lastRead
            guard hosts[id]!.raft.requestRead(number) else {
                return reply(Reply(call: request.call, leader: hosts[id]!.raft.leader), from: id)
            }
            hosts[id]!.reads[number] = (key, request.call)
        }
    }

    private static func bytes(of command: ListStore.Command) -> [UInt8] {
        (try? SimulatedState.Command.append(command).bytes) ?? []
    }

    mutating func reply(_ reply: Reply, from id: UInt64) {
        if let delay = network.clientDelay(using: &random) { agenda.add(.reply(reply), after: delay) }
    }

    mutating func receive(_ reply: Reply) {
        let number = reply.call.client
        let client = clients[number]
        guard let call = client.call, reply.call.token >= client.firstToken else { return }
        guard let view = reply.view else {
            // Others are asked at leisure, and only once for each try.
            if reply.call.token == client.token, reply.leader != client.host {
                tryElsewhere(number, hint: reply.leader)
            }
            return
        }
        history.finish(call, at: agenda.now, seeing: view)
        clients[number].call = nil
        clients[number].isWaitingSince = nil
        thinkLater(number, after: Milliseconds(random.number(in: isHasty ? 1...20 : 10...400)))
    }
}
