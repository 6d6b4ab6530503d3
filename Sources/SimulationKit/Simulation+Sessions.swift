import ClusterModel
import RaftCore
import SessionModel

/// What managers do for the hosts that have their sessions with them, whoever leads.
extension Simulation {
    private static let informPause: Milliseconds = 20
    private static let reportPause: Milliseconds = 20
    private static let reportPatience: Milliseconds = 1_000
    private static let submissionPatience: Milliseconds = 500
    private static let serverTick: Milliseconds = 250

    /// A manager's daemon has started.
    mutating func startServer(of id: UInt64) {
        guard scenario.hasServices, let host = hosts[id], !host.isWitness else { return }
        world.servers[id] = ServiceWorld.Server(table: SessionTable(server: "\(id)/\(host.life)"))
        agenda.add(.serverTick(id, life: host.life), after: Milliseconds(random.number(in: 1...Int(Self.serverTick))))
    }

    mutating func serverTick(_ id: UInt64, _ life: Int) {
        guard let host = hosts[id], host.isUp, host.life == life, world.servers[id] != nil else { return }
        agenda.add(.serverTick(id, life: life), after: Self.serverTick)
        guard isAwake(id) else { return }
        for node in world.servers[id]!.table.quietNodes(at: nanoseconds(id)) { speak(to: node, on: id) }
        if world.servers[id]!.report == nil { report(id) }
    }

    /// Sessions go on while raft writes, or waits for room.
    private func isAwake(_ id: UInt64) -> Bool { hosts[id].map { $0.isUp && $0.frozenUntil <= agenda.now } ?? false }

    private func server(_ id: UInt64, in life: Int) -> ServiceWorld.Server? {
        guard let host = hosts[id], host.isUp, host.life == life else { return nil }
        return world.servers[id]
    }

    // MARK: What hosts say

    mutating func receive(_ message: AgentMessage, from number: Int, connection: Int, on id: UInt64) {
        let agent = world.agents[number]
        guard world.servers[id]?.table.isOpen == true else {
            return say(nil, to: agent, connection: connection, from: id)
        }
        if case .hello = message, world.servers[id]!.lines[agent.id]?.connection ?? -1 < connection {
            world.servers[id]!.lastSession += 1
            let session = "\(id)/\(hosts[id]!.life)/\(world.servers[id]!.lastSession)"
            guard hosts[id]!.state.cluster.nodes[agent.id] != nil,
                world.servers[id]!.table.open(agent.id, as: session, at: nanoseconds(id))
            else { return say(nil, to: agent, connection: connection, from: id) }
            world.servers[id]!.lines[agent.id] = ServiceWorld.Line(connection: connection, session: session)
        }
        guard let line = world.servers[id]!.lines[agent.id], line.connection == connection else { return }
        world.servers[id]!.table.heard(agent.id)
        if line.submission != nil {
            world.servers[id]!.lines[agent.id]!.waiting.append(message)
        } else {
            take(message, of: agent.id, on: id)
        }
    }

    private mutating func take(_ message: AgentMessage, of node: String, on id: UInt64) {
        guard let line = world.servers[id]?.lines[node] else { return }
        let outcome = world.servers[id]!.table.take(
            message, from: node, session: line.session, in: hosts[id]!.state.cluster)
        switch outcome {
        case .nothing: break
        case .propose(let mutations): submit(mutations, of: node, beginsSession: false, on: id)
        case .begin(let mutations): submit(mutations, of: node, beginsSession: true, on: id)
        case .report, .failed: reportSoon(id)
        case .over: hangUp(node, on: id)
        }
    }

    // MARK: What goes into the log

    private mutating func submit(
        _ mutations: [Mutation], of node: String, beginsSession: Bool, on id: UInt64
    ) {
        world.lastSubmission += 1
        let submission = ServiceWorld.Submission(
            name: "submission-\(world.lastSubmission)", mutations: mutations, beginsSession: beginsSession)
        world.servers[id]!.lines[node]!.submission = submission
        agenda.add(.attempt(submission.name, node: node, id, life: hosts[id]!.life), after: 0)
    }

    /// Asks whoever leads, again and again until it is applied here.
    mutating func attempt(_ name: String, of node: String, on id: UInt64, _ life: Int) {
        guard let submission = server(id, in: life)?.lines[node]?.submission, submission.name == name else { return }
        agenda.add(.attempt(name, node: node, id, life: life), after: Self.submissionPatience)
        guard canWork(id) else { return }
        let state = hosts[id]!.state.cluster
        // It came with a snapshot.
        if state.recentTransactions.contains(name) { return finishSubmission(of: node, at: state.index, on: id) }
        let leader = hosts[id]!.raft.leader
        if leader == id {
            put(name, submission.mutations, on: id)
            work(id)
        } else if leader != 0 {
            for delay in network.delays(from: id, to: leader, at: agenda.now, using: &random) {
                agenda.add(.submission(name, submission.mutations, to: leader), after: delay)
            }
        }
    }

    /// Where this host leads, and has not done so before.
    mutating func put(_ name: String, _ mutations: [Mutation], on id: UInt64) {
        guard world.leaderships[id] != nil, !hosts[id]!.state.cluster.recentTransactions.contains(name) else { return }
        propose(mutations, named: name, on: id)
    }

    /// A host has applied a transaction.
    mutating func serverApplied(
        _ transaction: Transaction, _ changes: [AppliedChange], at index: UInt64, on id: UInt64
    ) {
        guard let server = world.servers[id] else { return }
        world.servers[id]!.changes?.append(contentsOf: changes)
        if !server.isInformDue {
            world.servers[id]!.isInformDue = true
            agenda.add(.inform(id, life: hosts[id]!.life), after: Self.informPause)
        }
        guard let name = transaction.id else { return }
        let node = server.lines.first { $0.value.submission?.name == name }?.key
        if let node { finishSubmission(of: node, at: index, on: id) }
    }

    private mutating func finishSubmission(of node: String, at index: UInt64, on id: UInt64) {
        guard let line = world.servers[id]?.lines[node], let submission = line.submission else { return }
        world.servers[id]!.lines[node]!.submission = nil
        world.servers[id]!.lines[node]!.waiting = []
        if submission.beginsSession {
            world.servers[id]!.table.begun(line.session, of: node, at: index)
            if !world.servers[id]!.isInformDue {
                world.servers[id]!.isInformDue = true
                agenda.add(.inform(id, life: hosts[id]!.life), after: 0)
            }
        }
        for (place, message) in line.waiting.enumerated() {
            guard world.servers[id]?.lines[node]?.connection == line.connection else { return }
            take(message, of: node, on: id)
            if world.servers[id]?.lines[node]?.submission != nil {
                world.servers[id]!.lines[node]!.waiting = Array(line.waiting[(place + 1)...])
                return
            }
        }
    }

    // MARK: What hosts are told

    mutating func inform(_ id: UInt64, _ life: Int) {
        guard let server = server(id, in: life) else { return }
        // One that stands still looks when it goes on.
        guard isAwake(id) else { return agenda.add(.inform(id, life: life), after: Self.informPause) }
        world.servers[id]!.isInformDue = false
        let state = hosts[id]!.state.cluster
        if server.table.isEmpty {
            world.servers[id]!.view = nil
            world.servers[id]!.table.endLook(at: state.index)
        } else {
            var view = server.view ?? ClusterView(state)
            let touched = view.update(to: state, server.view == nil ? [] : server.changes)
            let due = world.servers[id]!.table.inform(&view, touched)
            world.servers[id]!.view = view
            for node in due { speak(to: node, on: id) }
        }
        world.servers[id]!.changes = []
        if world.servers[id]!.table.hasNews { reportSoon(id) }
    }

    private mutating func speak(to node: String, on id: UInt64) {
        guard let line = world.servers[id]?.lines[node],
            let agent = world.agents.first(where: { $0.id == node })
        else { return }
        while true {
            switch world.servers[id]!.table.next(line.session, of: node, at: nanoseconds(id)) {
            case .say(let messages):
                for message in messages {
                    say(message, to: agent, connection: line.connection, from: id)
                    guard world.servers[id]?.lines[node]?.connection == line.connection else { return }
                }
            case .wait: return
            case .over: return hangUp(node, on: id)
            }
        }
    }

    private mutating func hangUp(_ node: String, on id: UInt64) {
        guard let line = world.servers[id]?.lines.removeValue(forKey: node) else { return }
        world.servers[id]!.table.close(line.session, of: node)
        guard let agent = world.agents.first(where: { $0.id == node }) else { return }
        say(nil, to: agent, connection: line.connection, from: id)
    }

    /// Messages of one connection keep their order; one that is lost ends it.
    private mutating func say(_ message: ManagerMessage?, to agent: SimulatedAgent, connection: Int, from id: UInt64) {
        guard let delay = network.sessionDelay(from: id, to: agent.endpoint, at: agenda.now, using: &random) else {
            if let line = world.servers[id]?.lines[agent.id], line.connection == connection {
                world.servers[id]!.lines[agent.id] = nil
                world.servers[id]!.table.close(line.session, of: agent.id)
            }
            return
        }
        let number = Int(agent.endpoint - ServiceWorld.firstEndpoint)
        agenda.add(.toAgent(number, connection, message, leader: hosts[id]!.raft.leader), after: delay)
    }

    // MARK: What the leader is told

    /// One report for all that comes within a moment.
    mutating func reportSoon(_ id: UInt64) {
        guard let server = world.servers[id], !server.isReportDue else { return }
        world.servers[id]!.isReportDue = true
        agenda.add(.reportDue(id, life: hosts[id]!.life), after: Self.reportPause)
    }

    mutating func reportDue(_ id: UInt64, _ life: Int) {
        guard let server = server(id, in: life) else { return }
        // What comes while another is on its way goes with the next.
        guard server.report == nil, isAwake(id) else {
            return agenda.add(.reportDue(id, life: life), after: Self.reportPause)
        }
        world.servers[id]!.isReportDue = false
        report(id)
    }

    private func mayServe(_ id: UInt64) -> Bool {
        hosts[id]!.raft.membership[id] != nil
            && (world.leaderships[id] != nil || hosts[id]!.state.cluster.namesSessions)
    }

    private mutating func report(_ id: UInt64) {
        let leader = hosts[id]!.raft.leader
        guard mayServe(id), leader != 0 else { return reportLost(id) }
        let report = world.servers[id]!.table.report(term: hosts[id]!.raft.currentTerm)
        guard leader != id else {
            return take(report, from: id, on: id) == nil ? reportLost(id) : delivered(to: id, leaderIndex: nil)
        }
        world.servers[id]!.report = report.number
        agenda.add(.reportLate(id, life: hosts[id]!.life, report.number), after: Self.reportPatience)
        for delay in network.delays(from: id, to: leader, at: agenda.now, using: &random) {
            agenda.add(.report(report, from: id, to: leader), after: delay)
        }
    }

    private mutating func reportLost(_ id: UInt64) {
        world.servers[id]!.table.lost()
        guard world.servers[id]!.table.mustEnd(mayServe: mayServe(id), at: nanoseconds(id)) else { return }
        endSessions(on: id)
    }

    private mutating func endSessions(on id: UInt64) {
        for node in world.servers[id]!.lines.keys.sorted() { hangUp(node, on: id) }
        world.servers[id]!.table.end()
    }

    private mutating func delivered(to id: UInt64, leaderIndex: UInt64?) {
        world.servers[id]!.table.delivered(
            at: nanoseconds(id), leaderIndex: leaderIndex, applied: hosts[id]!.state.cluster.index)
        if world.servers[id]!.table.mustEnd(mayServe: true, at: nanoseconds(id)) { endSessions(on: id) }
    }

    mutating func receive(_ report: SessionReport, from server: UInt64, on id: UInt64) {
        // One that was taken out of the group learns of nothing any more.
        guard hosts[id]!.raft.membership[server] != nil, let index = take(report, from: server, on: id)
        else { return }
        for delay in network.delays(from: id, to: server, at: agenda.now, using: &random).prefix(1) {
            agenda.add(
                .reportTaken(server, report.number, server: report.server, leaderIndex: index), after: delay)
        }
    }

    /// What the leader has applied; nil where it is none to this report.
    private mutating func take(_ report: SessionReport, from server: UInt64, on id: UInt64) -> UInt64? {
        guard world.leaderships[id]?.leases.term == report.term else { return nil }
        let state = hosts[id]!.state.cluster
        let isNews = world.leaderships[id]!.leases.take(
            report, from: "\(server)", in: state, at: nanoseconds(id))
        if isNews { askForPlan(id) }
        return state.index
    }

    mutating func reportTaken(_ id: UInt64, _ number: UInt64, _ name: String, leaderIndex: UInt64) {
        guard let server = world.servers[id], hosts[id]?.isUp == true, server.table.server == name,
            server.report == number
        else { return }
        world.servers[id]!.report = nil
        delivered(to: id, leaderIndex: leaderIndex)
    }

    mutating func reportLate(_ id: UInt64, _ life: Int, _ number: UInt64) {
        guard let server = server(id, in: life), server.report == number else { return }
        world.servers[id]!.report = nil
        reportLost(id)
    }

    // MARK: What hosts hold

    /// A host has made a picture of what it was told: it is the one that is made of the whole state.
    mutating func check(_ picture: HostPicture, of agent: SimulatedAgent) {
        let index = picture.revision.index
        guard index % Self.checkedPictures == 0, let past = world.past[index] else { return }
        guard WholePicture(past).host(agent.id) != picture else { return }
        checker.note(.receipts, "\(agent.id) was told another picture than that of revision \(index)")
    }

    /// One in so many revisions is looked at.
    private static let checkedPictures: UInt64 = 5

    /// States that hosts' pictures are compared with.
    private static let pastLimit: UInt64 = 2_000

    mutating func remember(_ state: ClusterState) {
        guard world.past[state.index] == nil else { return }
        world.past[state.index] = state
        if state.index > Self.pastLimit { world.past[state.index - Self.pastLimit] = nil }
    }

    /// What the leader believes of hosts' data planes; nothing that is not so.
    mutating func receipts(of leadership: ServiceWorld.Leadership, in state: ClusterState) -> [String: UInt64] {
        let receipts = leadership.leases.receipts(in: state)
        var whole: WholePicture?
        for agent in world.agents {
            guard let receipt = receipts[agent.id], let held = agent.held, held.revision.index < receipt,
                let past = world.past[receipt]
            else { continue }
            if world.lastWanted[agent.id]?.receipt != receipt {
                if whole?.state.index != receipt { whole = WholePicture(past) }
                world.lastWanted[agent.id] = (receipt, whole!.host(agent.id))
            }
            let wanted = world.lastWanted[agent.id]!.picture
            if wanted.map({ held.at($0.revision) != $0 }) ?? false {
                checker.note(
                    .receipts, "\(agent.id) is said to hold revision \(receipt), and holds \(held.revision.index)")
            }
        }
        return receipts
    }
}
