import Executors
import LinuxSystem

/// A thread for work that blocks on files and mounts, one piece after the other.
actor FileWorker {
    private let executor: ThreadExecutor

    init(name: String) { executor = ThreadExecutor(name: name) }

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    func run<T: Sendable>(_ body: @Sendable () throws -> T) rethrows -> T { try body() }
}
