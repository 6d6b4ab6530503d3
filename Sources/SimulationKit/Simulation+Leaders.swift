import ClusterModel
import Orchestration
import RaftCore
import SessionModel
import Values

/// What a manager does for services while it leads: it plans, serves sessions, and notices who is silent.
extension Simulation {
    private static let planPause: Milliseconds = 500
    private static let watchPause: Milliseconds = 250

    /// The host's clock as the managers read it.
    func nanoseconds(_ id: UInt64) -> Int64 { Int64(hosts[id]!.clock(at: agenda.now)) * 1_000_000 }

    func timestamp(_ id: UInt64) -> Timestamp { ServiceWorld.start.advanced(byNanoseconds: nanoseconds(id)) }

    func leads(_ id: UInt64) -> Bool {
        guard let host = hosts[id], host.leads, !host.isWitness else { return false }
        return host.raft.hasCommittedInTerm && host.appliedIndex >= host.raft.leadershipIndex
    }

    /// Begins and ends what follows from leading.
    mutating func followLeadership(of id: UInt64) {
        guard scenario.hasServices else { return }
        let term = hosts[id]!.raft.currentTerm
        if let known = world.leaderships[id], !leads(id) || known.term != term { world.leaderships[id] = nil }
        guard leads(id), world.leaderships[id] == nil else { return }
        let state = hosts[id]!.state.cluster
        world.leaderships[id] = ServiceWorld.Leadership(
            term: term,
            leases: NodeLeases(
                term: term, server: world.servers[id]?.table.server ?? "", in: state, at: nanoseconds(id)))
        reportSoon(id)
        if state.cluster == nil {
            let version: ClusterVersion = scenario.hasUpgrades ? .first : .newest
            propose(ServiceWorld.founding(nodes: world.agents.map(\.id), version: version), on: id)
        }
        agenda.add(.plan(id, term), after: 0)
        agenda.add(.watchNodes(id, term), after: Self.watchPause)
        if scenario.hasUpgrades { agenda.add(.keepVersion(id, term), after: 0) }
    }

    /// Puts a transaction into the log; its index, or nil where this host cannot.
    @discardableResult
    mutating func propose(_ mutations: [Mutation], named name: String? = nil, on id: UInt64) -> UInt64? {
        let host = hosts[id]!
        var transaction = Transaction(
            time: max(timestamp(id), host.state.cluster.time), id: name, mutations: mutations)
        // What only newer programs understand is written as soon as the cluster's version allows it.
        if host.state.cluster.version >= .stated { transaction.needs = transaction.needs ?? .stated }
        guard let bytes = try? SimulatedState.Command.transaction(transaction).bytes else { return nil }
        return try? host.raft.propose([bytes])
    }

    // MARK: Planning

    mutating func plan(_ id: UInt64, _ term: UInt64) {
        guard world.leaderships[id]?.term == term else { return }
        agenda.add(.plan(id, term), after: Self.planPause)
        planNow(id)
        work(id)
    }

    private mutating func planNow(_ id: UInt64) {
        guard canWork(id), let leadership = world.leaderships[id], leadership.plan == nil else { return }
        let state = hosts[id]!.state.cluster
        guard state.cluster != nil else { return }
        let plan = Orchestrator.plan(
            state, receipts: DataplaneReceipts(applied: receipts(of: leadership, in: state)),
            now: max(timestamp(id), state.time), using: &random.generator)
        guard !plan.mutations.isEmpty else { return }
        world.leaderships[id]!.plan = propose(plan.mutations, on: id)
    }

    mutating func watchNodes(_ id: UInt64, _ term: UInt64) {
        guard world.leaderships[id]?.term == term else { return }
        agenda.add(.watchNodes(id, term), after: Self.watchPause)
        guard canWork(id) else { return }
        let state = hosts[id]!.state.cluster
        let silent = world.leaderships[id]!.leases.silentNodes(in: state, at: nanoseconds(id))
        let mutations = NodeLeases.declareDown(silent, in: state)
        guard !mutations.isEmpty else { return }
        propose(mutations, on: id)
        work(id)
    }

    /// A transaction was applied on a host.
    mutating func applied(_ outcome: SimulatedState.Outcome, _ entry: Entry, before: ClusterState, on id: UInt64) {
        guard case .changed(let transaction, let changes, let refusal) = outcome else { return }
        world.checker.sees(
            transaction, changes, refusal, at: entry.index, by: id, from: before, to: hosts[id]!.state.cluster)
        if let needs = transaction.needs { checkVersion(needs, at: entry.index, on: id) }
        if hosts[id]!.state.cluster.version != before.version { world.rises.insert(entry.index) }
        for violation in world.checker.violations.prefix(1) { checker.note(violation.promise, violation.reason) }
        if let waiting = world.waiting[id]?.removeValue(forKey: entry.index) {
            let isOurs = waiting.term == entry.term
            answer(waiting.operator, waiting.token, isOurs ? (refusal == nil ? .done : .again) : .unknown)
        }
        remember(hosts[id]!.state.cluster)
        serverApplied(transaction, changes, at: entry.index, on: id)
        guard let leadership = world.leaderships[id] else { return }
        if leadership.plan.map({ $0 <= entry.index }) ?? false { world.leaderships[id]!.plan = nil }
        askForPlan(id)
    }

    /// Something has changed: a look at it follows, one for all that comes within a moment.
    mutating func askForPlan(_ id: UInt64) {
        guard let leadership = world.leaderships[id], !leadership.isPlanDue else { return }
        world.leaderships[id]!.isPlanDue = true
        agenda.add(.planSoon(id, leadership.term), after: 10)
    }

    mutating func planSoon(_ id: UInt64, _ term: UInt64) {
        guard world.leaderships[id]?.term == term else { return }
        world.leaderships[id]!.isPlanDue = false
        planNow(id)
        work(id)
    }

    // MARK: Operators

    mutating func serve(
        _ wish: ServiceWorld.Operator.Wish, named name: String, of number: Int, _ token: Int, on id: UInt64
    ) {
        guard world.leaderships[id] != nil else { return answer(number, token, .elsewhere(hosts[id]!.raft.leader)) }
        let state = hosts[id]!.state.cluster
        // Asked before, and done: nobody is told that what was removed is not there.
        if state.recentTransactions.contains(name) { return answer(number, token, .done) }
        guard let mutations = ServiceWorld.mutations(for: wish, in: state, at: timestamp(id)) else {
            return answer(number, token, .done)
        }
        guard let index = propose(mutations, named: name, on: id) else {
            return answer(number, token, .elsewhere(hosts[id]!.raft.leader))
        }
        world.waiting[id, default: [:]][index] = (number, token, hosts[id]!.raft.currentTerm)
    }
}
