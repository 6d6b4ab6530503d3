import ClusterHistory
import ClusterModel
import JSON
import Testing
import Values

@Suite struct RollbackTests {
    @Test("Where nothing has changed there is nothing to do")
    func nothing() throws {
        var past = try Past()
        let revision = try past.create("1", Past.document("one", image: "a"))
        let plan = try past.plan(to: revision)
        #expect(plan.isEmpty && plan.mutations.isEmpty && plan.exceptions.isEmpty)
    }

    @Test("Services that changed, came and went are as they were; versions read are asked for")
    func services() throws {
        var past = try Past()
        try past.create("1", Past.document("changed", image: "a"))
        let revision = try past.create("2", Past.document("gone", image: "a"))
        let version = try past.update("1", Past.document("changed", image: "b"))
        try past.apply(.removeService("2", expected: nil))
        try past.create("3", Past.document("new", image: "a"))
        let plan = try past.rollBack(to: revision)
        #expect(
            plan.steps.map { [$0.name, $0.change.rawValue] } == [
                ["new", "removed"], ["changed", "updated"], ["gone", "created"],
            ])
        #expect(plan.steps[1].fields.map(\.path) == ["TaskTemplate.ContainerSpec.Image"])
        #expect(plan.steps[2].remark == "it was 2")
        #expect(
            plan.mutations.contains {
                if case .putService(let service, expected: version) = $0 { service.id == "1" } else { false }
            })
        #expect(past.looks(at: past.state.index) == past.looks(at: revision))
        #expect(past.state.service(named: "gone")?.id.count == 25, "under a new identifier")
        #expect(past.state.services["1"]?.updateStatus?.state == .updating, "an update like any other")
        #expect(past.records.last?.note == "rollback to \(revision)")
        #expect(try past.plan(to: revision).isEmpty)
    }

    @Test("Configs come back with their data, secrets cannot; what came since goes; labels are as they were")
    func payloads() throws {
        var past = try Past()
        func config(_ id: String, _ name: String, _ labels: [String: String] = [:]) -> ConfigObject {
            ConfigObject(
                id: id, createdAt: .epoch, spec: PayloadSpec(name: name, labels: labels), data: "ZGF0YQ==")
        }
        func secret(_ id: String, _ name: String, _ labels: [String: String] = [:]) -> SecretObject {
            SecretObject(
                id: id, createdAt: .epoch, spec: PayloadSpec(name: name, labels: labels),
                data: SealedValue(keyID: "k", box: "b"))
        }
        try past.apply(
            .putConfig(config("c1", "kept", ["a": "1"]), expected: 0), .putConfig(config("c2", "gone"), expected: 0),
            .putSecret(secret("s1", "kept", ["a": "1"]), expected: 0), .putSecret(secret("s2", "gone"), expected: 0))
        let revision = past.state.index
        try past.apply(
            .putConfig(config("c1", "kept", ["a": "2"]), expected: nil), .removeConfig("c2", expected: nil),
            .putSecret(secret("s1", "kept"), expected: nil), .removeSecret("s2", expected: nil),
            .putConfig(config("c3", "new"), expected: 0), .putSecret(secret("s3", "new"), expected: 0))
        let plan = try past.rollBack(to: revision)
        #expect(
            plan.steps.map { [$0.object.kind.rawValue, $0.name, $0.change.rawValue] } == [
                ["config", "new", "removed"], ["config", "gone", "created"], ["config", "kept", "updated"],
                ["secret", "new", "removed"], ["secret", "kept", "updated"],
            ])
        #expect(plan.exceptions.map(\.name) == ["gone"])
        #expect(past.state.configs.named("gone")?.data == "ZGF0YQ==")
        #expect(past.state.configs["c1"]?.spec.labels == ["a": "1"])
        #expect(past.state.secrets["s1"]?.spec.labels == ["a": "1"])
        #expect(past.state.configs.named("new") == nil && past.state.secrets.named("new") == nil)
        let kept = past.records.filter { $0.object.kind == .secret }.compactMap(\.specification)
        #expect(kept.allSatisfy { $0["Data"] == nil }, "a secret's data is in no specification")
    }

    @Test("A rollback is a revision that can be rolled back itself")
    func thereAndBack() throws {
        var past = try Past()
        let first = try past.create("1", Past.document("one", image: "a"))
        let second = try past.update("1", Past.document("one", image: "b"))
        _ = try past.rollBack(to: first)
        #expect(past.state.services["1"]?.document == Past.document("one", image: "a"))
        _ = try past.rollBack(to: second)
        #expect(past.state.services["1"]?.document == Past.document("one", image: "b"))
    }

    @Test("A service that was made again under its name stands for the old one; of another mode it is made anew")
    func namesakes() throws {
        var past = try Past()
        try past.create("1", Past.document("same", image: "a"))
        let revision = try past.create("2", Past.document("moded", image: "a"))
        try past.apply(.removeService("1", expected: nil), .removeService("2", expected: nil))
        try past.create("3", Past.document("same", image: "b"))
        try past.create("4", Past.document("moded", image: "a", isGlobal: true))
        let plan = try past.rollBack(to: revision)
        #expect(
            plan.steps.map { [$0.name, $0.change.rawValue] } == [
                ["moded", "removed"], ["moded", "created"], ["same", "updated"],
            ])
        #expect(past.state.services["3"]?.document == Past.document("same", image: "a"))
        #expect(past.looks(at: past.state.index) == past.looks(at: revision))
    }

    @Test("A network that went is made again, and the services that used it use the new one")
    func networks() throws {
        var past = try Past()
        try past.createNetwork("x", "back", "10.0.1.0/24")
        let revision = try past.create("1", Past.document("one", image: "a", networks: ["x"]))
        try past.apply(.removeService("1", expected: nil))
        try past.apply(.removeNetwork("x", expected: nil))
        try past.createNetwork("y", "new", "10.0.2.0/24")
        let plan = try past.rollBack(to: revision)
        #expect(
            plan.steps.map { [$0.name, $0.change.rawValue] } == [
                ["new", "removed"], ["back", "created"], ["one", "created"],
            ])
        let network = try #require(past.state.network(named: "back"))
        #expect(network.id != "x" && network.subnet == CIDR("10.0.1.0/24") && network.vni == 4099)
        #expect(past.state.service(named: "one")?.spec.allNetworks.map(\.target) == [network.id])
        #expect(past.looks(at: past.state.index) == past.looks(at: revision))
    }

    @Test("A subnet that is taken meanwhile is replaced by a free one, and the plan says so")
    func takenSubnet() throws {
        var past = try Past()
        let revision = try past.createNetwork("x", "back", "10.0.1.0/24")
        try past.apply(.removeNetwork("x", expected: nil))
        try past.createNetwork("y", "new", "10.0.0.0/16")
        try past.create("1", Past.document("user", image: "a", networks: ["y"]))
        try past.apply(
            .createTask(
                TaskObject(
                    id: "t", createdAt: .epoch, serviceID: "1", slot: 1, spec: TaskTemplate(containerSpec: nil),
                    specVersion: 1)),
            .assign(
                taskID: "t", nodeID: "n2",
                attachments: [TaskAttachment(networkID: "y", address: CIDR("10.0.0.9/16")!)]))
        let plan = try past.rollBack(to: revision)
        #expect(plan.laterRemovals.map(\.name) == ["new"], "a task is still there")
        #expect(plan.steps.first { $0.name == "new" }?.remark == "when task t has left it")
        let network = try #require(past.state.network(named: "back"))
        #expect(network.subnet == CIDR("10.1.0.0/24"))
        #expect(
            plan.steps.first { $0.change == .created }?.remark
                == "it was x; its subnet 10.0.1.0/24 is taken, it gets 10.1.0.0/24")
    }

    @Test("A network of the same name stands for the old one, unless it is another one")
    func replacedNetworks() throws {
        var past = try Past()
        try past.createNetwork("x", "back", "10.0.1.0/24")
        let revision = try past.create("1", Past.document("one", image: "a", networks: ["x"]))
        try past.apply(.removeService("1", expected: nil))
        try past.apply(.removeNetwork("x", expected: nil))
        try past.createNetwork("y", "back", "10.0.2.0/24")
        _ = try past.rollBack(to: revision)
        #expect(past.state.service(named: "one")?.spec.allNetworks.map(\.target) == ["y"])
        try past.apply(.removeService(past.state.service(named: "one")!.id, expected: nil))
        try past.apply(.removeNetwork("y", expected: nil))
        let other = NetworkObject(
            id: "z", createdAt: .epoch, spec: .init(name: "back", isInternal: true), subnet: CIDR("10.0.3.0/24")!,
            gateway: IPAddress("10.0.3.1")!, vni: 9000)
        try past.apply(.putNetwork(other, expected: 0))
        #expect(throws: RollbackRefusal.networkReplaced(name: "back")) { _ = try past.plan(to: revision) }
    }

    @Test("Nodes get their labels and availability back; who joined, left or changed its role is named and left alone")
    func nodes() throws {
        var past = try Past()
        let revision = past.state.index
        var node = past.state.nodes["n2"]!
        node.spec = NodeSpec(labels: ["zone": "b"], role: .manager, availability: .drain)
        try past.apply(.putNode(node, expected: nil), .putNode(Past.node("n3", .worker), expected: 0))
        try past.apply(.removeNode("n1", expected: nil))
        let plan = try past.rollBack(to: revision)
        #expect(past.state.nodes["n2"]?.spec == NodeSpec(role: .manager, availability: .active))
        #expect(plan.steps.map(\.name) == ["host-n2"])
        #expect(plan.steps[0].fields.map(\.path) == ["Availability", "Labels.zone"])
        #expect(
            plan.exceptions.map { "\($0.name): \($0.reason)" } == [
                "host-n1: it has left the cluster and would have to join again",
                "host-n2: it stays a manager: use node promote or node demote",
                "host-n3: it has joined since and stays",
            ])
    }

    @Test("The cluster's own specification goes back, and its keys and tokens stay")
    func cluster() throws {
        var past = try Past()
        let revision = past.state.index
        var cluster = past.state.cluster!
        cluster.spec = [
            "Name": "default", "Labels": ["a": "b"], "EncryptionConfig": ["AutoLockManagers": true],
        ]
        cluster.workerToken = SealedValue(unsealed: "new")
        try past.apply(.putCluster(cluster, expected: nil))
        _ = try past.rollBack(to: revision)
        let locked: JSONValue = ["AutoLockManagers": true]
        #expect(
            past.state.cluster?.spec == ["Name": "default", "Labels": [:], "EncryptionConfig": locked],
            "the lock goes with its key, which stays")
        #expect(past.state.cluster?.workerToken == SealedValue(unsealed: "new"))
        #expect(past.state.cluster?.rootKey == SealedValue(unsealed: "secret"))
    }

    @Test("What the cluster would refuse is refused by the plan, whole")
    func refusal() throws {
        var past = try Past()
        try past.create("1", Past.document("one", image: "a", port: 80))
        let revision = try past.create("2", Past.document("two", image: "a"))
        try past.update("1", Past.document("one", image: "a"))
        try past.update("2", Past.document("two", image: "a", port: 80))
        #expect(throws: RollbackRefusal.refused(.portTaken(port: 80, service: "two", id: "2"))) {
            _ = try past.plan(to: revision)
        }
        // Where the one that has the port goes, it does not matter.
        try past.apply(.removeService("2", expected: nil))
        _ = try past.rollBack(to: revision)
        #expect(past.looks(at: past.state.index) == past.looks(at: revision))
    }

    @Test("Whatever was done, a rollback makes it what it was", arguments: 0..<50 as Range<UInt64>)
    func anything(seed: UInt64) throws {
        var past = try Past()
        past.generator.state = seed
        var counter = 0
        for _ in 0..<40 {
            counter += 1
            let service = past.state.services.values.sorted { $0.id < $1.id }.randomElement(using: &past.generator)
            let network = past.state.networks.values.sorted { $0.id < $1.id }.randomElement(using: &past.generator)
            switch UInt8.random(in: 0..<6, using: &past.generator) {
            case 0: try past.createNetwork("x\(counter)", "net-\(counter % 5)-\(counter)", "10.0.\(counter).0/24")
            case 1:
                guard let network, past.state.user(ofNetwork: network.id) == nil else { continue }
                try past.apply(.removeNetwork(network.id, expected: nil))
            case 2:
                guard let service else { continue }
                try past.apply(.removeService(service.id, expected: nil))
            case 3:
                guard let service else { continue }
                try past.update(
                    service.id,
                    Past.document(
                        service.spec.name, image: "i\(counter)", networks: network.map { [$0.id] } ?? [],
                        isGlobal: service.spec.isGlobal))
            default:
                let name = "s\(counter % 7)"
                guard past.state.service(named: name) == nil else { continue }
                try past.create(
                    "id\(counter)",
                    Past.document(
                        name, image: "a", networks: network.map { [$0.id] } ?? [], isGlobal: counter % 3 == 0))
            }
        }
        let revision = UInt64.random(in: 3...past.state.index, using: &past.generator)
        let plan = try past.rollBack(to: revision)
        #expect(plan.laterRemovals.isEmpty)
        #expect(past.looks(at: past.state.index) == past.looks(at: revision), "seed \(seed), revision \(revision)")
        #expect(try past.plan(to: revision).isEmpty)
    }
}
