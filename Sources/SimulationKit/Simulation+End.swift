import RaftCore

/// The end of a run: everything is mended, and the group has to agree.
extension Simulation {
    /// Once everything is mended a group is looked at so often, and has to have agreed again at the last look: a member
    /// that has just come may have the whole log to fetch.
    private static let looks = 5
    /// Between two looks, and how long nobody may wait then.
    private static let recovery: Milliseconds = 60_000

    mutating func recover() {
        mend()
        for look in 1...UInt64(Self.looks) {
            let end = scenario.duration + look * Self.recovery
            while checker.violations.isEmpty, let event = agenda.next(before: end) { handle(event) }
            guard checker.violations.isEmpty else { return }
            let before = checker
            checkConvergence()
            guard look < Self.looks, checker.violations.contains(where: { $0.promise == .convergence }) else { return }
            checker = before
        }
    }

    /// Everything that is wrong ends, and all hosts run.
    private mutating func mend() {
        isMending = true
        ambushes = []
        stormEnd = 0
        (hasteEnd, quietEnd) = (0, 0)
        strands = []
        sendTraps = []
        changeTrap = nil
        sideChange = nil
        network.mend()
        loseOne()
        for id in hosts.ids {
            hosts[id]!.latency = SimulatedHost.usualLatency
            (hosts[id]!.frozenUntil, hosts[id]!.fullUntil) = (0, 0)
            hosts[id]!.supported = .own
            hosts[id]!.setSkew(0, at: agenda.now)
            if !hosts[id]!.isUp, !hosts[id]!.isLost { start(id) }
            work(id)
        }
        mendServices()
    }

    /// All members have one state, which has everything that was acknowledged, and what clients saw was a view of it.
    private mutating func checkConvergence() {
        let leading = hosts.all.filter(\.leads)
        guard let leader = leading.max(by: { $0.raft.currentTerm < $1.raft.currentTerm }),
            leader.raft.hasCommittedInTerm
        else {
            let waited = agenda.now - scenario.duration
            return checker.note(.convergence, "no leader \(waited) ms after everything was mended")
        }
        if leader.isWitness { checker.note(.convergence, "the witness leads although others are there") }
        let waiting = clients.filter { $0.isWaitingSince.map { agenda.now > $0 + Self.recovery / 2 } ?? false }
        if let client = waiting.first {
            checker.note(.convergence, "client \(client.id) has waited since \(client.isWaitingSince!) ms")
        }
        for id in leader.raft.membership.ids {
            guard let host = hosts[id], !host.isLost else { continue }
            if host.hasLeftovers { checker.note(.snapshots, "\(id) keeps a snapshot that it has no use for") }
            if host.isWaitingForRoom { checker.note(.convergence, "\(id) waits for room that there is") }
            if host.appliedIndex + 50 < leader.appliedIndex {
                checker.note(.convergence, "\(id) has applied \(host.appliedIndex) of \(leader.appliedIndex)")
            }
            let all = leader.state.lists.lists
            for (key, list) in host.state.lists.lists where !all[key, default: []].starts(with: list) {
                if host.appliedIndex <= leader.appliedIndex {
                    checker.note(.convergence, "\(id) has another list \(key) than the leader")
                }
            }
        }
        for violation in history.violations(given: leader.state.lists.lists) {
            checker.note(violation.promise, violation.reason)
        }
        checkManagers(leader.raft.membership)
        if scenario.hasServices { checkServices(leader.state.cluster) }
        if scenario.hasUpgrades, !leader.isWitness { checkUpgrades(leader.state.cluster) }
    }
}
