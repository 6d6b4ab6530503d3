import ClusterModel

/// Those who change services, one change after the other, and what has to be true of their services in the end.
extension Simulation {
    private static let patience: Milliseconds = 2_000

    /// What an operator is told.
    enum OperatorAnswer {
        case done
        /// Refused, since something else changed meanwhile.
        case again
        case elsewhere(UInt64)
        /// Nobody knows.
        case unknown
    }

    /// Begins the operator's next change.
    mutating func operate(_ number: Int) {
        guard world.operators[number].request == nil, !isMending else { return }
        let known = world.operators[number].acknowledged.filter { $0.value != nil }.keys.sorted()
        let replicas = UInt64(random.number(in: 1...5))
        let image = random.number(in: 1...9)
        let wish: ServiceWorld.Operator.Wish
        switch random.number(in: 0..<10) {
        case 0..<3 where known.count < 3, 0..<10 where known.isEmpty:
            world.operators[number].lastService += 1
            let name = "s\(number)-\(world.operators[number].lastService)"
            wish = .put(service: name, replicas: replicas, image: image)
        case 0..<8: wish = .put(service: random.element(of: known)!, replicas: replicas, image: image)
        case 8: wish = .remove(service: random.element(of: known)!)
        default:
            wish = .drain(node: random.element(of: world.agents)!.id, random.chance(perMille: 400))
        }
        world.operators[number].token += 1
        ask(number, "o\(number)-\(world.operators[number].token)", wish)
    }

    private mutating func ask(_ number: Int, _ name: String, _ wish: ServiceWorld.Operator.Wish) {
        world.operators[number].request = (name, wish)
        world.operators[number].token += 1
        let token = world.operators[number].token
        if let delay = network.clientDelay(using: &random) {
            agenda.add(.wish(world.operators[number].manager, operator: number, token), after: delay)
        }
        agenda.add(.operatorPatience(number, token), after: Self.patience)
    }

    mutating func wish(on id: UInt64, _ number: Int, _ token: Int) {
        guard let request = world.operators[number].request else { return }
        queue(.wish(request.wish, name: request.id, operator: number, token: token), on: id)
    }

    mutating func operatorPatience(_ number: Int, _ token: Int) {
        guard let request = world.operators[number].request, world.operators[number].token == token else { return }
        world.operators[number].manager = random.element(of: hosts.ids) ?? 1
        ask(number, request.id, request.wish)
    }

    mutating func answer(_ number: Int, _ token: Int, _ answer: OperatorAnswer) {
        guard let delay = network.clientDelay(using: &random) else { return }
        agenda.add(.operatorAnswer(number, token, answer), after: delay)
    }

    mutating func receive(_ answer: OperatorAnswer, _ number: Int, _ token: Int) {
        guard let request = world.operators[number].request, world.operators[number].token == token else { return }
        switch answer {
        case .done:
            world.changes += 1
            switch request.wish {
            case .put(let service, let replicas, let image):
                world.operators[number].acknowledged[service] = (replicas, image)
            case .remove(let service): world.operators[number].acknowledged[service] = .some(nil)
            case .drain: break
            }
            world.operators[number].request = nil
            agenda.add(.operate(number), after: Milliseconds(random.number(in: 1_000...15_000)))
        case .again: ask(number, request.id, request.wish)
        case .elsewhere(let leader):
            // Whoever knows of no other leader is asked again when patience ends, or somebody else is.
            guard hosts[leader] != nil, leader != world.operators[number].manager else { return }
            world.operators[number].manager = leader
            ask(number, request.id, request.wish)
        case .unknown: break
        }
    }

    // MARK: The end

    mutating func mendServices() {
        for (number, agent) in world.agents.enumerated() where !agent.isUp { startAgent(number, agent.life) }
        for number in world.agents.indices { agenda.add(.activate(number, 0), after: 1_000) }
    }

    /// A node takes tasks again, whoever leads.
    mutating func activate(_ number: Int, _ attempt: Int) {
        guard attempt < 60 else { return }
        let node = world.agents[number].id
        guard let leader, world.leaderships[leader] != nil, canWork(leader),
            hosts[leader]!.state.cluster.nodes[node]?.spec.availability == .active
        else {
            if let leader, world.leaderships[leader] != nil {
                let name = "activate-\(node)-\(attempt)"
                queue(.wish(.drain(node: node, false), name: name, operator: 0, token: -1), on: leader)
            }
            return agenda.add(.activate(number, attempt + 1), after: 500)
        }
    }

    /// Acknowledged services are there as they were acknowledged, and run; nothing runs that is not there.
    mutating func checkServices(_ state: ClusterState) {
        for (number, someone) in world.operators.enumerated() {
            if let request = someone.request {
                checker.note(.convergence, "operator \(number) waits for \(request.wish)")
                continue
            }
            for (service, acknowledged) in someone.acknowledged.sorted(by: { $0.key < $1.key }) {
                check(service, acknowledged, state)
            }
        }
        for node in state.nodes.values.sorted(by: { $0.id < $1.id }) where node.status.state != .ready {
            checker.note(.convergence, "node \(node.id) is \(node.status.state)")
        }
        for agent in world.agents {
            for id in agent.containers.keys.sorted() {
                guard let container = agent.containers[id], !container.status.state.isTerminal else { continue }
                if state.tasks[id]?.nodeID != agent.id || state.tasks[id]?.mayRun != true {
                    checker.note(.convergence, "\(agent.id) runs \(id), which is not its task")
                }
            }
        }
    }

    private mutating func check(
        _ name: String, _ acknowledged: (replicas: UInt64, image: Int)?, _ state: ClusterState
    ) {
        guard let acknowledged else {
            if state.services[name] != nil { checker.note(.durability, "service \(name) was removed and is there") }
            return
        }
        guard let service = state.services[name] else {
            return checker.note(.durability, "service \(name) was acknowledged and is not there")
        }
        let expected = ServiceWorld.specification(name, replicas: acknowledged.replicas, image: acknowledged.image)
        guard service.spec == expected else {
            return checker.note(.durability, "service \(name) is not as it was acknowledged")
        }
        let serving = state.tasks(ofService: name).filter { $0.isServing && $0.specVersion == service.specVersion }
        guard serving.count == Int(acknowledged.replicas) else {
            let tasks = state.tasks(ofService: name).filter(\.isLive).map {
                "\($0.slot) \($0.status.state)/\($0.desiredState) on \($0.nodeID)"
            }
            return checker.note(
                .convergence,
                "service \(name) has \(serving.count) of \(acknowledged.replicas) tasks: \(tasks.sorted())")
        }
        for task in serving {
            let agent = world.agents.first { $0.id == task.nodeID }
            if agent?.containers[task.id]?.status.state != .running {
                checker.note(.convergence, "task \(task.id) of \(name) does not run on \(task.nodeID)")
            }
        }
    }
}
