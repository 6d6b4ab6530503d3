import ClusterModel
import SessionModel
import Values

/// What the hosts of a simulated cluster do: keep a session, apply pictures, run tasks.
extension Simulation {
    private static let silence: Milliseconds = 3_000

    private var time: Timestamp { ServiceWorld.start.advanced(byNanoseconds: Int64(agenda.now) * 1_000_000) }

    mutating func beginServices() {
        guard scenario.hasServices else { return }
        for number in 0..<scenario.nodes {
            world.agents.append(
                SimulatedAgent(id: "n\(number)", endpoint: ServiceWorld.firstEndpoint + UInt64(number)))
            agenda.add(.agentTick(number, 0), after: Milliseconds(random.number(in: 1...500)))
        }
        for number in 0..<2 {
            world.operators.append(ServiceWorld.Operator())
            agenda.add(.operate(number), after: 3_000)
        }
    }

    mutating func agentTick(_ number: Int, _ life: Int) {
        let agent = world.agents[number]
        guard agent.isUp, agent.life == life else { return }
        agenda.add(.agentTick(number, life), after: 500)
        if let connection = agent.connection {
            if agenda.now > connection.lastHeard + Self.silence {
                agent.connection = nil
            } else {
                say(.heartbeat, number)
            }
        } else {
            // Whoever leads is sure to serve; others may.
            let isSure = hosts[agent.leader] != nil && random.chance(perMille: 500)
            let manager = isSure ? agent.leader : random.element(of: hosts.ids) ?? 1
            agent.leader = 0
            connect(number, to: manager)
        }
        failByChance(number)
    }

    /// Containers end by themselves, also where no picture comes.
    private mutating func failByChance(_ number: Int) {
        let agent = world.agents[number]
        guard !isMending, !agent.hasSession else { return }
        for (id, container) in agent.containers.sorted(by: { $0.key < $1.key })
        where !container.isBusy && container.status.state == .running && random.chance(perMille: 20) {
            agent.containers[id]!.isBusy = true
            agenda.add(.taskStep(number, agent.life, id, .failed), after: 1)
        }
    }

    private mutating func connect(_ number: Int, to manager: UInt64) {
        let agent = world.agents[number]
        agent.lastConnection += 1
        agent.connection = SimulatedAgent.Connection(
            manager: manager, number: agent.lastConnection, lastHeard: agenda.now)
        for message in agent.ledger.open(agent.hello) {
            say(agent.takesSections ? agent.reader.complete(message) : message, number)
        }
    }

    private mutating func say(_ message: AgentMessage, _ number: Int) {
        let agent = world.agents[number]
        guard let connection = agent.connection else { return }
        let delay = network.sessionDelay(
            from: agent.endpoint, to: connection.manager, at: agenda.now, using: &random)
        guard let delay else {
            agent.connection = nil
            return
        }
        agenda.add(
            .toManager(connection.manager, agent: number, connection: connection.number, message), after: delay)
    }

    /// - Parameter message: nil where the manager ends the connection, and says who leads where it knows.
    mutating func receive(_ message: ManagerMessage?, leader: UInt64, on number: Int, connection: Int) {
        let agent = world.agents[number]
        guard agent.isUp, agent.connection?.number == connection else { return }
        guard let message else {
            agent.connection = nil
            agent.leader = leader
            return
        }
        agent.connection?.lastHeard = agenda.now
        agent.connection?.isSession = true
        let read: ManagerMessage?
        do {
            read = try scenario.isEncoded ? agent.reader.read(message.encoded()) : agent.reader.read(message)
        } catch {
            return checker.note(.receipts, "\(agent.id): \(error)")
        }
        if case .picture(let picture) = read { check(picture, of: agent) }
        guard let read, agent.ledger.take(read), !agent.isApplying else { return }
        agent.isApplying = true
        agenda.add(.applyPicture(number, agent.life), after: Milliseconds(random.number(in: 5...60)))
    }

    mutating func applyPicture(_ number: Int, _ life: Int) {
        let agent = world.agents[number]
        guard agent.isUp, agent.life == life, let picture = agent.ledger.wanted else { return }
        agent.isApplying = false
        let hasFailed = !isMending && random.chance(perMille: 20)
        agent.held = hasFailed ? nil : picture
        say(agent.ledger.apply(picture, failure: hasFailed ? "out of luck" : nil), number)
        if hasFailed {
            agent.isApplying = true
            agenda.add(.applyPicture(number, life), after: 1_000)
        }
        var known: Set<String> = []
        for assigned in picture.tasks {
            let id = assigned.task.id
            known.insert(id)
            if agent.containers[id] == nil {
                agent.containers[id] = SimulatedAgent.Container(
                    assigned: assigned,
                    status: TaskStatus(timestamp: time, state: .assigned, message: ""))
            }
            agent.containers[id]!.assigned = assigned
            proceed(id, number)
        }
        for id in agent.containers.keys.sorted() where !known.contains(id) {
            agent.containers[id] = nil
            agent.ledger.forget(id)
        }
    }

    /// Begins the task's next step, where there is one.
    private mutating func proceed(_ id: String, _ number: Int) {
        let agent = world.agents[number]
        guard let container = agent.containers[id], !container.isBusy, !container.status.state.isTerminal else {
            return
        }
        let next: TaskState
        if container.assigned.task.desiredState >= .shutdown {
            next = .shutdown
        } else {
            switch container.status.state {
            case .assigned: next = .preparing
            case .preparing: next = .ready
            case .ready where container.assigned.task.desiredState == .running && agent.ledger.holds(id):
                next = .running
            case .running where !isMending && random.chance(perMille: 10): next = .failed
            default: return
            }
        }
        agent.containers[id]!.isBusy = true
        agenda.add(.taskStep(number, agent.life, id, next), after: Milliseconds(random.number(in: 5...800)))
    }

    mutating func taskStep(_ number: Int, _ life: Int, _ id: String, _ next: TaskState) {
        let agent = world.agents[number]
        guard agent.isUp, agent.life == life, agent.containers[id] != nil else { return }
        agent.containers[id]!.isBusy = false
        let isWanted = agent.containers[id]!.assigned.task.desiredState == .running
        switch (agent.containers[id]!.status.state, next) {
        case (.running, .failed): endAttempt(id, number)
        case (.running, .running) where !agent.hasSession && isWanted:
            agent.containers[id]!.attempts.begin()
            agent.containers[id]!.hasEnded = false
            world.attempts += 1
            tell(id, .running, isReady: true, number)
        case (.running, .running): tell(id, isWanted ? .failed : .shutdown, isReady: false, number)
        default: tell(id, next, isReady: next == .running, number)
        }
        proceed(id, number)
    }

    private mutating func tell(_ id: String, _ state: TaskState, isReady: Bool, _ number: Int) {
        let observation = world.agents[number].tell(id, state, isReady: isReady, at: time)
        if let observation { report(observation, number) }
    }

    /// A container has ended by itself.
    private mutating func endAttempt(_ id: String, _ number: Int) {
        let agent = world.agents[number]
        let outcome = agent.containers[id]!.attempts.end(
            isSuccess: false, policy: agent.containers[id]!.assigned.task.spec.restartPolicy,
            hasSession: agent.hasSession, at: time)
        switch outcome {
        case .report: tell(id, .failed, isReady: false, number)
        case .again(let nanoseconds):
            agent.containers[id]!.hasEnded = true
            agent.containers[id]!.isBusy = true
            tell(id, .running, isReady: false, number)
            agenda.add(.taskStep(number, agent.life, id, .running), after: Milliseconds(nanoseconds / 1_000_000))
        }
    }

    private mutating func report(_ observation: TaskObservation, _ number: Int) {
        let agent = world.agents[number]
        guard agent.ledger.observe(observation) else { return }
        agenda.add(.agentReport(number, agent.life), after: 10)
    }

    mutating func agentReport(_ number: Int, _ life: Int) {
        let agent = world.agents[number]
        guard agent.isUp, agent.life == life, let report = agent.ledger.report() else { return }
        say(report, number)
    }

    // MARK: Faults

    /// The daemon ends and comes back; where the host loses its power, containers end with it.
    mutating func crashAgent(_ number: Int, downtime: Milliseconds, losesPower: Bool) {
        guard number < world.agents.count, world.agents[number].isUp else { return }
        let agent = world.agents[number]
        agent.isUp = false
        agent.life += 1
        agent.connection = nil
        agent.ledger = .init()
        agent.reader = .init()
        if losesPower { agent.held = nil }
        agent.isApplying = false
        for id in agent.containers.keys {
            agent.containers[id]!.isBusy = false
            let state = agent.containers[id]!.status.state
            if losesPower, !state.isTerminal {
                let failed = state >= .running ? TaskState.failed : .rejected
                agent.containers[id]!.status = TaskStatus(timestamp: time, state: failed, message: "")
                agent.containers[id]!.isReady = false
                agent.containers[id]!.hasEnded = false
            }
        }
        agenda.add(.startAgent(number, agent.life), after: downtime)
    }

    mutating func startAgent(_ number: Int, _ life: Int) {
        let agent = world.agents[number]
        guard !agent.isUp, agent.life == life else { return }
        agent.isUp = true
        for id in agent.containers.keys.sorted() {
            if let observation = agent.observation(of: id) { _ = agent.ledger.observe(observation) }
            // The new daemon sees it for the first time.
            guard agent.containers[id]!.hasEnded else { continue }
            agent.containers[id]!.isBusy = true
            agenda.add(.taskStep(number, agent.life, id, .failed), after: 20)
        }
        agenda.add(.agentTick(number, agent.life), after: Milliseconds(random.number(in: 1...500)))
    }
}
