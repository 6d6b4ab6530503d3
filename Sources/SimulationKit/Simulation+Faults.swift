import ClusterModel
import RaftCore

/// What goes wrong, and what an administrator does.
extension Simulation {
    private func host(_ place: Int) -> UInt64? {
        let ids = hosts.ids
        return place < ids.count ? ids[place] : nil
    }

    var leader: UInt64? {
        hosts.all.filter { $0.leads && $0.frozenUntil <= agenda.now }
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
        case .changeSides(let before, let isQuiet, let duration): changeSides(before, isQuiet, duration)
        case .handOverAndCut(let delay, let duration):
            guard let leader else { return }
            handOver(leader)
            agenda.add(.obstruct(.isolate(leader), duration), after: delay)
            agenda.add(.hurry(Self.doubt), after: delay)
        case .minority(let duration): cutOffMinority(duration)
        case .changeAndCut(let isJoint, let duration): changeAndCut(isJoint, duration)
        case .strand(let delay): strand(delay)
        case .haste(let duration): hurry(for: duration)
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
        case .echo(let perMille, let duration): obstruct(.echo(perMille: perMille), duration)
        case .delay(let time, let duration): obstruct(.delay(time), duration)
        case .slowSide(let side, let time, let duration): obstruct(.slowSide(side: side, time), duration)
        case .slowDisk(let place, let latency, let duration):
            guard let id = host(place) else { return }
            hosts[id]!.latency = latency
            agenda.add(.endSlowness(id), after: duration)
        case .fullDisk(let place, let duration): if let id = host(place) { fillDisk(id, duration) }
        case .fullLeader(let duration): if let leader { fillDisk(leader, duration) }
        case .whileSending(let strike, let delay): sendTraps.append((strike, delay))
        case .skew(let place, let perMille): if let id = host(place) { hosts[id]!.setSkew(perMille, at: agenda.now) }
        case .trim(let place):
            guard let id = host(place), canWork(id) else { return }
            trim(id, keeping: UInt64(random.number(in: 0...20)))
        case .crashNode(let number, let downtime, let losesPower):
            crashAgent(number, downtime: downtime, losesPower: losesPower)
        case .isolateNode(let number, let duration):
            guard number < world.agents.count else { return }
            obstruct(.isolate(world.agents[number].endpoint), duration)
        case .upgrade(let place, let downtime): if let id = host(place) { upgrade(id, downtime: downtime) }
        case .transferLeadership: if let leader { handOver(leader) }
        case .addMember: changeMembers { $0.proposeMember(by: $1) }
        case .removeMember(let place): if let id = host(place) { changeMembers { $0.proposeRemoval(id, by: $1) } }
        case .dismiss(let place): if let id = host(place) { dismiss(id) }
        case .exchangeMembers(let count):
            guard let leader else { return }
            exchange(Array(hosts[leader]!.raft.membership.voters.shuffled(using: &random.generator).prefix(count)))
        case .changeMembers(let count):
            changeMembers { simulation, leader in
                for _ in 0..<count {
                    if simulation.random.chance(perMille: 500) {
                        simulation.proposeMember(by: leader)
                    } else if let id = simulation.host(simulation.random.number(in: 0..<simulation.hosts.count)) {
                        simulation.proposeRemoval(id, by: leader)
                    }
                }
            }
        }
    }

    mutating func handOver(_ leader: UInt64) {
        guard canWork(leader), let target = hosts[leader]!.raft.bestSuccessor else { return }
        try? hosts[leader]!.raft.transferLeadership(to: target)
        work(leader)
    }

    private static let memberLimit = 7

    /// Has a leader propose changes, one right after the other.
    private mutating func changeMembers(_ propose: (inout Simulation, UInt64) -> Void) {
        guard let leader, canWork(leader) else { return }
        propose(&self, leader)
        work(leader)
    }

    private mutating func proposeMember(by leader: UInt64) {
        guard hosts[leader]!.raft.membership.ids.count < Self.memberLimit else { return }
        let id = nextID
        let supported: SupportedVersions = scenario.hasUpgrades && id % 2 == 0 ? .unstated : .own
        guard admits(id, supported, on: leader) else { return }
        guard (try? hosts[leader]!.raft.propose(.addLearner(member(id)))) != nil else {
            world.leaderships[leader]?.gate.failed(id)
            return
        }
        nextID += 1
        addHost(id, SimulatedHost.Disk())
        hosts[id]?.supported = supported
    }

    /// Jointly: some voters go or become learners, and new ones come, which have nothing yet.
    mutating func exchange(_ leaving: [UInt64]) {
        guard let leader, canWork(leader) else { return }
        let membership = hosts[leader]!.raft.membership
        var changes: [MembershipChange] = []
        var added: [UInt64] = []
        for old in leaving {
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

    mutating func proposeRemoval(_ id: UInt64, by leader: UInt64) {
        let membership = hosts[leader]!.raft.membership
        guard membership[id] != nil, !membership.isVoter(id) || membership.voters.count > 3 else { return }
        _ = try? hosts[leader]!.raft.propose(.remove(id))
    }

    /// Learners that have caught up get their vote.
    mutating func administer() {
        agenda.add(.administer, after: 1_000)
        guard scenario.policy == nil, let leader, canWork(leader) else { return }
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
