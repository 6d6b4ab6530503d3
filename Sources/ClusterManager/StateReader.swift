import ClusterStore
import Executors

/// Reads the state's file on a thread of its own, one question after the other, since that waits for the disk.
actor StateReader {
    private let executor = ThreadExecutor(name: "state-reader")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let store: ClusterStore

    init(store: ClusterStore) { self.store = store }

    func read<Value: Sendable>(_ body: @Sendable (ClusterStore) throws -> Value) throws -> Value { try body(store) }
}
