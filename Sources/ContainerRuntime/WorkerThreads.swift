import Executors
import LinuxSystem
import Synchronization

/// Threads for calls that block (starting programs, cgroup files, disk), so that none of them is on the shared pool.
final class WorkerThreads: Sendable {
    private actor Worker {
        private nonisolated let executor: ThreadExecutor

        init(name: String) { executor = ThreadExecutor(name: name) }

        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

        func run<Result: Sendable>(_ body: @Sendable () throws -> Result) throws -> Result { try body() }
    }

    private let workers: [Worker]
    private let next = Atomic<Int>(0)

    init(count: Int) { workers = (0..<count).map { Worker(name: "runtime-\($0)") } }

    /// Runs `body` on one of the threads.
    func run<Result: Sendable>(_ body: @Sendable () throws -> Result) async throws -> Result {
        let number = next.wrappingAdd(1, ordering: .relaxed).newValue & Int.max
        return try await workers[number % workers.count].run(body)
    }
}
