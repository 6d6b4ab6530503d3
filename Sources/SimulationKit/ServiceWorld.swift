import ClusterModel
import Orchestration
import SessionModel
import Values

/// The services of a simulated cluster: who leads them, the hosts that run their tasks, and those who change them.
struct ServiceWorld {
    /// What a manager does while it leads, as `LeaderLoop` does it.
    struct Leadership {
        let term: UInt64
        var leases: NodeLeases
        /// Where the plan that is on its way stands in the log.
        var plan: UInt64?
        var gate = VersionGate()
        var isPlanDue = false
    }

    /// What a manager does for the hosts that have their sessions with it, as `SessionServer` and `SessionRelay` do it.
    struct Server {
        var table: SessionTable
        /// What its hosts have to know, as of the last look; nil where nobody has had a session since the start.
        var view: ClusterView?
        /// What has changed since; nil where that is not known.
        var changes: [AppliedChange]? = []
        /// By host.
        var lines: [String: Line] = [:]
        var isInformDue = false
        var isReportDue = false
        /// The report that is on its way.
        var report: UInt64?
        var lastSession = 0
    }

    /// A manager's end of a connection.
    struct Line {
        var connection: Int
        var session: String
        /// What the host has said goes into the log, and what it says next waits.
        var submission: Submission?
        var waiting: [AgentMessage] = []
    }

    /// A transaction that a manager wants to see applied, whoever leads.
    struct Submission {
        var name: String
        var mutations: [Mutation]
        var beginsSession: Bool
    }

    /// Somebody who owns services and changes one after the other.
    struct Operator {
        enum Wish: Hashable {
            case put(service: String, replicas: UInt64, image: Int)
            case remove(service: String)
            case drain(node: String, Bool)
        }

        var manager: UInt64 = 1
        var token = 0
        var request: (id: String, wish: Wish)?
        /// What each service was last acknowledged to be; nil for one that was removed.
        var acknowledged: [String: (replicas: UInt64, image: Int)?] = [:]
        var lastService = 0
    }

    var agents: [SimulatedAgent] = []
    var operators: [Operator] = []
    var leaderships: [UInt64: Leadership] = [:]
    var servers: [UInt64: Server] = [:]
    var lastSubmission = 0
    /// The latest states, by index, to compare with what hosts are said to hold.
    var past: [UInt64: ClusterState] = [:]
    /// What each host has to hold at the revision that it was last said to hold.
    var lastWanted: [String: (receipt: UInt64, picture: HostPicture?)] = [:]
    var checker = StateChecker()
    /// Wishes that were acknowledged.
    var changes = 0
    /// Attempts at tasks that hosts have begun by themselves.
    var attempts = 0
    /// The entries with which the cluster's version rose.
    var rises: Set<UInt64> = []
    /// What operators wait for, by the manager that was asked and the entry.
    var waiting: [UInt64: [UInt64: (operator: Int, token: Int, term: UInt64)]] = [:]

    static let firstEndpoint: UInt64 = 200
    static let start = Timestamp(secondsSinceEpoch: 1_700_000_000)

    /// The first transaction of every group that has services.
    static func founding(nodes: [String], version: ClusterVersion) -> [Mutation] {
        let cluster = ClusterObject(
            id: "cluster", createdAt: start, spec: .null, rootCertificate: "", rootKey: .init(unsealed: ""),
            workerToken: .init(unsealed: ""),
            managerToken: .init(unsealed: ""), addressPools: [CIDR("10.0.0.0/8")!], subnetSize: 24, dataPathPort: 4789,
            gatewayPool: CIDR("10.192.0.0/10")!)
        let network = NetworkObject(
            id: "web", createdAt: start, spec: .init(name: "web"), subnet: CIDR("10.0.1.0/24")!,
            gateway: IPAddress("10.0.1.1")!, vni: 4097)
        var mutations: [Mutation] = [.putCluster(cluster, expected: 0), .putNetwork(network, expected: 0)]
        if version > .first { mutations.append(.raiseVersion(to: version)) }
        for (number, node) in nodes.enumerated() {
            let object = NodeObject(
                id: node, createdAt: start, spec: NodeSpec(role: .worker), description: nil,
                status: NodeStatus(state: .unknown, addr: "192.0.2.\(number + 1)"),
                clusterAddress: "192.0.2.\(number + 1):2377")
            mutations.append(.putNode(object, expected: 0))
        }
        return mutations
    }

    static func specification(_ service: String, replicas: UInt64, image: Int) -> ServiceSpec {
        var template = TaskTemplate(containerSpec: ContainerSpec(image: "image:\(image)"))
        template.networks = [NetworkAttachmentConfiguration(target: "web")]
        template.restartPolicy = TaskTemplate.RestartPolicy(delay: 1_000_000_000)
        var specification = ServiceSpec(name: service, taskTemplate: template, mode: .replicas(replicas))
        var update = UpdateConfiguration()
        update.monitor = 1_000_000_000
        update.order = image % 2 == 0 ? "start-first" : "stop-first"
        update.failureAction = "continue"
        specification.updateConfig = update
        return specification
    }

    /// What a wish is against a state; nil where there is nothing to do.
    static func mutations(for wish: Operator.Wish, in state: ClusterState, at time: Timestamp) -> [Mutation]? {
        switch wish {
        case .put(let name, let replicas, let image):
            let specification = specification(name, replicas: replicas, image: image)
            guard var service = state.services[name] else {
                let service = ServiceObject(
                    id: name, createdAt: time, spec: specification, document: .null, endpoint: ServiceEndpoint())
                return [.putService(service, expected: 0)]
            }
            service.update(to: specification, document: .null, at: time)
            return [.putService(service, expected: service.version.index)]
        case .remove(let name):
            return state.services[name].map { [.removeService(name, expected: $0.version.index)] }
        case .drain(let id, let isDrained):
            guard var node = state.nodes[id] else { return nil }
            node.spec.availability = isDrained ? .drain : .active
            return [.putNode(node, expected: node.version.index)]
        }
    }
}
