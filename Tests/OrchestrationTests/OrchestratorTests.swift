import ClusterModel
import Orchestration
import Testing
import Values

@Suite struct OrchestratorTests {
    @Test func aServiceIsPlacedEvenlyAndServes() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 6)
        cluster.run(seconds: 3)
        #expect(cluster.serving.count == 6)
        for node in ["n1", "n2", "n3"] { #expect(cluster.serving.count { $0.nodeID == node } == 2) }
        let addresses = Set(cluster.serving.flatMap(\.attachments).map(\.address.address))
        #expect(addresses.count == 12, "an overlay and a gateway address each, none twice")
        #expect(cluster.service?.endpoint.virtualIPs.count == 1)
        #expect(!addresses.contains(cluster.service!.endpoint.virtualIPs[0].addr.address))
    }

    @Test func scalingUpAndDown() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 3)
        cluster.run(seconds: 3)
        cluster.update { $0.mode = .replicas(12) }
        cluster.run(seconds: 3)
        #expect(cluster.serving.count == 12)
        #expect(cluster.service?.updateStatus == nil, "scaling is no update")
        cluster.update { $0.mode = .replicas(4) }
        cluster.run(seconds: 3)
        #expect(cluster.serving.count == 4)
        for node in ["n1", "n2", "n3"] { #expect(cluster.serving.count { $0.nodeID == node } >= 1) }
        cluster.update { $0.mode = .replicas(0) }
        cluster.run(seconds: 3)
        #expect(cluster.tasks.allSatisfy { !$0.mayRun })
    }

    @Test(arguments: [1, 2, 0] as [UInt64])
    func startFirstUpdateNeverHasFewerServingTasks(parallelism: UInt64) {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 6) {
            var update = UpdateConfiguration()
            update.order = "start-first"
            update.parallelism = parallelism
            $0.updateConfig = update
        }
        cluster.run(seconds: 3)
        cluster.fewestServing = .max
        cluster.mostLive = 0
        cluster.update { $0.taskTemplate.containerSpec?.image = "v2" }
        cluster.run(seconds: 40)
        #expect(cluster.serving.map { $0.spec.containerSpec?.image } == Array(repeating: "v2", count: 6))
        #expect(cluster.fewestServing >= 6)
        if parallelism > 0 { #expect(cluster.mostLive <= 6 + Int(parallelism) * 2) }
        #expect(cluster.service?.updateStatus?.state == .completed)
    }

    @Test func stopFirstUpdateStopsSoManyAtATime() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 6) {
            var update = UpdateConfiguration()
            update.parallelism = 2
            $0.updateConfig = update
        }
        cluster.run(seconds: 3)
        cluster.fewestServing = .max
        cluster.update { $0.taskTemplate.containerSpec?.image = "v2" }
        cluster.run(seconds: 40)
        #expect(cluster.serving.count { $0.spec.containerSpec?.image == "v2" } == 6)
        #expect(cluster.fewestServing == 4)
        #expect(cluster.service?.updateStatus?.state == .completed)
    }

    @Test("Receipts: a task is stopped only when every live host has taken it out of its maps")
    func withdrawalWaitsForEveryHost() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 3)
        cluster.run(seconds: 3)
        cluster.silent = ["n3"]
        cluster.update { $0.mode = .replicas(1) }
        cluster.run(seconds: 3)
        #expect(cluster.tasks.count { $0.desiredState == .withdrawn } == 2)
        #expect(cluster.tasks.allSatisfy { $0.status.state == .running })
        cluster.setNode("n3") { $0.status.state = .down }
        cluster.run(seconds: 3)
        #expect(cluster.tasks.count { $0.desiredState == .withdrawn } == 0)
    }

    @Test func anUpdateThatFailsPauses() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 4) {
            var update = UpdateConfiguration()
            update.order = "start-first"
            $0.updateConfig = update
        }
        cluster.run(seconds: 3)
        cluster.broken = ["v2"]
        cluster.fewestServing = .max
        cluster.update { $0.taskTemplate.containerSpec?.image = "v2" }
        cluster.run(seconds: 30)
        #expect(cluster.service?.updateStatus?.state == .paused)
        #expect(cluster.fewestServing == 4)
        #expect(cluster.serving.count { $0.spec.containerSpec?.image == "v1" } >= 3)
    }

    @Test func anUpdateThatFailsRollsBack() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 4) {
            var update = UpdateConfiguration()
            update.order = "start-first"
            update.failureAction = "rollback"
            $0.updateConfig = update
        }
        cluster.run(seconds: 3)
        let before = Set(cluster.serving.map(\.id))
        cluster.broken = ["v2"]
        cluster.update { $0.taskTemplate.containerSpec?.image = "v2" }
        cluster.run(seconds: 40)
        #expect(cluster.service?.updateStatus?.state == .rollbackCompleted)
        #expect(cluster.service?.spec.taskTemplate.containerSpec?.image == "v1")
        #expect(Set(cluster.serving.map(\.id)) == before, "tasks that still had the old version stay")
    }

    @Test func aLostNodesTasksAreReplaced() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 6)
        cluster.run(seconds: 3)
        cluster.silent = ["n2"]
        cluster.setNode("n2") { $0.status.state = .down }
        cluster.run(seconds: 3)
        #expect(cluster.serving.count { $0.nodeID != "n2" } == 6)
        #expect(cluster.tasks.filter { $0.nodeID == "n2" }.allSatisfy { $0.desiredState == .shutdown })
        cluster.silent = []
        cluster.setNode("n2") { $0.status.state = .ready }
        cluster.run(seconds: 3)
        #expect(cluster.tasks.filter { $0.nodeID == "n2" }.allSatisfy { $0.status.state == .shutdown })
        cluster.apply([.removeNode("n1", expected: nil)])
        cluster.run(seconds: 3)
        #expect(cluster.serving.count == 6)
    }

    @Test func aDrainedNodeIsEmptiedWithoutFewerServingTasks() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.create(replicas: 6)
        cluster.run(seconds: 3)
        cluster.fewestServing = .max
        cluster.setNode("n1") { $0.spec.availability = .drain }
        cluster.run(seconds: 5)
        #expect(cluster.serving.count == 6)
        #expect(cluster.fewestServing >= 6)
        #expect(cluster.serving.allSatisfy { $0.nodeID != "n1" })
    }

    @Test func restartsWaitAndAreCounted() {
        var cluster = PlayedCluster(nodes: 1)
        cluster.broken = ["v1"]
        cluster.create(replicas: 1) {
            $0.taskTemplate.restartPolicy = .init(condition: "on-failure", delay: 2_000_000_000, maxAttempts: 3)
        }
        cluster.run(seconds: 30)
        #expect(cluster.tasks.count == 4, "the first task and three attempts")
        let starts = cluster.tasks.map(\.createdAt)
        for (earlier, later) in zip(cluster.tasks, cluster.tasks.dropFirst()) {
            let begun = later.notBefore!.nanoseconds(since: earlier.status.timestamp)
            #expect(begun == 2_000_000_000)
        }
        #expect(starts == starts.sorted())
    }

    @Test func globalServicesFollowTheNodes() {
        var cluster = PlayedCluster(nodes: 3)
        cluster.setNode("n3") { $0.spec.labels["zone"] = "b" }
        cluster.create(replicas: 1) {
            $0.mode = ServiceMode(global: .init())
            $0.taskTemplate.placement = .init()
            $0.taskTemplate.placement?.constraints = ["node.labels.zone != b"]
        }
        cluster.run(seconds: 3)
        #expect(Set(cluster.serving.map(\.nodeID)) == ["n1", "n2"])
        cluster.setNode("n3") { $0.spec.labels["zone"] = "a" }
        cluster.setNode("n1") { $0.spec.availability = .drain }
        cluster.run(seconds: 3)
        #expect(Set(cluster.serving.map(\.nodeID)) == ["n2", "n3"])
        cluster.update { $0.taskTemplate.containerSpec?.image = "v2" }
        cluster.run(seconds: 20)
        #expect(cluster.serving.map { $0.spec.containerSpec?.image } == ["v2", "v2"])
    }

    @Test func whatCannotBePlacedSaysWhy() {
        var cluster = PlayedCluster(nodes: 2)
        cluster.create(replicas: 1) {
            $0.taskTemplate.placement = .init()
            $0.taskTemplate.placement?.constraints = ["node.labels.disk == ssd"]
        }
        cluster.run(seconds: 1)
        #expect(
            cluster.tasks.map(\.status.err) == ["no suitable node (scheduling constraints not satisfied on 2 nodes)"])
        cluster.setNode("n2") { $0.spec.labels["disk"] = "ssd" }
        cluster.run(seconds: 3)
        #expect(cluster.serving.map(\.nodeID) == ["n2"])
    }

    @Test func reservationsAreKept() {
        var cluster = PlayedCluster(nodes: 2)
        cluster.create(replicas: 5) {
            $0.taskTemplate.resources = .init(reservations: .init(memoryBytes: 400 << 20))
        }
        cluster.run(seconds: 3)
        #expect(cluster.serving.count == 4)
        #expect(cluster.tasks.compactMap(\.status.err) == ["no suitable node (insufficient resources on 2 nodes)"])
    }

    @Test func removedServicesLeaveNothing() {
        var cluster = PlayedCluster(nodes: 2)
        cluster.create(replicas: 4)
        cluster.run(seconds: 3)
        cluster.apply([.removeService("s", expected: nil)])
        cluster.run(seconds: 2)
        #expect(cluster.state.tasks.isEmpty)
        #expect(cluster.apply([.removeNetwork("web", expected: nil)]) == nil)
    }

    @Test func historyIsBounded() {
        var cluster = PlayedCluster(nodes: 2)
        cluster.create(replicas: 2) { $0.taskTemplate.restartPolicy = .init(delay: 100_000_000) }
        cluster.run(seconds: 2)
        for _ in 0..<12 {
            cluster.update { $0.taskTemplate.forceUpdate += 1 }
            cluster.run(seconds: 8)
        }
        #expect(cluster.serving.count == 2)
        #expect(cluster.tasks.count <= 2 * 6)
    }
}
