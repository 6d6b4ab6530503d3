import ClusterModel

/// What may keep a task from a node. Each filter says in Docker's words how many nodes it turned down.
public enum NodeFilter: CaseIterable, Sendable {
    case ready, resources, constraints, platform, hostPorts, maximumReplicas

    func explain(_ count: Int) -> String {
        let nodes = count == 1 ? "1 node" : "\(count) nodes"
        switch self {
        case .ready: return "\(nodes) not available for new tasks"
        case .resources: return "insufficient resources on \(nodes)"
        case .constraints: return "scheduling constraints not satisfied on \(nodes)"
        case .platform: return "unsupported platform on \(nodes)"
        case .hostPorts: return "host-mode port already in use on \(nodes)"
        case .maximumReplicas: return "max replicas per node limit exceed"
        }
    }

    func passes(_ task: TaskObject, _ candidate: NodeLoad) -> Bool {
        let node = candidate.node
        switch self {
        case .ready: return node.acceptsTasks
        case .resources:
            guard let wanted = task.spec.resources?.reservations else { return true }
            guard let available = node.description?.resources else { return false }
            return wanted.nanoCPUs <= available.nanoCPUs - candidate.reservedNanoCPUs
                && wanted.memoryBytes <= available.memoryBytes - candidate.reservedMemoryBytes
        case .constraints:
            return (task.spec.placement?.constraints ?? []).allSatisfy { text in
                (try? Constraint(text))?.matches(node) ?? false
            }
        case .platform:
            guard let platforms = task.spec.placement?.platforms, !platforms.isEmpty else { return true }
            guard let own = node.description?.platform else { return false }
            return platforms.contains { wanted in
                (wanted.os.isEmpty || wanted.os.lowercased() == own.os.lowercased())
                    && (wanted.architecture.isEmpty
                        || Self.normalized(wanted.architecture) == Self.normalized(own.architecture))
            }
        case .hostPorts:
            let ports = (task.endpoint?.spec.ports ?? []).filter { !$0.isIngress && $0.publishedPort != 0 }
            return ports.allSatisfy { !candidate.hostPorts.contains(HostPort($0)) }
        case .maximumReplicas:
            guard let limit = task.spec.placement?.maxReplicas, limit > 0 else { return true }
            return candidate.tasks(of: task.serviceID) < Int(limit)
        }
    }

    /// The names under which the same processor goes.
    private static func normalized(_ architecture: String) -> String {
        switch architecture.lowercased() {
        case "x86_64", "x86-64", "amd64": "amd64"
        case "aarch64", "arm64": "arm64"
        case let other: other
        }
    }
}

/// A port of a host that one task alone can have.
struct HostPort: Hashable {
    var port: UInt16
    var transport: String

    init(_ configuration: PortConfiguration) {
        port = configuration.publishedPort
        transport = configuration.protocol
    }
}

/// A node and what it carries already.
struct NodeLoad {
    let node: NodeObject
    private(set) var reservedNanoCPUs: Int64 = 0
    private(set) var reservedMemoryBytes: Int64 = 0
    private(set) var hostPorts: Set<HostPort> = []
    private(set) var taskCount = 0
    private var tasksByService: [String: Int] = [:]
    private var failuresByService: [String: Int] = [:]

    init(_ node: NodeObject, tasks: [TaskObject], now: Int64) {
        self.node = node
        for task in tasks {
            if task.status.state < .assigned { continue }
            if task.isLive {
                add(task)
            } else if task.status.state == .failed || task.status.state == .rejected,
                now - task.status.timestamp.nanosecondsSinceEpoch < Scheduler.failureMemoryNanoseconds
            {
                failuresByService[task.serviceID, default: 0] += 1
            }
        }
    }

    mutating func add(_ task: TaskObject) {
        reservedNanoCPUs += task.spec.resources?.reservations?.nanoCPUs ?? 0
        reservedMemoryBytes += task.spec.resources?.reservations?.memoryBytes ?? 0
        for port in task.endpoint?.spec.ports ?? [] where !port.isIngress && port.publishedPort != 0 {
            hostPorts.insert(HostPort(port))
        }
        taskCount += 1
        // A task that is being replaced makes no room for its successor and takes none from it.
        if task.desiredState <= .running { tasksByService[task.serviceID, default: 0] += 1 }
    }

    func tasks(of service: String) -> Int { tasksByService[service] ?? 0 }

    /// Whether the service's tasks failed here so often that other nodes come first.
    func keepsFailing(_ service: String) -> Bool {
        (failuresByService[service] ?? 0) >= Scheduler.failuresBeforeAvoiding
    }
}
