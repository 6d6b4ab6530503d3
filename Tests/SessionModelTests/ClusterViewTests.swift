import ClusterModel
import JSON
import NetworkModel
import SessionModel
import Testing
import Values

@Suite struct ClusterViewTests {
    /// Two nodes, a service with a virtual address, an alias and a published port, one task on each node.
    func state(servingOn serving: Set<String>) throws -> ClusterState {
        var state = ClusterState()
        var mutations: [Mutation] = []
        let cluster = ClusterObject(
            id: "c", createdAt: .epoch, spec: .null, rootCertificate: "", rootKey: .init(unsealed: ""),
            workerToken: .init(unsealed: ""),
            managerToken: .init(unsealed: ""), addressPools: [], subnetSize: 24, dataPathPort: 4789,
            gatewayPool: CIDR("10.192.0.0/10")!)
        mutations.append(.putCluster(cluster, expected: 0))
        for number in 1...2 {
            var node = NodeObject(
                id: "n\(number)", createdAt: .epoch, spec: NodeSpec(role: .manager), description: nil,
                status: NodeStatus(state: .ready, addr: "192.0.2.\(number)"), clusterAddress: "192.0.2.\(number):2377")
            node.gatewayBlock = CIDR("10.192.\(number * 4).0/22")!
            mutations.append(.putNode(node, expected: 0))
        }
        for (id, name, subnet) in [("w", "Web", "10.0.1.0/24"), ("i", "ingress", "10.192.0.0/10")] {
            let spec = NetworkObject.Spec(name: name, isIngress: id == "i")
            let network = NetworkObject(
                id: id, createdAt: .epoch, spec: spec, subnet: CIDR(subnet)!, gateway: CIDR(subnet)!.host(1),
                vni: id == "w" ? 4097 : 4096)
            mutations.append(.putNetwork(network, expected: 0))
        }
        var template = TaskTemplate(containerSpec: ContainerSpec(image: "x"))
        template.networks = [NetworkAttachmentConfiguration(target: "w", aliases: ["front"])]
        let spec = ServiceSpec(name: "Hello", taskTemplate: template)
        var service = ServiceObject(
            id: "s", createdAt: .epoch, spec: spec, document: .null, endpoint: ServiceEndpoint())
        service.endpoint.ports = [PortConfiguration(targetPort: 80, publishedPort: 8080)]
        service.endpoint.virtualIPs = [VirtualAddress(networkID: "w", addr: CIDR("10.0.1.2/24")!)]
        mutations.append(.putService(service, expected: 0))
        for number in 1...2 {
            mutations.append(
                .createTask(
                    TaskObject(
                        id: "t\(number)", createdAt: .epoch, serviceID: "s", slot: UInt64(number), spec: template,
                        specVersion: 1)))
            mutations.append(
                .assign(
                    taskID: "t\(number)", nodeID: "n\(number)",
                    attachments: [
                        TaskAttachment(networkID: "w", address: CIDR("10.0.1.\(number + 2)/24")!),
                        TaskAttachment(networkID: "i", address: CIDR("10.192.\(number * 4).2/22")!),
                    ]))
            let running = TaskStatus(timestamp: .epoch, state: .running, message: "")
            mutations.append(
                .observe(
                    TaskObservation(
                        taskID: "t\(number)", nodeID: "n\(number)", status: running,
                        isReady: serving.contains("t\(number)"), readinessCounter: 1)))
        }
        _ = try state.apply(Transaction(time: .epoch, mutations: mutations), at: 7)
        return state
    }

    private func seen(_ state: ClusterState, _ node: String) -> HostPicture? {
        var view = ClusterView(state)
        return view.host(node)
    }

    @Test func onlyServingTasksAreBehindAddressesAndPorts() throws {
        let picture = try #require(seen(state(servingOn: ["t2"]), "n1"))
        #expect(picture.revision == PlanRevision(history: "c", index: 7))
        #expect(picture.tasks.map(\.task.id) == ["t1"])
        #expect(picture.network.services.map(\.backends) == [[IPAddress("10.0.1.4")!]])
        let port = try #require(picture.network.ingress?.ports.first)
        #expect(port.backends == [IPAddress("10.192.8.2")!])
        #expect(port.targetPort == 80)
        #expect(picture.network.networks.first?.endpoints.count == 2, "endpoints that exist, serving or not")
        #expect(picture.network.ingress?.hosts.count == 2)
    }

    @Test(
        "A host that joined anew has its own gateway block, not that of the row that it left behind",
        arguments: ["a", "z"], [NodeStatus.State.ready, .down])
    func aHostThatJoinedAnew(_ id: String, _ oldState: NodeStatus.State) throws {
        var state = try state(servingOn: ["t1", "t2"])
        var old = try #require(state.nodes["n1"])
        old.status.state = oldState
        var anew = NodeObject(
            id: id, createdAt: Timestamp(secondsSinceEpoch: 9), spec: NodeSpec(role: .worker), description: nil,
            status: NodeStatus(state: .ready, addr: old.status.addr), clusterAddress: old.clusterAddress)
        anew.gatewayBlock = CIDR("10.192.12.0/22")
        _ = try state.apply(
            Transaction(time: .epoch, mutations: [.putNode(old, expected: nil), .putNode(anew, expected: 0)]), at: 8)
        var picture = ClusterView(state)
        let plan = try #require(picture.host(id)?.network)
        #expect(plan.ownBlock?.block == anew.gatewayBlock)
        #expect(plan.ingress?.hosts.map(\.nodeID).sorted() == [id, "n2"].sorted())
        let overlay = try #require(picture.host("n2")?.network.networks.first)
        #expect(overlay.endpoints.map(\.owner) == ["t2"], "what ran on the old one is nowhere")
    }

    @Test("Docker: service, alias, tasks.<service> and the task's own name")
    func names() throws {
        let picture = try #require(seen(state(servingOn: ["t1", "t2"]), "n1"))
        let zone = try #require(picture.zones["w"])
        #expect(zone.names["hello"] == [IPAddress("10.0.1.2")!])
        #expect(zone.names["front"] == [IPAddress("10.0.1.2")!])
        #expect(zone.names["tasks.hello"] == [IPAddress("10.0.1.3")!, IPAddress("10.0.1.4")!])
        #expect(zone.names["hello.1.t1"] == [IPAddress("10.0.1.3")!])
        #expect(zone.pointers["10.0.1.2"] == "hello")
    }

    @Test("A host's own reports do not change its picture")
    func reportsDoNotComeBack() throws {
        var state = try state(servingOn: ["t1", "t2"])
        let before = try #require(seen(state, "n1"))
        var status = TaskStatus(timestamp: .epoch, state: .running, message: "again")
        status.containerStatus = .init(containerID: "x", pid: 5)
        let observation = TaskObservation(
            taskID: "t1", nodeID: "n1", status: status, isReady: true, readinessCounter: 9)
        _ = try state.apply(Transaction(time: .epoch, mutations: [.observe(observation)]), at: 8)
        let after = try #require(seen(state, "n1"))
        #expect(before.at(after.revision) == after)
        #expect(before != after)
    }

    @Test func messagesSurviveTheirText() throws {
        let picture = try #require(seen(state(servingOn: ["t1"]), "n2"))
        let message = ManagerMessage.picture(picture)
        #expect(try ManagerMessage(decoding: message.encoded()) == message)
        let receipt = AgentMessage.receipt(HostReceipt(revision: picture.revision, failure: "no"))
        #expect(try AgentMessage(decoding: receipt.encoded()) == receipt)
        #expect(throws: JSONError.self) { try AgentMessage(decoding: Array("{\"report\":3}".utf8)) }
    }

    @Test func aNodeThatIsGoneHasNoPicture() throws {
        #expect(try seen(state(servingOn: []), "n3") == nil)
    }
}
