import ClusterModel
import Orchestration
import Values

/// A cluster played by hand: the orchestrator's decisions are applied, hosts carry them out after a while, time passes
/// in steps. Everything comes from one seed.
struct PlayedCluster {
    static let step: Int64 = 100_000_000

    var state = ClusterState()
    var index: UInt64 = 0
    var now = Timestamp(secondsSinceEpoch: 1_700_000_000)
    var generator: SplitMix64
    /// What each host has applied; hosts in `silent` apply nothing.
    var receipts: [String: UInt64] = [:]
    var silent: Set<String> = []
    /// Images whose tasks fail instead of becoming ready.
    var broken: Set<String> = []
    /// How many of a place's next tasks fail, whatever their image.
    var failures: [UInt64: Int] = [:]
    /// How many steps a task takes from one state to the next.
    private var ages: [String: Int] = [:]
    private var counter: UInt64 = 0
    /// The fewest serving tasks of the service seen since this was reset.
    var fewestServing = Int.max
    var mostLive = 0

    init(nodes: Int, seed: UInt64 = 1, historyLimit: Int64 = 5) {
        generator = SplitMix64(seed: seed)
        let cluster = ClusterObject(
            id: "cluster", createdAt: now,
            spec: ["Orchestration": ["TaskHistoryRetentionLimit": .integer(historyLimit)]],
            rootCertificate: "", rootKey: .init(unsealed: ""), workerToken: .init(unsealed: ""),
            managerToken: .init(unsealed: ""),
            addressPools: [CIDR("10.0.0.0/8")!], subnetSize: 24, dataPathPort: 4789,
            gatewayPool: CIDR("10.192.0.0/10")!)
        apply([.putCluster(cluster, expected: 0)])
        for number in 1...nodes {
            let description = NodeDescription(
                hostname: "h\(number)", platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 2_000_000_000, memoryBytes: 1 << 30), engine: .init(engineVersion: "1"))
            let node = NodeObject(
                id: "n\(number)", createdAt: now, spec: NodeSpec(role: .manager), description: description,
                status: NodeStatus(state: .ready, addr: "192.0.2.\(number)"), clusterAddress: "192.0.2.\(number):2377")
            apply([.putNode(node, expected: 0)])
        }
        let network = NetworkObject(
            id: "web", createdAt: now, spec: .init(name: "web"), subnet: CIDR("10.0.1.0/24")!,
            gateway: IPAddress("10.0.1.1")!, vni: 4097)
        let ingress = NetworkObject(
            id: "ingress", createdAt: now, spec: .init(name: "ingress", isIngress: true),
            subnet: CIDR("10.192.0.0/10")!, gateway: IPAddress("10.192.0.1")!, vni: 4096)
        apply([.putNetwork(network, expected: 0), .putNetwork(ingress, expected: 0)])
    }

    @discardableResult
    mutating func apply(_ mutations: [Mutation]) -> Refusal? {
        index += 1
        do throws(Refusal) {
            _ = try state.apply(Transaction(time: now, mutations: mutations), at: index)
            return nil
        } catch {
            return error
        }
    }

    var service: ServiceObject? { state.services["s"] }

    var tasks: [TaskObject] { state.tasks(ofService: "s").sorted { ($0.slot, $0.createdAt) < ($1.slot, $1.createdAt) } }

    var serving: [TaskObject] { tasks.filter(\.isServing) }

    mutating func create(replicas: UInt64, image: String = "v1", change: (inout ServiceSpec) -> Void = { _ in }) {
        var template = TaskTemplate(containerSpec: ContainerSpec(image: image))
        template.networks = [NetworkAttachmentConfiguration(target: "web")]
        var spec = ServiceSpec(name: "s", taskTemplate: template, mode: .replicas(replicas))
        spec.endpointSpec = EndpointSpec(ports: [PortConfiguration(targetPort: 80, publishedPort: 8080)])
        change(&spec)
        let service = ServiceObject(
            id: "s", createdAt: now, spec: spec, document: .null, endpoint: ServiceEndpoint())
        apply([.putService(service, expected: 0)])
    }

    mutating func update(_ change: (inout ServiceSpec) -> Void) {
        guard var service else { return }
        var spec = service.spec
        change(&spec)
        service.update(to: spec, document: .null, at: now)
        apply([.putService(service, expected: service.version.index)])
    }

    mutating func setNode(_ id: String, _ change: (inout NodeObject) -> Void) {
        guard var node = state.nodes[id] else { return }
        change(&node)
        apply([.putNode(node, expected: nil)])
    }

    /// What the orchestrator would decide now.
    func planned() -> [Mutation] {
        var generator = generator
        return Orchestrator.plan(
            state, receipts: DataplaneReceipts(applied: receipts), now: now, using: &generator
        ).mutations
    }

    /// Time passes: the orchestrator decides until it has nothing to say, hosts do their part.
    mutating func run(seconds: Double) {
        let end = now.advanced(byNanoseconds: Int64(seconds * 1e9))
        while now < end {
            for _ in 0..<20 {
                let plan = Orchestrator.plan(
                    state, receipts: DataplaneReceipts(applied: receipts), now: now, using: &generator)
                if plan.mutations.isEmpty { break }
                apply(plan.mutations)
                note()
            }
            now = now.advanced(byNanoseconds: Self.step)
            for node in state.nodes.keys where !silent.contains(node) { receipts[node] = state.index }
            for task in state.tasks.values.sorted(by: { $0.id < $1.id }) { carryOut(task) }
            note()
        }
    }

    private mutating func note() {
        fewestServing = min(fewestServing, serving.count)
        mostLive = max(mostLive, tasks.count { $0.mayRun && $0.status.state >= .starting })
    }

    private mutating func carryOut(_ task: TaskObject) {
        guard !task.nodeID.isEmpty, !silent.contains(task.nodeID), task.status.state >= .assigned,
            !task.status.state.isTerminal
        else { return }
        ages[task.id, default: 0] += 1
        if task.desiredState >= .shutdown {
            observe(task, .shutdown, ready: false)
            return
        }
        switch task.status.state {
        case .assigned: observe(task, .preparing, ready: false)
        case .preparing: observe(task, .ready, ready: false)
        case .ready where task.desiredState == .running: observe(task, .starting, ready: false)
        case .starting: observe(task, fails(task) ? .failed : .running, ready: false)
        case .running where !task.isReady: if ages[task.id]! > 6 { observe(task, .running, ready: true) }
        default: break
        }
    }

    private mutating func fails(_ task: TaskObject) -> Bool {
        if let count = failures[task.slot], count > 0 {
            failures[task.slot] = count - 1
            return true
        }
        return broken.contains(task.spec.containerSpec?.image ?? "")
    }

    mutating func observe(_ task: TaskObject, _ next: TaskState, ready: Bool) {
        counter += 1
        var status = TaskStatus(timestamp: now, state: next, message: "")
        if next == task.status.state { status.timestamp = task.status.timestamp }
        apply([
            .observe(
                TaskObservation(
                    taskID: task.id, nodeID: task.nodeID, status: status, isReady: ready, readinessCounter: counter))
        ])
    }
}
