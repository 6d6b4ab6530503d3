import ClusterHistory
import ClusterModel
import JSON
import Values

/// A cluster whose past is kept in memory: transactions are applied, and every record remembered.
struct Past {
    struct Generator: RandomNumberGenerator {
        var state: UInt64 = 1
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state
        }
    }

    var state = ClusterState()
    var records: [HistoryRecord] = []
    var generator = Generator()

    init() throws(Refusal) {
        let cluster = ClusterObject(
            id: "cluster", createdAt: .epoch, spec: ["Name": "default", "Labels": [:]], rootCertificate: "",
            rootKey: SealedValue(unsealed: "secret"), workerToken: .init(unsealed: ""),
            managerToken: .init(unsealed: ""), addressPools: [CIDR("10.0.0.0/8")!], subnetSize: 24,
            dataPathPort: 4789, gatewayPool: CIDR("10.192.0.0/10")!)
        try apply(.putCluster(cluster, expected: 0))
        for (id, role) in [("n1", NodeSpec.Role.manager), ("n2", .worker)] {
            try apply(.putNode(Self.node(id, role), expected: 0))
        }
    }

    static func node(_ id: String, _ role: NodeSpec.Role) -> NodeObject {
        NodeObject(
            id: id, createdAt: .epoch, spec: NodeSpec(role: role),
            description: NodeDescription(
                hostname: "host-\(id)", platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1")),
            status: NodeStatus(state: .ready, addr: ""), clusterAddress: "")
    }

    /// - Returns: the revision.
    @discardableResult
    mutating func apply(
        by author: Author? = .node(id: "n1", client: "test"), note: String? = nil, _ mutations: Mutation...
    ) throws(Refusal) -> UInt64 {
        try apply(by: author, note: note, mutations)
    }

    @discardableResult
    mutating func apply(
        by author: Author? = .node(id: "n1", client: "test"), note: String? = nil, _ mutations: [Mutation]
    ) throws(Refusal) -> UInt64 {
        let transaction = Transaction(
            time: Timestamp(secondsSinceEpoch: Int64(state.index) + 1), author: author, note: note,
            mutations: mutations)
        let before = EarlierSpecifications(of: transaction, in: state)
        let changes = try state.apply(transaction, at: state.index + 1)
        records += HistoryRecord.records(of: transaction, changes: changes, from: before, to: state)
        return state.index
    }

    // MARK: What clients do

    static func document(
        _ name: String, image: String, networks: [String] = [], port: Int64 = 0, isGlobal: Bool = false
    ) -> JSONValue {
        var document: JSONValue = [
            "Name": .string(name), "Labels": [:],
            "TaskTemplate": ["ContainerSpec": ["Image": .string(image)]],
            "Mode": isGlobal ? ["Global": [:]] : ["Replicated": ["Replicas": 1]],
        ]
        if !networks.isEmpty {
            document["TaskTemplate"]?["Networks"] = .array(networks.map { ["Target": .string($0)] })
        }
        if port > 0 {
            document["EndpointSpec"] = [
                "Mode": "vip",
                "Ports": [
                    [
                        "TargetPort": 80, "PublishedPort": .integer(port), "Protocol": "tcp", "PublishMode": "ingress",
                    ]
                ],
            ]
        }
        return document
    }

    @discardableResult
    mutating func create(_ id: String, _ document: JSONValue) throws -> UInt64 {
        let spec = try JSONCoding.docker.decode(ServiceSpec.self, from: document)
        let service = ServiceObject(
            id: id, createdAt: .epoch, spec: spec, document: document,
            endpoint: ServiceEndpoint(spec: spec.endpointSpec ?? EndpointSpec()))
        return try apply(.putService(service, expected: 0))
    }

    @discardableResult
    mutating func update(_ id: String, _ document: JSONValue) throws -> UInt64 {
        var service = state.services[id]!
        service.update(
            to: try JSONCoding.docker.decode(ServiceSpec.self, from: document), document: document, at: state.time)
        return try apply(.putService(service, expected: service.version.index))
    }

    @discardableResult
    mutating func createNetwork(_ id: String, _ name: String, _ subnet: String) throws -> UInt64 {
        let subnet = CIDR(subnet)!
        var cluster = state.cluster!
        let network = NetworkObject(
            id: id, createdAt: .epoch, spec: .init(name: name), subnet: subnet, gateway: subnet.host(1),
            vni: cluster.nextVNI)
        cluster.nextVNI += 1
        return try apply(.putNetwork(network, expected: 0), .putCluster(cluster, expected: nil))
    }

    // MARK: Looking back

    func specifications(at revision: UInt64) -> [ObjectReference: HistoryRecord] {
        var result: [ObjectReference: HistoryRecord] = [:]
        for record in records where record.revision <= revision {
            result[record.object] = record.specification == nil ? nil : record
        }
        return result
    }

    mutating func plan(to revision: UInt64) throws -> RollbackPlan {
        try RollbackPlan(
            to: revision, specifications(at: revision), from: state, now: state.time, using: &generator)
    }

    /// Plans, carries out, and returns the plan.
    mutating func rollBack(to revision: UInt64) throws -> RollbackPlan {
        let plan = try plan(to: revision)
        if !plan.mutations.isEmpty { try apply(note: "rollback to \(revision)", plan.mutations) }
        return plan
    }

    /// What people see: kind, name and specification, whatever the identifiers.
    func looks(at revision: UInt64) -> Set<[String]> {
        Set(
            specifications(at: revision).values.map { record in
                var document = record.specification ?? .null
                if let networks = document["TaskTemplate"]?["Networks"]?.array {
                    document["TaskTemplate"]?["Networks"] = .array(
                        networks.map { network in
                            let id = network["Target"]?.string ?? ""
                            let name = specifications(at: revision)[ObjectReference(kind: .network, id: id)]?.name
                            return ["Target": .string(name ?? id)]
                        })
                }
                return [record.object.kind.rawValue, record.name, document.text]
            })
    }
}
