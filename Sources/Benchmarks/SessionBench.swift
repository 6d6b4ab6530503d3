import ClusterModel
import EngineModel
import JSON
import LinuxSystem
import NetworkModel
import SessionModel
import Values

/// Measures what a manager does for the sessions of many hosts in a large cluster, without the network: from a change
/// of the state to the messages that go out, and from the receipts to what the leader knows.
public struct SessionBench: Sendable {
    /// What is changed.
    enum Change: String, CaseIterable {
        /// Nothing that a host has to know.
        case nothing
        /// A task without networks comes to one host.
        case host
        /// A task serves no more, or again: hosts with tasks on its network have to know.
        case network
        /// A host joins: all have to know.
        case all
    }

    private static let mutationsPerEntry = 500
    private static let seconds = 1e-9

    private let size: SampleCluster.Size
    private var state = ClusterState()
    private var table = SessionTable(server: "bench")
    private var leases: NodeLeases
    private var view: ClusterView?
    /// What has changed since the last look.
    private var changes: [AppliedChange] = []
    /// Messages that several hosts get, as they are written.
    private var written: [SectionMark: Int] = [:]
    private var nodes: [String] = []
    private var tasks: [TaskObject] = []
    private var generator = SplitMix64(seed: 3)
    private var now: Int64 = 0

    public init(_ size: SampleCluster.Size) {
        self.size = size
        leases = NodeLeases(term: 1, server: "bench", in: state, at: 0)
    }

    /// - Parameter rounds: how often each kind of change happens.
    public mutating func run(rounds: Int) throws -> JSONValue {
        try makeState()
        changes = []
        let before = try ProcessMemory.now().resident
        table.delivered(at: now, leaderIndex: nil, applied: state.index)
        try openSessions()
        let first = try look()
        let bytesPerSession = Double(try ProcessMemory.now().resident - before) / Double(size.nodes)
        var findings: [String: JSONValue] = [
            "sessions": .integer(Int64(size.nodes)), "tasks": .integer(Int64(size.tasks)),
            "first": first.json, "bytesPerSession": .number(bytesPerSession),
        ]
        for change in Change.allCases {
            var looks: [Look] = []
            for round in 0..<rounds {
                try apply(mutations(change, round))
                looks.append(try look())
            }
            findings[change.rawValue] = .array(looks.map(\.json))
        }
        return .object(findings)
    }

    // MARK: One change

    /// What one change has cost, in nanoseconds, and how many hosts were told how much.
    private struct Look {
        /// To see the whole cluster from its hosts.
        var picture: Int64 = 0
        /// To compare it with what the hosts were told.
        var comparison: Int64 = 0
        /// To write the messages.
        var encoding: Int64 = 0
        /// To take in the receipts and to report them to the leader.
        var receipts: Int64 = 0
        var hosts = 0
        var byteCount = 0

        var json: JSONValue {
            [
                "pictureSeconds": .number(Double(picture) * seconds),
                "comparisonSeconds": .number(Double(comparison) * seconds),
                "encodingSeconds": .number(Double(encoding) * seconds),
                "receiptSeconds": .number(Double(receipts) * seconds), "hosts": .integer(Int64(hosts)),
                "bytes": .integer(Int64(byteCount)),
            ]
        }
    }

    private mutating func look() throws -> Look {
        var look = Look()
        var begin = Clock.sinceBoot()
        func lap() -> Int64 {
            let end = Clock.sinceBoot()
            defer { begin = end }
            return end - begin
        }
        var next = view ?? ClusterView(state)
        view = nil
        let touched = next.update(to: state, changes)
        changes = []
        look.picture = lap()
        let due = table.inform(&next, touched)
        view = next
        look.comparison = lap()
        var told: [String] = []
        for node in due {
            guard case .say(let messages) = table.next(node, of: node, at: now) else { continue }
            for message in messages { look.byteCount += try byteCount(message) }
            told.append(node)
        }
        written = [:]
        look.encoding = lap()
        look.hosts = told.count
        let revision = PlanRevision(history: state.historyID, index: state.index)
        for node in told {
            _ = table.take(.receipt(HostReceipt(revision: revision)), from: node, session: node, in: state)
        }
        now += 1
        _ = leases.take(table.report(term: 1), from: "bench", in: state, at: now)
        guard leases.receipts(in: state).values.allSatisfy({ $0 == state.index }) else {
            throw SessionBenchError.receipts
        }
        look.receipts = lap()
        return look
    }

    /// As a manager does it: what many hosts share is written once.
    private mutating func byteCount(_ message: ManagerMessage) throws -> Int {
        guard case .section(let change) = message, change.section != .host else { return try message.encoded().count }
        if let count = written[change.to] { return count }
        let count = try message.encoded().count
        written[change.to] = count
        return count
    }

    private mutating func mutations(_ change: Change, _ round: Int) -> [Mutation] {
        let time = state.time
        switch change {
        case .nothing: return [.moveCursor(networkID: state.networks.keys.min() ?? "", UInt64(round + 1))]
        case .host:
            let template = tasks[round].spec
            var task = TaskObject(
                id: Identifiers.swarm(using: &generator), createdAt: time, serviceID: tasks[round].serviceID,
                slot: UInt64(10_000 + round), nodeID: nodes[round % nodes.count], spec: template, specVersion: 1)
            task.status = TaskStatus(timestamp: time, state: .assigned, message: "")
            return [.createTask(task)]
        case .network:
            let task = tasks[round / 2]
            let observation = TaskObservation(
                taskID: task.id, nodeID: task.nodeID, status: task.status, isReady: round % 2 == 1,
                readinessCounter: UInt64(round + 2))
            return [.observe(observation)]
        case .all:
            let id = Identifiers.swarm(using: &generator)
            return [
                .putNode(
                    NodeObject(
                        id: id, createdAt: time, spec: NodeSpec(role: .worker), description: nil,
                        status: NodeStatus(state: .unknown, addr: "192.168.200.\(round + 1)"),
                        clusterAddress: "192.168.200.\(round + 1):2377"), expected: 0)
            ]
        }
    }

    // MARK: The cluster

    private mutating func apply(_ mutations: [Mutation]) throws {
        changes += try state.apply(
            Transaction(time: Timestamp(secondsSinceEpoch: 1), mutations: mutations), at: state.index + 1)
    }

    private mutating func makeState() throws {
        try apply([.raiseVersion(to: .newest)])
        var sample = SampleCluster(size, at: Timestamp(secondsSinceEpoch: 1))
        var mutations: [Mutation] = []
        try sample.forEachMutation { mutation in
            mutations.append(mutation)
            if case .putNode(let node, _) = mutation { nodes.append(node.id) }
            if case .createTask(let task) = mutation, tasks.count < 1_000 { tasks.append(task) }
            guard mutations.count == Self.mutationsPerEntry else { return }
            try apply(mutations)
            mutations = []
        }
        try apply(mutations)
    }

    /// Each is named as its node.
    private mutating func openSessions() throws {
        let description = NodeDescription(
            hostname: "h", platform: .init(architecture: "x86_64"),
            resources: .init(nanoCPUs: 16_000_000_000, memoryBytes: 64 << 30), engine: .init(engineVersion: "1"))
        for node in nodes {
            guard table.open(node, as: node, at: now) else { throw SessionBenchError.notServing }
            let hello = AgentMessage.hello(AgentHello(description: description, bootID: "b", sections: [:]))
            guard case .begin(let mutations) = table.take(hello, from: node, session: node, in: state) else {
                throw SessionBenchError.notServing
            }
            try apply(mutations)
            table.begun(node, of: node, at: state.index)
        }
    }
}

/// What must not happen while it measures.
public enum SessionBenchError: Error {
    case notServing
    /// The leader does not know what all hosts hold.
    case receipts
}
