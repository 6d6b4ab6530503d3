import ClusterModel
import RaftCore
import SessionModel

/// One run of a scenario: hosts, clients and a network under one clock, on one thread. The same scenario runs the same
/// way each time.
public struct Simulation {
    /// What came of a run.
    public struct Outcome: Hashable, Sendable {
        public var violations: [Violation] = []
        /// Calls that were answered.
        public var answered = 0
        public var elections = 0
        /// Changes of services that were acknowledged.
        public var changes = 0
        /// Attempts at tasks that hosts have begun by themselves, for want of a manager.
        public var attempts = 0
        /// Entries that were committed.
        public var committed: UInt64 = 0
        /// A number that two equal runs share.
        public var fingerprint: UInt64 = 0
    }

    enum Event {
        case tick(UInt64, life: Int)
        case deliver(Envelope)
        case written(UInt64, life: Int)
        case strikeSending(Fault.SendStrike, from: UInt64, to: UInt64)
        case thaw(UInt64, life: Int)
        case start(UInt64, life: Int)
        case stumble(UInt64, Milliseconds)
        case obstruct(SimulatedNetwork.Obstacle, Milliseconds)
        case hurry(Milliseconds)
        case unstrand(Int)
        case gust
        case plan(UInt64, UInt64)
        case planSoon(UInt64, UInt64)
        case inform(UInt64, life: Int)
        case serverTick(UInt64, life: Int)
        case attempt(String, node: String, UInt64, life: Int)
        case submission(String, [Mutation], to: UInt64)
        case reportDue(UInt64, life: Int)
        case report(SessionReport, from: UInt64, to: UInt64)
        case reportTaken(UInt64, UInt64, server: String, leaderIndex: UInt64)
        case reportLate(UInt64, life: Int, UInt64)
        case watchNodes(UInt64, UInt64)
        case keepVersion(UInt64, UInt64)
        case toManager(UInt64, agent: Int, connection: Int, AgentMessage)
        /// Nil where the manager ends the connection.
        case toAgent(Int, Int, ManagerMessage?, leader: UInt64)
        case agentTick(Int, Int)
        case agentReport(Int, Int)
        case applyPicture(Int, Int)
        case taskStep(Int, Int, String, TaskState)
        case startAgent(Int, Int)
        case operate(Int)
        case wish(UInt64, operator: Int, Int)
        case operatorAnswer(Int, Int, OperatorAnswer)
        case operatorPatience(Int, Int)
        case activate(Int, Int)
        case part(SideChange, Milliseconds)
        case turn
        case darkness(Milliseconds)
        case fault(Int)
        case mend(Int)
        case endSlowness(UInt64)
        case administer
        case keepMembers
        case carryOutPlan(UInt64, UInt64)
        case think(client: Int)
        case request(host: UInt64, Request)
        case reply(Reply)
        case patience(client: Int, token: Int)
    }

    struct Request {
        enum Body {
            case append(ListStore.Command)
            case read(key: UInt64)
        }

        var call: SimulatedHost.Call
        var body: Body
    }

    struct Reply {
        var call: SimulatedHost.Call
        /// Nil where the host could not help.
        var view: ListStore.View?
        var leader: UInt64 = 0
    }

    let scenario: Scenario
    var random: Randomness
    var agenda = Agenda<Event>()
    var hosts = HostTable()
    var network: SimulatedNetwork
    var clients: [SimulatedClient] = []
    var history = History()
    var world = ServiceWorld()
    var checker = SafetyChecker()
    var outcome = Outcome()
    var nextID: UInt64
    var isMending = false
    /// The newest term that was seen to have a leader.
    var lastTerm: UInt64 = 0
    /// How many leaders there were.
    var elections = 0
    /// For the next leaders, each.
    var ambushes: [(delay: Milliseconds, duration: Milliseconds)] = []
    /// Until when no leader lasts.
    var stormEnd: Milliseconds = 0
    /// Until when clients lose no time.
    var hasteEnd: Milliseconds = 0
    /// Until when clients append nothing new.
    var quietEnd: Milliseconds = 0
    /// Cuts that end so long after the next leader was elected, behind a trimmed log.
    var strands: [(obstacle: Int, delay: Milliseconds)] = []
    /// Under way.
    var sideChange: SideChange?
    /// A leader that is cut off as soon as it acts on other voters than those.
    var changeTrap: (leader: UInt64, electorate: Electorate, duration: Milliseconds)?
    private var lastObstacle = 0
    /// For the next snapshots that are sent, each.
    var sendTraps: [(strike: Fault.SendStrike, delay: Milliseconds)] = []
    /// How many of them there were.
    var sendStrikes = 0
    /// Snapshots that were installed.
    var installs = 0
    /// Of leaders, where there is a policy.
    var keepings: [UInt64: ManagerKeeping] = [:]
    /// Hosts that operators do not want as managers any more.
    var dismissed: Set<UInt64> = []
    /// Changes that the policy has led to.
    var plans = 0
    /// How often a host began to wait for room on its disk.
    var roomWaits = 0
    /// Messages between members in the present second.
    var traffic: (second: Milliseconds, count: Int) = (0, 0)
    /// Hosts whose log has become long.
    var trimming: Set<UInt64> = []

    public init(_ scenario: Scenario) {
        self.scenario = scenario
        network = SimulatedNetwork(isOrdered: scenario.isOrdered)
        random = Randomness(seed: scenario.seed)
        nextID = UInt64(scenario.members) + 1
    }

    private var configuration: RaftConfiguration {
        var configuration = RaftConfiguration()
        configuration.appendByteLimit = scenario.messageBytes
        configuration.leaseMilliseconds = scenario.leaseMilliseconds
        return configuration
    }

    func member(_ id: UInt64) -> RaftMember {
        RaftMember(
            id: id, nodeID: "n\(id)", address: "10.0.0.\(id):2377",
            isWitness: scenario.hasWitness && id == UInt64(scenario.members),
            priority: scenario.hasPriorities ? UInt8(id % 3) : 0)
    }

    /// Something that messages meet for a while; its number.
    @discardableResult
    mutating func obstruct(_ obstacle: SimulatedNetwork.Obstacle, _ duration: Milliseconds) -> Int {
        lastObstacle += 1
        network.add(obstacle, as: lastObstacle)
        agenda.add(.mend(lastObstacle), after: duration)
        return lastObstacle
    }

    public mutating func run() -> Outcome {
        begin()
        while checker.violations.isEmpty, let event = agenda.next(before: scenario.duration) { handle(event) }
        if checker.violations.isEmpty { recover() }
        outcome.violations = checker.violations
        outcome.answered = history.answered
        outcome.committed = hosts.all.map(\.raft.committedIndex).max() ?? 0
        outcome.elections = elections
        outcome.changes = world.changes
        outcome.attempts = world.attempts
        outcome.fingerprint = random.next()
        return outcome
    }

    private mutating func begin() {
        let ids = (1...UInt64(scenario.members))
        let membership = Membership(ids.map { .init(member: member($0), isVoter: true) })
        let base = SnapshotMetadata(index: 1, term: 1, membership: membership)
        let founding = SimulatedSnapshot(base, [], SimulatedState())
        checker.sees(snapshot: base, founding.bytes, by: 0)
        for id in ids {
            var disk = SimulatedHost.Disk()
            disk.base = base
            disk.hardState = HardState(term: 1, vote: 0, commit: 1)
            if !member(id).isWitness { disk.snapshot = founding }
            disk.applied = (1, SimulatedState())
            addHost(id, disk)
            if scenario.hasUpgrades { hosts[id]?.supported = .unstated }
        }
        for number in 0..<scenario.clients {
            clients.append(SimulatedClient(id: number))
            thinkLater(number, after: 1_000)
        }
        beginServices()
        awaitFault(0)
        agenda.add(.administer, after: 1_000)
        keepMembers()
    }

    mutating func addHost(_ id: UInt64, _ disk: SimulatedHost.Disk) {
        do {
            hosts.add(
                try SimulatedHost(member(id), disk: disk, configuration: configuration, seed: random.next()))
            agenda.add(.tick(id, life: 0), after: Milliseconds(random.number(in: 1...50)))
            startServer(of: id)
        } catch {
            checker.note(.fault, "\(id) cannot begin: \(error)")
        }
    }

    mutating func handle(_ event: Event) {
        switch event {
        case .tick(let id, let life): tick(id, life)
        case .deliver(let envelope): deliver(envelope)
        case .written(let id, let life): finishWriting(id, life)
        case .strikeSending(let strike, let sender, let receiver): strikeSending(strike, from: sender, to: receiver)
        case .thaw(let id, let life): if hosts[id]?.life == life { work(id) }
        case .start(let id, let life): if hosts[id]?.life == life { start(id) }
        case .obstruct(let obstacle, let duration): if !isMending { obstruct(obstacle, duration) }
        case .hurry(let duration): hurry(for: duration)
        case .unstrand(let number): unstrand(number)
        case .gust: gust()
        case .serverTick, .attempt, .submission, .reportDue, .report, .reportTaken, .reportLate, .inform:
            handleSessions(event)
        case .plan, .planSoon, .watchNodes, .keepVersion, .toManager, .toAgent, .agentTick, .agentReport,
            .applyPicture, .taskStep, .startAgent, .operate, .wish, .operatorAnswer, .operatorPatience, .activate:
            handleServices(event)
        case .part(let change, let before): part(change, before)
        case .turn: turn()
        case .stumble(let id, let downtime):
            guard !isMending else { return }
            hosts[id]?.latency = SimulatedHost.usualLatency
            crash(id, downtime: downtime)
        case .darkness(let downtime):
            guard !isMending else { return }
            for id in hosts.ids {
                hosts[id]!.latency = SimulatedHost.usualLatency
                crash(id, downtime: downtime + Milliseconds(random.number(in: 0...500)))
            }
        case .fault(let number):
            if scenario.faults[number].time > agenda.now { return awaitFault(number) }
            happen(scenario.faults[number].kind)
            awaitFault(number + 1)
        case .mend(let number): network.remove(number)
        case .endSlowness(let id): hosts[id]?.latency = SimulatedHost.usualLatency
        case .administer: administer()
        case .keepMembers: keepMembers()
        case .carryOutPlan(let id, let term): carryOutPlan(id, term)
        case .think(let client): think(client)
        case .request(let host, let request): receive(request, host)
        case .reply(let reply): receive(reply)
        case .patience(let client, let token): losePatience(client, token)
        }
    }

    private mutating func handleServices(_ event: Event) {
        switch event {
        case .plan(let id, let term): plan(id, term)
        case .planSoon(let id, let term): planSoon(id, term)
        case .watchNodes(let id, let term): watchNodes(id, term)
        case .keepVersion(let id, let term): keepVersion(id, term)
        case .toManager(let id, let agent, let connection, let message):
            queue(.session(agent: agent, connection: connection, message), on: id)
        case .toAgent(let number, let connection, let message, let leader):
            receive(message, leader: leader, on: number, connection: connection)
        case .agentTick(let number, let life): agentTick(number, life)
        case .agentReport(let number, let life): agentReport(number, life)
        case .applyPicture(let number, let life): applyPicture(number, life)
        case .taskStep(let number, let life, let task, let state): taskStep(number, life, task, state)
        case .startAgent(let number, let life): startAgent(number, life)
        case .operate(let number): operate(number)
        case .wish(let id, let number, let token): wish(on: id, number, token)
        case .operatorAnswer(let number, let token, let answer): receive(answer, number, token)
        case .operatorPatience(let number, let token): operatorPatience(number, token)
        case .activate(let number, let attempt): activate(number, attempt)
        default: break
        }
    }

    private mutating func handleSessions(_ event: Event) {
        switch event {
        case .serverTick(let id, let life): serverTick(id, life)
        case .inform(let id, let life): inform(id, life)
        case .attempt(let name, let node, let id, let life): attempt(name, of: node, on: id, life)
        case .submission(let name, let mutations, let id): queue(.submission(name, mutations), on: id)
        case .reportDue(let id, let life): reportDue(id, life)
        case .report(let report, let server, let id): queue(.report(report, from: server), on: id)
        case .reportTaken(let id, let number, let name, let index):
            reportTaken(id, number, name, leaderIndex: index)
        case .reportLate(let id, let life, let number): reportLate(id, life, number)
        default: break
        }
    }

    /// It may lie beyond the agenda's horizon.
    private mutating func awaitFault(_ number: Int) {
        guard number < scenario.faults.count else { return }
        let time = scenario.faults[number].time
        agenda.add(.fault(number), after: min(Agenda<Event>.horizon - 1, time > agenda.now ? time - agenda.now : 0))
    }
}
