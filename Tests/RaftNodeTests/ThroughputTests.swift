import TestSupport
import Testing

@testable import RaftNode

@Suite(.serialized) struct ThroughputTests {
    @Test(arguments: [1, 3]) func measure(_ count: Int) async throws {
        let cluster = try Cluster()
        try await cluster.form(count)
        let node = try await cluster.leader().node!
        for workers in [1, 64, 256] {
            let start = ContinuousClock.now
            let each = workers == 1 ? 300 : 20_000 / workers
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<workers {
                    group.addTask { for _ in 0..<each { _ = try? await node.propose([UInt8](repeating: 0x61, count: 512)) } }
                }
            }
            let time = ContinuousClock.now - start
            print("members \(count) workers \(workers): \(time / (workers * each)) per proposal")
        }
        await cluster.stopAll()
    }
}
