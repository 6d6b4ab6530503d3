import ClusterModel
import Orchestration
import Testing
import Values

/// Engine API: ServiceSpec, UpdateConfig and RollbackConfig.
@Suite struct UpdateTests {
    /// A service of four tasks that all run `v1`.
    private static func cluster(
        historyLimit: Int64 = 5, change: (inout ServiceSpec) -> Void = { _ in }
    ) -> PlayedCluster {
        var cluster = PlayedCluster(nodes: 3, historyLimit: historyLimit)
        cluster.create(replicas: 4) {
            $0.taskTemplate.restartPolicy = .init(delay: 500_000_000)
            change(&$0)
        }
        cluster.run(seconds: 3)
        return cluster
    }

    private static func setImage(_ image: String) -> (inout ServiceSpec) -> Void {
        { $0.taskTemplate.containerSpec?.image = image }
    }

    @Test("UpdateConfig.MaxFailureRatio: of the tasks updated, so many may fail", arguments: [0, 0.25, 0.5])
    func failuresAreTolerated(ratio: Double) {
        var cluster = Self.cluster {
            var update = UpdateConfiguration()
            update.maxFailureRatio = ratio
            $0.updateConfig = update
        }
        // One of four.
        cluster.failures = [2: 1]
        cluster.update(Self.setImage("v2"))
        cluster.run(seconds: 40)
        #expect(cluster.service?.updateStatus?.state == (ratio == 0 ? .paused : .completed))
        let updated = cluster.serving.count { $0.spec.containerSpec?.image == "v2" }
        #expect(ratio == 0 ? updated < 4 : updated == 4)
        // Two of four.
        cluster.failures = [1: 1, 3: 1]
        cluster.update(Self.setImage("v3"))
        cluster.run(seconds: 40)
        #expect(cluster.service?.updateStatus?.state == (ratio == 0.5 ? .completed : .paused))
    }

    @Test(
        "RollbackConfig.FailureAction: a rollback whose tasks fail goes on or is paused",
        arguments: ["pause", "continue"])
    func aRollbackFails(action: String) {
        var cluster = Self.cluster {
            var update = UpdateConfiguration()
            update.failureAction = "rollback"
            update.parallelism = 0
            $0.updateConfig = update
            var rollback = UpdateConfiguration()
            rollback.failureAction = action
            $0.rollbackConfig = rollback
        }
        cluster.broken = ["v1", "v2"]
        cluster.update(Self.setImage("v2"))
        cluster.run(seconds: 30)
        #expect(cluster.service?.spec.taskTemplate.containerSpec?.image == "v1")
        let status = cluster.service?.updateStatus
        if action == "pause" {
            #expect(status?.state == .rollbackPaused)
            #expect(status?.message.hasPrefix("rollback paused due to failure or early termination of task") == true)
            let failed = cluster.tasks.count { $0.status.state == .failed && $0.spec.containerSpec?.image == "v1" }
            cluster.broken = []
            cluster.run(seconds: 30)
            #expect(cluster.service?.updateStatus == status, "nobody went on with it")
            #expect(failed >= 1)
        } else {
            #expect(status?.state == .rollbackStarted)
            cluster.broken = []
            cluster.run(seconds: 60)
            #expect(cluster.service?.updateStatus?.state == .rollbackCompleted)
            #expect(cluster.serving.map { $0.spec.containerSpec?.image } == Array(repeating: "v1", count: 4))
        }
    }

    @Test("RollbackConfig, not UpdateConfig, says how a rollback goes")
    func aRollbackHasItsOwnParallelism() {
        var cluster = Self.cluster {
            var rollback = UpdateConfiguration()
            rollback.parallelism = 3
            $0.rollbackConfig = rollback
        }
        cluster.update(Self.setImage("v2"))
        cluster.run(seconds: 40)
        cluster.fewestServing = .max
        guard var service = cluster.service else { return }
        let goesBack = service.rollBack(message: "manually requested rollback", at: cluster.now)
        #expect(goesBack)
        cluster.apply([.putService(service, expected: service.version.index)])
        cluster.run(seconds: 40)
        #expect(cluster.service?.updateStatus?.state == .rollbackCompleted)
        #expect(cluster.fewestServing == 1)
    }

    @Test(
        "UpdateConfig.Delay: between two batches, whatever history is kept", arguments: [5, 1, 0] as [Int64],
        ["stop-first", "start-first"])
    func batchesAreApart(historyLimit: Int64, order: String) throws {
        var cluster = Self.cluster(historyLimit: historyLimit) {
            var update = UpdateConfiguration()
            update.parallelism = 2
            update.delay = 4_000_000_000
            update.order = order
            $0.updateConfig = update
        }
        cluster.update(Self.setImage("v2"))
        cluster.run(seconds: 40)
        #expect(cluster.service?.updateStatus?.state == .completed)
        let tasks = cluster.serving.sorted { $0.createdAt < $1.createdAt }
        try #require(tasks.count == 4)
        let ready = try tasks.prefix(2).map { try #require($0.readyAt) }.max()!
        for task in tasks.suffix(2) {
            let pause = task.createdAt.nanoseconds(since: ready)
            #expect(pause >= 4_000_000_000 && pause < 6_000_000_000)
        }
    }

    @Test("A paused update that is scaled goes on as an update, and is watched again")
    func aPausedUpdateIsScaled() {
        var cluster = Self.cluster()
        cluster.broken = ["v2"]
        cluster.update(Self.setImage("v2"))
        cluster.run(seconds: 10)
        #expect(cluster.service?.updateStatus?.state == .paused)
        let first = cluster.service?.updateStatus?.message

        cluster.update { $0.mode = .replicas(6) }
        #expect(cluster.service?.updateStatus?.state == .updating)
        cluster.run(seconds: 10)
        #expect(cluster.service?.updateStatus?.state == .paused, "what fails now counts")
        #expect(cluster.service?.updateStatus?.message != first)

        cluster.broken = []
        cluster.update { $0.mode = .replicas(5) }
        cluster.run(seconds: 60)
        #expect(cluster.service?.updateStatus?.state == .completed)
        #expect(cluster.serving.map { $0.spec.containerSpec?.image } == Array(repeating: "v2", count: 5))
    }

    @Test("An automatic rollback that is refused, its network being gone, ends paused")
    func aRollbackIsRefused() throws {
        var cluster = PlayedCluster(nodes: 3)
        let old = NetworkObject(
            id: "old", createdAt: cluster.now, spec: .init(name: "old"), subnet: CIDR("10.0.2.0/24")!,
            gateway: IPAddress("10.0.2.1")!, vni: 4098)
        cluster.apply([.putNetwork(old, expected: 0)])
        cluster.create(replicas: 2) {
            $0.taskTemplate.networks = [.init(target: "old")]
            var update = UpdateConfiguration()
            update.failureAction = "rollback"
            update.parallelism = 0
            $0.updateConfig = update
        }
        cluster.run(seconds: 3)
        cluster.update { $0.taskTemplate.networks = [.init(target: "web")] }
        cluster.run(seconds: 4)
        #expect(cluster.serving.count == 2)
        #expect(cluster.service?.updateStatus?.state == .updating, "it is being watched")
        #expect(cluster.apply([.removeNetwork("old", expected: nil)]) == nil)
        cluster.observe(try #require(cluster.serving.first), .failed, ready: false)
        cluster.run(seconds: 20)
        let status = try #require(cluster.service?.updateStatus)
        #expect(status.state == .paused)
        #expect(status.message.hasPrefix("update paused due to failure or early termination of task"))
        #expect(cluster.service?.spec.taskTemplate.networks?.map(\.target) == ["web"])
        #expect(cluster.serving.count == 2)
        #expect(cluster.planned().isEmpty, "it is not tried again and again")
    }
}
