import RaftCore

/// What goes wrong, and what an administrator does.
extension Simulation {
    private func host(_ place: Int) -> UInt64? {
        let ids = hosts.ids
        return place < ids.count ? ids[place] : nil
    }

    var leader: UInt64? {
        hosts.all.filter { $0.isUp && $0.raft.role == .leader && $0.frozenUntil <= agenda.now }
            .max { $0.raft.currentTerm < $1.raft.currentTerm }?.id
    }

    mutating func happen(_ fault: Fault.Kind) {
        switch fault {
        case .crash(let place, let downtime): if let id = host(place) { crash(id, downtime: downtime) }
        case .powerLoss(let latency, let downtime):
            for id in hosts.ids { hosts[id]!.latency = latency }
            agenda.add(.darkness(downtime), after: Milliseconds(random.number(in: 300...3_000)))
        case .ambush(let delay, let duration): ambushes.append((delay, duration))
        case .storm(let duration):
            stormEnd = agenda.now + duration
            agenda.add(.gust, after: 0)
        case .changeSides(let before, let duration): changeSides(before, duration)
        case .handOverAndCut(let delay, let duration):
            guard let leader else { return }
            handOver(leader)
            agenda.add(.isolate(leader, duration), after: delay)
        case .leaderStumbles(let latency, let downtime):
            guard let leader else { return }
            hosts[leader]!.latency = latency
            let end = Milliseconds(random.number(in: 300...2_000))
            // Some are far away: then it matters whether the leader has written what it counts.
            let others = hosts[leader]!.raft.membership.voters.filter { $0 != leader }
            let far = others.shuffled(using: &random.generator).prefix(others.count / 2)
            obstruct(.slowSide(side: far.reduce(0) { $0 | 1 << ($1 % 64) }, 2_000), end)
            agenda.add(.stumble(leader, downtime), after: end)
        case .contest(let duration):
            guard let leader else { return }
            obstruct(.isolate(leader), duration)
            for id in hosts.ids where id != leader {
                let downtime = Milliseconds(random.number(in: 1...30))
                agenda.add(.stumble(id, downtime), after: Milliseconds(random.number(in: 500...1_500)))
            }
        case .freeze(let place, let duration):
            guard let id = host(place), hosts[id]!.isUp else { return }
            hosts[id]!.frozenUntil = agenda.now + duration
            agenda.add(.thaw(id, life: hosts[id]!.life), after: duration)
        case .cut(let from, let to, let duration):
            guard let from = host(from), let to = host(to) else { return }
            obstruct(.cut(from: from, to: to), duration)
        case .isolate(let place, let duration):
            if let id = host(place) { obstruct(.isolate(id), duration) }
        case .partition(let side, let duration): obstruct(.partition(side: side), duration)
        case .unreliable(let lost, let doubled, let duration):
            obstruct(.unreliable(lost: lost, doubled: doubled), duration)
        case .delay(let time, let duration): obstruct(.delay(time), duration)
        case .slowSide(let side, let time, let duration): obstruct(.slowSide(side: side, time), duration)
        case .slowDisk(let place, let latency, let duration):
            guard let id = host(place) else { return }
            hosts[id]!.latency = latency
            agenda.add(.endSlowness(id), after: duration)
        case .skew(let place, let perMille): if let id = host(place) { hosts[id]!.setSkew(perMille, at: agenda.now) }
        case .trim(let place):
            guard let id = host(place), canWork(id) else { return }
            hosts[id]!.trim(keeping: UInt64(random.number(in: 0...20)))
        case .crashNode(let number, let downtime, let losesPower):
            crashAgent(number, downtime: downtime, losesPower: losesPower)
        case .isolateNode(let number, let duration):
            guard number < world.agents.count else { return }
            obstruct(.isolate(world.agents[number].endpoint), duration)
        case .transferLeadership: if let leader { handOver(leader) }
        case .addMember: addMember()
        case .removeMember(let place): if let id = host(place) { removeMember(id) }
        case .exchangeMembers(let count): exchangeMembers(count)
        case .changeMembers(let count):
            for _ in 0..<count {
                if random.chance(perMille: 500) {
                    addMember()
                } else if let id = host(random.number(in: 0..<hosts.count)) {
                    removeMember(id)
                }
            }
        }
    }

    private mutating func handOver(_ leader: UInt64) {
        guard canWork(leader), let target = hosts[leader]!.raft.bestSuccessor else { return }
        try? hosts[leader]!.raft.transferLeadership(to: target)
        work(leader)
    }

    /// A leader begins its term.
    mutating func sees(leader id: UInt64, in term: UInt64) {
        guard term > lastTerm else { return }
        lastTerm = term
        elections += 1
        guard !isMending else { return }
        if agenda.now < stormEnd {
            strike(id)
        } else if !ambushes.isEmpty {
            let ambush = ambushes.removeFirst()
            agenda.add(.isolate(id, ambush.duration), after: ambush.delay)
        }
    }

    /// Cuts a leader off or lets it crash: mostly before its first entry has come to many, or just after the next one
    /// has come to some.
    private mutating func strike(_ id: UInt64) {
        let delay = Milliseconds(random.number(in: 1...[8, 25, 100, 600][random.number(in: 0..<4)]))
        if random.chance(perMille: 500) {
            agenda.add(.isolate(id, Milliseconds(random.number(in: 300...2_500))), after: delay)
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

    private mutating func changeSides(_ before: Milliseconds, _ duration: Milliseconds) {
        guard let leader else { return }
        let others = hosts[leader]!.raft.membership.voters.filter { $0 != leader }
        // With the leader a majority; the rest hears nothing and would vote.
        let side = Array(others.shuffled(using: &random.generator).prefix(others.count / 2))
        var mask: UInt64 = 1 << (leader % 64)
        for id in side { mask |= 1 << (id % 64) }
        obstruct(.partition(side: mask), before)
        agenda.add(.turn(leader: leader, side: side, duration), after: before)
    }

    mutating func turn(_ leader: UInt64, _ side: [UInt64], _ duration: Milliseconds) {
        obstruct(.isolate(leader), duration)
        for id in side { crash(id, downtime: Milliseconds(random.number(in: 1...20))) }
    }

    private static let memberLimit = 7

    private mutating func addMember() {
        guard let leader, canWork(leader), hosts[leader]!.raft.membership.ids.count < Self.memberLimit else { return }
        let id = nextID
        guard (try? hosts[leader]!.raft.propose(.addLearner(member(id)))) != nil else { return }
        nextID += 1
        addHost(id, SimulatedHost.Disk())
        work(leader)
    }

    /// Jointly: some voters go or become learners, and new ones come, which have nothing yet.
    private mutating func exchangeMembers(_ count: Int) {
        guard let leader, canWork(leader) else { return }
        let membership = hosts[leader]!.raft.membership
        var changes: [MembershipChange] = []
        var added: [UInt64] = []
        for old in membership.voters.shuffled(using: &random.generator).prefix(count) {
            guard membership.ids.count + added.count < Self.memberLimit else { break }
            changes.append(random.chance(perMille: 700) ? .remove(old) : .demote(old))
            let new = nextID + UInt64(added.count)
            changes += [.addLearner(member(new)), .promote(new)]
            added.append(new)
        }
        guard (try? hosts[leader]!.raft.propose(.joint(changes))) != nil else { return }
        nextID += UInt64(added.count)
        for new in added { addHost(new, SimulatedHost.Disk()) }
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
