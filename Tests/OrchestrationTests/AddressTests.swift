import ClusterModel
import Orchestration
import Testing
import Values

/// A network with fewer addresses than tasks.
@Suite struct AddressTests {
    /// Six tasks wished for in a network of eight addresses: its own, the gateway's, the broadcast one, the service's.
    private static func exhausted(change: (inout ServiceSpec) -> Void = { _ in }) -> PlayedCluster {
        var cluster = PlayedCluster(nodes: 3)
        let small = NetworkObject(
            id: "small", createdAt: cluster.now, spec: .init(name: "small"), subnet: CIDR("10.0.2.0/29")!,
            gateway: IPAddress("10.0.2.1")!, vni: 4098)
        cluster.apply([.putNetwork(small, expected: 0)])
        cluster.create(replicas: 6) {
            $0.taskTemplate.networks = [.init(target: "small")]
            change(&$0)
        }
        cluster.run(seconds: 4)
        return cluster
    }

    @Test func tasksWithoutAnAddressWaitAndSayWhy() {
        var cluster = Self.exhausted()
        #expect(cluster.serving.count == 4)
        let waiting = cluster.tasks.filter { !$0.isServing }
        #expect(
            waiting.map(\.status.err)
                == Array(repeating: "could not find an available IP while allocating for network small", count: 2))
        #expect(waiting.allSatisfy { $0.status.state == .pending && $0.nodeID.isEmpty && $0.attachments.isEmpty })
        #expect(cluster.planned().isEmpty, "nothing is tried again while nothing changes")
        // A place that gives its address back makes room.
        cluster.setNode("n1") { $0.status.state = .down }
        cluster.apply([.removeNode("n1", expected: nil)])
        cluster.run(seconds: 10)
        #expect(cluster.serving.count == 4)
        cluster.update { $0.mode = .replicas(3) }
        cluster.run(seconds: 4)
        #expect(cluster.serving.count == 3)
        #expect(cluster.tasks.allSatisfy { $0.desiredState >= .shutdown || $0.isServing })
        cluster.update { $0.mode = .replicas(4) }
        cluster.run(seconds: 4)
        #expect(cluster.serving.count == 4)
    }

    @Test("A stop-first update needs no further address")
    func updateInAFullNetwork() {
        var cluster = Self.exhausted()
        cluster.update { $0.mode = .replicas(4) }
        cluster.run(seconds: 3)
        cluster.update { $0.taskTemplate.containerSpec?.image = "v2" }
        cluster.run(seconds: 40)
        #expect(cluster.service?.updateStatus?.state == .completed)
        #expect(cluster.serving.map { $0.spec.containerSpec?.image } == Array(repeating: "v2", count: 4))
        #expect(Set(cluster.serving.flatMap(\.attachments).map(\.address.address)).count == 8)
    }

    @Test("A service for whose own address there is none left waits whole, and others are not held up")
    func noAddressForTheService() {
        var cluster = Self.exhausted { $0.mode = .replicas(5) }
        #expect(cluster.serving.count == 4)
        var template = TaskTemplate(containerSpec: ContainerSpec(image: "v1"))
        template.networks = [.init(target: "small")]
        let late = ServiceObject(
            id: "late", createdAt: cluster.now,
            spec: ServiceSpec(name: "late", taskTemplate: template, mode: .replicas(1)), document: .null,
            endpoint: ServiceEndpoint())
        cluster.apply([.putService(late, expected: 0)])
        cluster.run(seconds: 3)
        #expect(
            cluster.state.tasks(ofService: "late").map(\.status.err)
                == ["could not find an available IP while allocating for network small"])
        #expect(cluster.planned().isEmpty)
        cluster.apply([.removeService("s", expected: nil)])
        cluster.run(seconds: 5)
        #expect(cluster.state.tasks(ofService: "late").map(\.isServing) == [true])
        #expect(cluster.state.services["late"]?.endpoint.virtualIPs.count == 1)
    }
}
