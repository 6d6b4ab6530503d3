import RaftCore

/// What goes wrong, and what an administrator does.
extension Simulation {
    private func host(_ place: Int) -> UInt64? {
        let ids = hosts.keys.sorted()
        return place < ids.count ? ids[place] : nil
    }

    var leader: UInt64? {
        hosts.values.filter { $0.isUp && $0.raft.role == .leader && $0.frozenUntil <= agenda.now }
            .max { $0.raft.currentTerm < $1.raft.currentTerm }?.id
    }

    mutating func happen(_ fault: Fault.Kind, _ number: Int) {
        switch fault {
        case .crash(let place, let downtime): if let id = host(place) { crash(id, downtime: downtime) }
        case .powerLoss(let latency, let downtime):
            for id in hosts.keys.sorted() { hosts[id]!.latency = latency }
            agenda.add(.darkness(downtime), after: Milliseconds(random.number(in: 300...3_000)))
        case .ambush(let delay, let duration): ambushes.append((number, delay, duration))
        case .leaderStumbles(let latency, let downtime):
            guard let leader else { return }
            hosts[leader]!.latency = latency
            agenda.add(.stumble(leader, downtime), after: Milliseconds(random.number(in: 300...2_000)))
        case .contest(let duration):
            guard let leader else { return }
            obstruct(.isolate(leader), number, duration)
            for id in hosts.keys.sorted() where id != leader {
                let downtime = Milliseconds(random.number(in: 1...30))
                agenda.add(.stumble(id, downtime), after: Milliseconds(random.number(in: 500...1_500)))
            }
        case .freeze(let place, let duration):
            guard let id = host(place), hosts[id]!.isUp else { return }
            hosts[id]!.frozenUntil = agenda.now + duration
            agenda.add(.thaw(id, life: hosts[id]!.life), after: duration)
        case .cut(let from, let to, let duration):
            guard let from = host(from), let to = host(to) else { return }
            obstruct(.cut(from: from, to: to), number, duration)
        case .isolate(let place, let duration):
            if let id = host(place) { obstruct(.isolate(id), number, duration) }
        case .partition(let side, let duration): obstruct(.partition(side: side), number, duration)
        case .unreliable(let lost, let doubled, let duration):
            obstruct(.unreliable(lost: lost, doubled: doubled), number, duration)
        case .delay(let time, let duration): obstruct(.delay(time), number, duration)
        case .slowDisk(let place, let latency, let duration):
            guard let id = host(place) else { return }
            hosts[id]!.latency = latency
            agenda.add(.endSlowness(id), after: duration)
        case .skew(let place, let perMille): if let id = host(place) { hosts[id]!.setSkew(perMille, at: agenda.now) }
        case .trim(let place):
            guard let id = host(place), canWork(id) else { return }
            hosts[id]!.trim(keeping: UInt64(random.number(in: 0...20)))
        case .transferLeadership:
            guard let leader, canWork(leader), let target = hosts[leader]!.raft.bestSuccessor else { return }
            try? hosts[leader]!.raft.transferLeadership(to: target)
            work(leader)
        case .addMember: addMember()
        case .removeMember(let place): if let id = host(place) { removeMember(id) }
        }
    }

    /// A leader begins its term.
    mutating func sees(leader id: UInt64, in term: UInt64) {
        guard term > lastTerm else { return }
        lastTerm = term
        guard !ambushes.isEmpty, !isMending else { return }
        let ambush = ambushes.removeFirst()
        agenda.add(.ambush(id, ambush.number, ambush.duration), after: ambush.delay)
    }

    mutating func obstruct(_ obstacle: SimulatedNetwork.Obstacle, _ number: Int, _ duration: Milliseconds) {
        network.add(obstacle, as: number)
        agenda.add(.mend(number), after: duration)
    }

    private static let memberLimit = 7

    private mutating func addMember() {
        guard let leader, canWork(leader), hosts[leader]!.raft.membership.ids.count < Self.memberLimit else { return }
        let id = nextID
        guard (try? hosts[leader]!.raft.propose(.addLearner(Self.member(id)))) != nil else { return }
        nextID += 1
        addHost(id, SimulatedHost.Disk())
        work(leader)
    }

    private mutating func removeMember(_ id: UInt64) {
        guard let leader, canWork(leader) else { return }
        let membership = hosts[leader]!.raft.membership
        guard membership[id] != nil, !membership.isVoter(id) || membership.voters.count > 3 else { return }
        _ = try? hosts[leader]!.raft.propose(.remove(id))
        work(leader)
    }

    /// Learners that have caught up get their vote.
    mutating func administer() {
        agenda.add(.administer, after: 1_000)
        guard let leader, canWork(leader) else { return }
        let raft = hosts[leader]!.raft
        for standing in raft.membership.standings where !standing.isVoter {
            guard let progress = raft.progress(of: standing.member.id), progress.isActive,
                progress.matched + 20 > raft.lastIndex
            else { continue }
            _ = try? hosts[leader]!.raft.propose(.promote(standing.member.id))
            return work(leader)
        }
    }
}
