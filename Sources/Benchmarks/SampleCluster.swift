import ClusterModel
import EngineModel
import JSON
import Values

/// A cluster's objects as they are in use, in any number, the same on every run: hosts that are described, overlay
/// networks, services of one image each with the settings that most have, and their tasks, which all run.
public struct SampleCluster: Sendable {
    public struct Size: Sendable {
        public var nodes: Int
        public var services: Int
        public var tasks: Int

        public init(nodes: Int, services: Int, tasks: Int) {
            self.nodes = nodes
            self.services = services
            self.tasks = tasks
        }
    }

    /// A network has the tasks of so many services.
    private static let servicesPerNetwork = 10
    private static let addressesPerNetwork: UInt32 = 1 << 12

    public let size: Size
    private let time: Timestamp
    private var generator = SplitMix64(seed: 1)
    private var nodeIDs: [String] = []
    private var networks: [NetworkObject] = []
    private var services: [ServiceObject] = []

    public init(_ size: Size, at time: Timestamp) {
        self.size = size
        self.time = time
        for _ in 0..<size.nodes { nodeIDs.append(Identifiers.swarm(using: &generator)) }
        for index in 0..<(size.services + Self.servicesPerNetwork - 1) / Self.servicesPerNetwork {
            networks.append(network(index))
        }
        for index in 0..<size.services { services.append(service(index)) }
    }

    /// The mutations that make it, in an order in which they apply.
    public mutating func forEachMutation(_ body: (Mutation) throws -> Void) rethrows {
        try body(.putCluster(cluster(), expected: 0))
        for index in nodeIDs.indices { try body(.putNode(node(index), expected: 0)) }
        for network in networks { try body(.putNetwork(network, expected: 0)) }
        for service in services { try body(.putService(service, expected: 0)) }
        for index in 0..<size.tasks { try body(.createTask(task(index))) }
    }

    private mutating func cluster() -> ClusterObject {
        ClusterObject(
            id: Identifiers.swarm(using: &generator), createdAt: time,
            spec: ["Name": "default", "Orchestration": ["TaskHistoryRetentionLimit": 5]],
            rootCertificate: String(repeating: "c", count: 800), rootKey: sealed(400), workerToken: sealed(120),
            managerToken: sealed(120), addressPools: [CIDR("10.0.0.0/8")!], subnetSize: 20, dataPathPort: 4789,
            gatewayPool: CIDR("100.64.0.0/10")!)
    }

    private func sealed(_ length: Int) -> SealedValue {
        SealedValue(keyID: "key", box: String(repeating: "b", count: length))
    }

    private func node(_ index: Int) -> NodeObject {
        let address = "192.168.\(index / 250).\(index % 250 + 1)"
        let description = NodeDescription(
            hostname: "host-\(index)", platform: .init(architecture: "x86_64"),
            resources: .init(nanoCPUs: 16_000_000_000, memoryBytes: 64 << 30),
            engine: .init(engineVersion: "1.0.0", labels: ["storage": "ssd"]))
        return NodeObject(
            id: nodeIDs[index], createdAt: time,
            spec: NodeSpec(labels: ["zone": "zone-\(index % 3)", "rack": "rack-\(index / 40)"], role: .worker),
            description: description, status: NodeStatus(state: .ready, addr: address),
            clusterAddress: "\(address):2377")
    }

    private mutating func network(_ index: Int) -> NetworkObject {
        let spec = NetworkObject.Spec(
            name: "network-\(index)", labels: ["com.docker.stack.namespace": "stack-\(index)"])
        return NetworkObject(
            id: Identifiers.swarm(using: &generator), createdAt: time, spec: spec,
            subnet: CIDR(Self.address(index, 0) + "/20")!, gateway: IPAddress(Self.address(index, 1))!,
            vni: UInt32(4097 + index))
    }

    private static func address(_ network: Int, _ place: Int) -> String {
        let number = UInt32(10) << 24 + UInt32(network) * addressesPerNetwork + UInt32(place)
        return [24, 16, 8, 0].map { String(number >> $0 & 255) }.joined(separator: ".")
    }

    private mutating func service(_ index: Int) -> ServiceObject {
        var container = ContainerSpec(
            image: "registry.example.com/team-\(index % 40)/service-\(index):2026.11@sha256:"
                + Identifiers.hex64(using: &generator))
        container.labels = ["com.docker.stack.namespace": "stack-\(index / Self.servicesPerNetwork)"]
        container.env = [
            "DATABASE_URL=postgres://service-\(index)@database:5432/service", "LOG_LEVEL=info",
            "PORT=8080", "REGION=eu-central", "CACHE_HOST=cache", "FEATURES=a,b,c",
        ]
        container.args = ["serve", "--listen", "0.0.0.0:8080"]
        container.mounts = [MountSpecification(type: .volume, source: "data-\(index)", target: "/var/lib/service")]
        container.healthcheck = HealthConfiguration(
            test: ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/health"], interval: 10_000_000_000,
            timeout: 2_000_000_000, retries: 3)
        container.stopGracePeriod = 30_000_000_000
        var template = TaskTemplate(containerSpec: container)
        template.resources = .init(
            limits: .init(nanoCPUs: 500_000_000, memoryBytes: 512 << 20),
            reservations: .init(nanoCPUs: 100_000_000, memoryBytes: 256 << 20))
        template.restartPolicy = .init(condition: "any", delay: 5_000_000_000, maxAttempts: 0)
        let network = networks[index / Self.servicesPerNetwork]
        template.networks = [NetworkAttachmentConfiguration(target: network.id, aliases: ["service"])]
        var spec = ServiceSpec(
            name: "stack-\(index / Self.servicesPerNetwork)_service-\(index)", labels: container.labels ?? [:],
            taskTemplate: template, mode: .replicas(UInt64(size.tasks / size.services)))
        spec.updateConfig = UpdateConfiguration()
        spec.endpointSpec = EndpointSpec(ports: [])
        let place = 2 + index % Self.servicesPerNetwork
        let endpoint = ServiceEndpoint(
            spec: spec.endpointSpec ?? EndpointSpec(),
            virtualIPs: [
                .init(networkID: network.id, addr: CIDR(Self.address(index / Self.servicesPerNetwork, place) + "/20")!)
            ])
        let document = (try? JSONCoding.docker.value(of: spec)) ?? [:]
        return ServiceObject(
            id: Identifiers.swarm(using: &generator), createdAt: time, spec: spec, document: document,
            endpoint: endpoint)
    }

    private mutating func task(_ index: Int) -> TaskObject {
        let service = services[index % services.count]
        let network = index % services.count / Self.servicesPerNetwork
        let slot = index / services.count
        var task = TaskObject(
            id: Identifiers.swarm(using: &generator), createdAt: time, serviceID: service.id, slot: UInt64(slot + 1),
            nodeID: nodeIDs[index % nodeIDs.count], spec: service.spec.taskTemplate, specVersion: 1)
        task.status = TaskStatus(timestamp: time, state: .running, message: "started")
        task.status.containerStatus = .init(containerID: Identifiers.hex64(using: &generator), pid: Int32(index))
        let place = 2 + Self.servicesPerNetwork * (slot + 1) + index % Self.servicesPerNetwork
        task.attachments = [
            .init(networkID: networks[network].id, address: CIDR(Self.address(network, place) + "/20")!)
        ]
        task.endpoint = service.endpoint
        task.isReady = true
        task.readinessCounter = 1
        task.readyAt = time
        return task
    }
}
