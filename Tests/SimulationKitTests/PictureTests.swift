import ClusterModel
import SessionModel
import SimulationKit
import Testing
import Values

/// Pictures that are kept from change to change, and told as changes, beside those that are made of the whole state.
@Suite struct PictureTests {
    /// A cluster in which anything may change.
    private struct World {
        var state = ClusterState()
        var changes: [AppliedChange] = []
        var generator: SplitMix64
        private var count = 0

        init(seed: UInt64) throws {
            generator = SplitMix64(seed: seed)
            let cluster = ClusterObject(
                id: "c", createdAt: .epoch, spec: .null, rootCertificate: "", rootKey: .init(unsealed: ""),
                workerToken: .init(unsealed: ""), managerToken: .init(unsealed: ""), addressPools: [], subnetSize: 24,
                dataPathPort: 4789, gatewayPool: CIDR("10.192.0.0/10")!)
            apply(.putCluster(cluster, expected: 0))
        }

        mutating func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }

        mutating func apply(_ mutation: Mutation) {
            // What the rules refuse changes nothing.
            let transaction = Transaction(time: .epoch, mutations: [mutation])
            changes += (try? state.apply(transaction, at: state.index + 1)) ?? []
        }

        private mutating func one(_ ids: some Collection<String>) -> String? {
            ids.sorted().randomElement(using: &generator)
        }

        /// Until there is much of everything, and a node.
        mutating func grow() {
            for _ in 0..<400 { change() }
            while state.nodes.isEmpty { change() }
        }

        /// Something changes, mostly something small.
        mutating func change() {
            count += 1
            switch number(20) {
            case 0: putNode("n\(number(6))")
            case 1: if let id = one(state.nodes.keys) { apply(.removeNode(id, expected: nil)) }
            case 2: putNetwork("w\(number(3))", isIngress: false)
            case 3: putNetwork("i", isIngress: true)
            case 4: if let id = one(state.networks.keys), number(4) == 0 { apply(.removeNetwork(id, expected: nil)) }
            case 5, 6: putService("s\(number(4))")
            case 7: if let id = one(state.services.keys), number(3) == 0 { apply(.removeService(id, expected: nil)) }
            case 8, 9, 10: createTask()
            case 11: if let id = one(state.tasks.keys) { apply(.removeTask(id)) }
            case 12: putAttachment("a\(number(4))")
            case 13: if let id = one(state.attachments.keys) { apply(.removeAttachment(id)) }
            case 14: if let id = one(state.networks.keys) { apply(.moveCursor(networkID: id, UInt64(count))) }
            default: observe()
            }
        }

        private mutating func putNode(_ id: String) {
            var node = NodeObject(
                id: id, createdAt: Timestamp(secondsSinceEpoch: Int64(number(9))), spec: NodeSpec(role: .worker),
                description: nil,
                status: NodeStatus(state: number(3) == 0 ? .down : .ready, addr: "192.0.2.\(number(8))"),
                clusterAddress: "192.0.2.\(number(8)):2377")
            if number(2) == 0 { node.gatewayBlock = CIDR("10.192.\(4 * number(8)).0/22")! }
            if number(3) == 0 { node.spec.role = .manager }
            apply(.putNode(node, expected: nil))
        }

        private mutating func putNetwork(_ id: String, isIngress: Bool) {
            let subnet = CIDR(isIngress ? "10.192.0.0/10" : "10.0.\(id.utf8.last! & 7).0/24")!
            var network = NetworkObject(
                id: id, createdAt: .epoch, spec: .init(name: "Net-\(id)", isIngress: isIngress), subnet: subnet,
                gateway: subnet.host(1), vni: UInt32(4_096 + number(2)))
            network.spec.labels = number(3) == 0 ? ["a": "b"] : [:]
            apply(.putNetwork(network, expected: nil))
        }

        private mutating func putService(_ id: String) {
            var template = TaskTemplate(containerSpec: ContainerSpec(image: "x"))
            template.networks = state.networks.values.filter { !$0.spec.isIngress }.map(\.id).sorted()
                .filter { _ in number(2) == 0 }.map { NetworkAttachmentConfiguration(target: $0, aliases: ["Front"]) }
            var spec = ServiceSpec(name: "Web-\(id)\(number(3) == 0 ? "-new" : "")", taskTemplate: template)
            spec.labels = number(3) == 0 ? ["tier": "\(number(2))"] : [:]
            var service = ServiceObject(
                id: id, createdAt: .epoch, spec: spec, document: .null, endpoint: ServiceEndpoint())
            service.endpoint.ports = [PortConfiguration(targetPort: 80, publishedPort: UInt16(8_000 + number(3)))]
            service.endpoint.virtualIPs = (template.networks ?? []).map {
                VirtualAddress(networkID: $0.target, addr: CIDR("10.0.9.\(id.utf8.last!)/24")!)
            }
            apply(.putService(service, expected: nil))
        }

        private mutating func createTask() {
            guard let service = one(state.services.keys), let node = one(state.nodes.keys) else { return }
            let id = "t\(count)"
            apply(
                .createTask(
                    TaskObject(
                        id: id, createdAt: .epoch, serviceID: service, slot: UInt64(count),
                        spec: TaskTemplate(containerSpec: ContainerSpec(image: "x")), specVersion: 1)))
            let attachments = state.networks.values.sorted { $0.id < $1.id }.filter { _ in number(2) == 0 }.map {
                TaskAttachment(
                    networkID: $0.id, address: CIDR("10.\($0.spec.isIngress ? 192 : 1).7.\(count % 250)/16")!)
            }
            apply(.assign(taskID: id, nodeID: node, attachments: attachments))
        }

        private mutating func observe() {
            guard let id = one(state.tasks.keys), let task = state.tasks[id] else { return }
            let state: TaskState = number(8) == 0 ? .failed : .running
            apply(
                .observe(
                    TaskObservation(
                        taskID: id, nodeID: task.nodeID,
                        status: TaskStatus(timestamp: .epoch, state: state, message: ""),
                        isReady: number(3) > 0, readinessCounter: UInt64(count))))
        }

        private mutating func putAttachment(_ id: String) {
            guard let network = one(state.networks.keys), let node = one(state.nodes.keys) else { return }
            apply(
                .putAttachment(
                    AttachmentObject(
                        id: id, nodeID: node, networkID: network, containerID: "container-\(id)",
                        address: CIDR("10.2.0.\(number(250))/16")!, names: ["Box", "box", id])))
        }
    }

    @Test(
        "What is kept and told as changes is what the whole state says: to hosts that follow, lag, come from elsewhere",
        arguments: 0..<12 as Range<UInt64>)
    func agrees(seed: UInt64) throws {
        var world = try World(seed: seed)
        var view = ClusterView(world.state)
        // By node: one that follows each change, and one that is told now and then.
        var readers: [String: (PictureReader, held: [SectionName: SectionMark])] = [:]
        for round in 0..<120 {
            for _ in 0...world.number(4) { world.change() }
            // As where a manager has lost its way.
            let isKnown = world.number(30) > 0
            _ = view.update(to: world.state, isKnown ? world.changes : nil)
            world.changes = []
            let whole = WholePicture(world.state)
            let anew = ClusterView(world.state)
            for node in world.state.nodes.keys.sorted() {
                let index = try #require(view.index(of: node))
                #expect(index == anew.index(of: node), "round \(round): nothing of the way is left")
                let picture = try #require(whole.host(node))
                #expect(view.host(node) == picture, "round \(round), \(node)")
                for (key, isDue) in [(node, true), ("\(node) late", world.number(5) == 0)] where isDue {
                    var (reader, held) = readers[key] ?? (PictureReader(), [:])
                    // The next manager knows nothing of the way.
                    var source = world.number(10) == 0 ? anew : view
                    for change in source.changes(to: index, from: held) {
                        #expect(try reader.read(ManagerMessage.section(change).encoded()) == nil)
                    }
                    #expect(
                        try reader.read(ManagerMessage.turn(index).encoded()) == .picture(picture),
                        "round \(round), \(key)")
                    held = index.sections
                    readers[key] = (reader, held)
                }
            }
        }
    }

    @Test("A change costs what it concerns: who follows is told a few facts, and whoever is not concerned none")
    func size() throws {
        var world = try World(seed: 1)
        world.grow()
        var view = ClusterView(world.state)
        world.changes = []
        let node = try #require(world.state.nodes.keys.sorted().first)
        let before = try #require(view.index(of: node))
        var address = try #require(world.state.nodes[node])
        address.clusterAddress = "198.51.100.1:2377"
        world.apply(.putNode(address, expected: nil))
        let touched = view.update(to: world.state, world.changes)
        #expect(touched.sections == [.peers])
        #expect(touched.nodes == [node])
        let after = try #require(view.index(of: node))
        let changes = view.changes(to: after, from: before.sections)
        #expect(changes.map(\.section) == [.peers])
        #expect(changes.first?.put.count == 1 && changes.first?.drop.isEmpty == true)
        #expect(view.changes(to: after, from: after.sections).isEmpty)
    }

    @Test("A change that does not fit is refused, and whole pictures are asked for from then on")
    func mismatch() throws {
        var world = try World(seed: 2)
        world.grow()
        var view = ClusterView(world.state)
        let node = try #require(world.state.nodes.keys.sorted().first)
        let index = try #require(view.index(of: node))
        var reader = PictureReader()
        let hello = AgentMessage.hello(
            AgentHello(
                description: NodeDescription(
                    hostname: "h", platform: .init(architecture: "x86_64"),
                    resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1")), bootID: "b"))
        func sections() -> [SectionName: SectionMark]? {
            if case .hello(let hello) = reader.complete(hello) { hello.sections } else { nil }
        }
        #expect(sections() == [:])
        for change in view.changes(to: index, from: [:]) {
            _ = try reader.read(ManagerMessage.section(change).encoded())
        }
        #expect(sections() == index.sections, "also where it was not turned to yet")
        var forged = try #require(view.changes(to: index, from: [:]).first { $0.section == .peers })
        forged.put = [:]
        #expect(throws: SectionMismatch.self) { try reader.read(ManagerMessage.section(forged).encoded()) }
        #expect(sections() == nil)
    }
}
