import ClusterModel
import Fuzzing
import JSON
import Testing
import Values

/// Log entries whose bytes are broken: whatever is read of them is written as it is, and can be applied or is refused.
@Suite struct TransactionFuzzTests {
    private static let time = Timestamp(secondsSinceEpoch: 1_790_000_000, nanoseconds: 5)

    private static var service: ServiceObject {
        var container = ContainerSpec(image: "web:1")
        container.env = ["A=b"]
        var template = TaskTemplate(containerSpec: container)
        template.networks = [NetworkAttachmentConfiguration(target: "net", aliases: ["front"])]
        template.resources = .init(reservations: .init(nanoCPUs: 1_000, memoryBytes: 2_000))
        template.restartPolicy = .init(condition: "any", delay: 5, maxAttempts: 3, window: 7)
        var spec = ServiceSpec(name: "web", labels: ["l": "v"], taskTemplate: template, mode: .replicas(3))
        spec.updateConfig = UpdateConfiguration()
        spec.endpointSpec = EndpointSpec(ports: [PortConfiguration(targetPort: 80, publishedPort: 8080)])
        var service = ServiceObject(
            id: "svc", createdAt: time, spec: spec, document: ["Name": "web", "Mode": ["Replicated": ["Replicas": 3]]],
            endpoint: ServiceEndpoint(
                ports: spec.ports, virtualIPs: [VirtualAddress(networkID: "net", addr: CIDR("10.0.1.2/24")!)]))
        service.updateStatus = UpdateStatus(state: .updating, startedAt: time, message: "m")
        return service
    }

    private static var task: TaskObject {
        var task = TaskObject(
            id: "task", createdAt: time, serviceID: "svc", slot: 1, nodeID: "node",
            spec: service.spec.taskTemplate, specVersion: 4)
        task.attachments = [TaskAttachment(networkID: "net", address: CIDR("10.0.1.3/24")!, aliases: ["web"])]
        task.endpoint = service.endpoint
        return task
    }

    private static var objects: [Mutation] {
        var cluster = ClusterObject(
            id: "c", createdAt: time, spec: ["Name": "default", "Raft": ["SnapshotInterval": 10_000]],
            rootCertificate: "pem", rootKey: SealedValue(keyID: "k", box: "AAAA"),
            workerToken: SealedValue(unsealed: "w"), managerToken: SealedValue(keyID: "k", box: "BBBB"),
            addressPools: [CIDR("10.0.0.0/8")!], subnetSize: 24, dataPathPort: 4789,
            gatewayPool: CIDR("10.192.0.0/10")!)
        cluster.sealingKey = "k"
        var node = NodeObject(
            id: "node", createdAt: time, spec: NodeSpec(labels: ["z": "1"], role: .manager),
            description: NodeDescription(
                hostname: "h", platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 4_000_000_000, memoryBytes: 1 << 33),
                engine: .init(engineVersion: "1")), status: NodeStatus(state: .ready, addr: "192.0.2.1"),
            clusterAddress: "192.0.2.1:2377")
        node.gatewayBlock = CIDR("10.192.4.0/22")
        let network = NetworkObject(
            id: "net", createdAt: time, spec: .init(name: "back", isAttachable: true),
            subnet: CIDR("10.0.1.0/24")!, gateway: IPAddress("10.0.1.1")!, vni: 4097)
        let payload = PayloadSpec(name: "file", labels: ["a": "b"], templating: ["Name": "golang"])
        return [
            .putCluster(cluster, expected: 0), .putNode(node, expected: nil), .putNetwork(network, expected: 0),
            .putService(service, expected: 0), .createTask(task),
            .putConfig(ConfigObject(id: "cfg", createdAt: time, spec: payload, data: "aGk="), expected: 0),
            .putSecret(
                SecretObject(id: "sec", createdAt: time, spec: payload, data: SealedValue(keyID: "k", box: "CCCC")),
                expected: 0),
        ]
    }

    private static var changes: [Mutation] {
        [
            .desire(taskID: "task", .withdrawn), .explain(taskID: "task", reason: "no room"), .orphan(taskID: "task"),
            .assign(
                taskID: "task", nodeID: "node",
                attachments: [TaskAttachment(networkID: "net", address: CIDR("10.0.1.9/24")!)]),
            .allocate(serviceID: "svc", service.endpoint), .progress(serviceID: "svc", nil),
            .allocateGateway(nodeID: "node", CIDR("10.192.8.0/22")!), .moveCursor(networkID: "net", 77),
            .observe(
                TaskObservation(
                    taskID: "task", nodeID: "node",
                    status: TaskStatus(timestamp: time, state: .running, message: "started"), isReady: true,
                    readinessCounter: 3)),
            .observeNode(id: "node", NodeStatus(state: .down, message: "gone", addr: ""), nil),
            .removeTask("task"), .removeService("svc", expected: 2), .removeNetwork("net", expected: nil),
            .removeNode("node", expected: nil), .removeConfig("cfg", expected: 9), .removeSecret("sec", expected: nil),
            .removeAttachment("a"), .openSession(nodeID: "node", session: "s"), .raiseVersion(to: .stated),
        ]
    }

    private static func examples() throws -> [[UInt8]] {
        let together = Transaction(
            time: time, id: "id", author: .node(id: "node", client: "::1"), note: "n", mutations: objects)
        let alone = (objects + changes).map { Transaction(time: time, author: .orchestrator, mutations: [$0]) }
        return try ([together] + alone).map { try JSONCoding.encode($0) }
    }

    @Test("What is written is read exactly, as managers read the log") func exactly() throws {
        for example in try Self.examples() {
            #expect(try JSONCoding.encode(JSONCoding.exact().decode(Transaction.self, from: example)) == example)
        }
    }

    @Test func transactions() throws {
        let report = Fuzzer("transactions").run(
            try Self.examples(), decode: { try JSONCoding.decode(Transaction.self, from: $0) },
            encode: { try JSONCoding.encode($0) })
        #expect(report.finding == nil)
    }

    /// What the state knows itself by.
    private struct Contents: Hashable {
        var time: Timestamp
        var objects: [Int]
        var services: [ServiceObject]
        var tasks: [TaskObject]

        init(_ state: ClusterState) {
            time = state.time
            objects = [
                state.nodes.count, state.networks.count, state.attachments.count, Array(state.configs.values).count,
                Array(state.secrets.values).count, state.cluster == nil ? 0 : 1,
            ]
            services = state.services.values.sorted { $0.id < $1.id }
            tasks = state.tasks.values.sorted { $0.id < $1.id }
        }
    }

    /// Refused ones change nothing but the time, and two managers make the same of one.
    @Test func appliedTransactions() throws {
        var state = ClusterState()
        _ = try state.apply(Transaction(time: Self.time, mutations: Self.objects), at: 2)
        let before = Contents(state)
        let report = Fuzzer("transactions-applied").run(try Self.examples()) { input in
            guard let transaction = try? JSONCoding.decode(Transaction.self, from: input) else { return .refused }
            var (first, second) = (state, state)
            let refusals = [Self.refusal(&first, transaction), Self.refusal(&second, transaction)]
            guard refusals[0] == refusals[1], Contents(first) == Contents(second) else {
                return .wrong("two managers differ")
            }
            var kept = before
            kept.time = first.time
            if refusals[0] != nil, Contents(first) != kept { return .wrong("it was refused and changed something") }
            for network in first.networks.values { _ = first.usedAddresses(of: network) }
            return .taken
        }
        #expect(report.finding == nil)
    }

    private static func refusal(_ state: inout ClusterState, _ transaction: Transaction) -> Refusal? {
        do throws(Refusal) {
            _ = try state.apply(transaction, at: 3)
            return nil
        } catch {
            return error
        }
    }
}
