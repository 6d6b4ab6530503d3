import RaftCore

/// Hosts that hear a leader, and change sides.
struct SideChange {
    let leader: UInt64
    let near: [UInt64]
    let isQuiet: Bool
    /// How long the leader is cut off then.
    let duration: Milliseconds
    /// What is between them and the others until then.
    var obstacle = 0

    init(leader: UInt64, near: [UInt64], isQuiet: Bool, _ duration: Milliseconds) {
        (self.leader, self.near, self.isQuiet, self.duration) = (leader, near, isQuiet, duration)
    }
}

/// Faults that strike where something has just happened: what a rule of the core is there for comes seldom by chance.
extension Simulation {
    /// How long clients lose no time where somebody may think wrongly that it leads.
    static let doubt: Milliseconds = 1_500

    /// A leader begins its term.
    mutating func sees(leader id: UInt64, in term: UInt64) {
        guard term > lastTerm else { return }
        lastTerm = term
        elections += 1
        guard !isMending else { return }
        for strand in strands { agenda.add(.unstrand(strand.obstacle), after: strand.delay) }
        strands = []
        if agenda.now < stormEnd {
            strike(id)
        } else if !ambushes.isEmpty {
            let ambush = ambushes.removeFirst()
            agenda.add(.obstruct(.isolate(id), ambush.duration), after: ambush.delay)
        }
    }

    /// Cuts a leader off or lets it crash: mostly before its first entry has come to many, or just after the next one
    /// has come to some.
    private mutating func strike(_ id: UInt64) {
        let delay = Milliseconds(random.number(in: 1...[8, 25, 100, 600][random.number(in: 0..<4)]))
        if random.chance(perMille: 500) {
            agenda.add(.obstruct(.isolate(id), Milliseconds(random.number(in: 300...2_500))), after: delay)
        } else {
            agenda.add(.stumble(id, Milliseconds(random.number(in: 1...1_500))), after: delay)
        }
    }

    /// Leaders that have lasted are struck again.
    mutating func gust() {
        guard agenda.now < stormEnd, !isMending else { return }
        if let leader { strike(leader) }
        agenda.add(.gust, after: Milliseconds(random.number(in: 1_000...3_000)))
    }

    /// A line around some hosts.
    private func side(of ids: [UInt64]) -> SimulatedNetwork.Obstacle {
        .partition(side: ids.reduce(0) { $0 | 1 << ($1 % 64) })
    }

    mutating func changeSides(_ before: Milliseconds, _ isQuiet: Bool, _ duration: Milliseconds) {
        guard let leader else { return }
        let others = hosts[leader]!.raft.membership.voters.filter { $0 != leader }
        // With the leader a majority; the rest hears nothing and would vote.
        let near = Array(others.shuffled(using: &random.generator).prefix(others.count / 2))
        // What was begun before it became quiet is done by then.
        let settling: Milliseconds = isQuiet ? 400 : 0
        quietEnd = isQuiet ? agenda.now + settling + before : 0
        agenda.add(.part(SideChange(leader: leader, near: near, isQuiet: isQuiet, duration), before), after: settling)
    }

    mutating func part(_ change: SideChange, _ before: Milliseconds) {
        guard !isMending else { return }
        var change = change
        change.obstacle = obstruct(side(of: [change.leader] + change.near), before)
        sideChange = change
        agenda.add(.turn, after: before - 1)
    }

    /// A member is about to ask for votes: where it is quiet that is the moment, while the leader has a lease.
    mutating func foresee(_ id: UInt64) {
        guard let change = sideChange, change.isQuiet, change.leader != id, !change.near.contains(id) else { return }
        var next = hosts[id]!.raft
        next.tick()
        let isAsking = next.takeReady()?.messagesAfterPersisting.contains { message in
            if case .preVoteRequest = message.body { true } else { false }
        }
        if isAsking == true { turn() }
    }

    /// Those near the leader come back before the requests for votes are there, most of the time.
    mutating func turn() {
        guard !isMending, let change = sideChange else { return }
        sideChange = nil
        quietEnd = 0
        network.remove(change.obstacle)
        obstruct(.isolate(change.leader), change.duration)
        for id in change.near {
            crash(id, downtime: change.isQuiet ? 1 : Milliseconds(random.number(in: 1...20)))
        }
        hurry(for: Self.doubt)
    }

    mutating func cutOffMinority(_ duration: Milliseconds) {
        guard let leader else { return }
        let others = hosts[leader]!.raft.membership.voters.filter { $0 != leader }
        let near = others.shuffled(using: &random.generator).prefix(max(0, others.count - 1) / 2)
        obstruct(side(of: [leader] + near), duration)
        hurry(for: Self.doubt)
    }

    mutating func strand(_ delay: Milliseconds) {
        guard let leader else { return }
        hurry(for: 2 * Self.doubt)
        strands.append((obstruct(.isolate(leader), 3 * Self.doubt), delay))
    }

    mutating func unstrand(_ obstacle: Int) {
        guard !isMending, case .isolate(let stranded) = network.obstacles[obstacle] else { return }
        network.remove(obstacle)
        for id in hosts.ids where id != stranded {
            if canWork(id) { trim(id, keeping: 0) } else { trimming.insert(id) }
        }
    }

    mutating func changeAndCut(_ isJoint: Bool, _ duration: Milliseconds) {
        guard let leader, canWork(leader) else { return }
        let membership = hosts[leader]!.raft.latestMembership
        changeTrap = (leader, membership.electorate, duration)
        let others = membership.voters.filter { $0 != leader }.shuffled(using: &random.generator).prefix(2)
        if isJoint {
            exchange(Array(others))
        } else {
            for id in others { proposeRemoval(id, by: leader) }
            work(leader)
        }
    }

    /// Whose majorities decide, as a leader sees it.
    mutating func sees(electorate: Electorate, of id: UInt64) {
        guard let trap = changeTrap, trap.leader == id, trap.electorate != electorate else { return }
        changeTrap = nil
        let newcomers = electorate.incoming.filter { !trap.electorate.contains($0) }
        let known = electorate.incoming.filter { $0 != id && trap.electorate.contains($0) }
        let near = (newcomers + known.shuffled(using: &random.generator)).prefix(electorate.incoming.count / 2)
        obstruct(side(of: [id] + near), trap.duration)
        hurry(for: Self.doubt)
    }
}
