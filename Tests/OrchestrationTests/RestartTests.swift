import ClusterModel
import Orchestration
import Testing
import Values

/// Engine API: TaskSpec, RestartPolicy.
@Suite struct RestartTests {
    /// A service of one task that fails whenever it is started, about 2.5 s after the last one failed.
    private static func failing(attempts: UInt64, window: Int64) -> PlayedCluster {
        var cluster = PlayedCluster(nodes: 1)
        cluster.broken = ["v1"]
        cluster.create(replicas: 1) {
            $0.taskTemplate.restartPolicy = .init(
                delay: 2_000_000_000, maxAttempts: attempts, window: window * 1_000_000_000)
        }
        return cluster
    }

    @Test("Attempts outside the window do not count")
    func attemptsAreForgotten() {
        var cluster = Self.failing(attempts: 2, window: 4)
        var seen: Set<String> = []
        for _ in 0..<30 {
            cluster.run(seconds: 1)
            seen.formUnion(cluster.tasks.map(\.id))
        }
        #expect(seen.count > 8, "never more than two attempts in four seconds")
    }

    @Test("Attempts within the window end it, for good", arguments: [0, 20] as [Int64])
    func attemptsEnd(window: Int64) {
        var cluster = Self.failing(attempts: 2, window: window)
        cluster.run(seconds: 15)
        #expect(cluster.tasks.count == 3, "the first task and two attempts")
        cluster.run(seconds: 60)
        #expect(cluster.tasks.count == 3, "time alone starts nothing")
        #expect(cluster.planned().isEmpty)
        cluster.broken = []
        cluster.update { $0.taskTemplate.forceUpdate += 1 }
        cluster.run(seconds: 20)
        #expect(cluster.serving.count == 1, "a new version has its own attempts")
    }

    @Test("Many attempts are counted too, although history is bounded")
    func manyAttempts() {
        var cluster = PlayedCluster(nodes: 1)
        cluster.broken = ["v1"]
        cluster.create(replicas: 1) {
            $0.taskTemplate.restartPolicy = .init(delay: 0, maxAttempts: 12)
        }
        cluster.run(seconds: 40)
        #expect(cluster.tasks.count == 13)
    }
}
