import ClusterModel
import ClusterStore
import Executors
import Glibc
import JSON
import LinuxSystem
import RaftNode
import Synchronization
import Values

extension StoreBench {
    /// Writes go on all the time: `seconds` without a snapshot, then while one is written and synced to `path`.
    ///
    /// Each writer proposes statuses of tasks, the next one when the last was applied; `apply` is timed by itself too.
    public func snapshot(to path: String, writers: Int, seconds: Double) async throws -> JSONValue {
        let store = try ClusterStore(directory: directory, logger: logger)
        let timed = TimedStateMachine(store)
        let raft = try await Self.lead(directory, timed, logger)
        let load = WriteLoad(store: store, raft: raft)
        let tasks = (0..<writers).map { number in Task { try await load.write(number, of: writers) } }
        try await Task.sleep(for: .seconds(2))
        _ = (load.take(), timed.takeLongest())
        try await Task.sleep(for: .seconds(seconds))
        let (quiet, quietApply) = (load.take(), timed.takeLongest())
        let begin = Clock.sinceBoot()
        let index = try await Self.onThread { () throws in
            let index = try store.writeSnapshot(to: path)
            let file = try Descriptor.open(path, O_RDONLY)
            try syscall("fsync", on: path) { fsync(file.rawValue) }
            return index
        }
        let duration = Self.seconds(since: begin)
        let (busy, busyApply) = (load.take(), timed.takeLongest())
        load.end()
        for task in tasks { try await task.value }
        await raft.stop()
        store.close()
        return [
            "seconds": .number(duration), "index": .integer(Int64(index ?? 0)),
            "bytes": .integer(try Self.byteCount(path)),
            "without": Self.summary(quiet, quietApply), "during": Self.summary(busy, busyApply),
        ]
    }

    private static func summary(_ latencies: [Int64], _ longestApply: Int64) -> JSONValue {
        let sorted = latencies.sorted()
        func milliseconds(_ share: Double) -> JSONValue {
            guard !sorted.isEmpty else { return .null }
            return .number(Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1e6)
        }
        return [
            "writes": .integer(Int64(sorted.count)), "p50": milliseconds(0.5), "p99": milliseconds(0.99),
            "worst": milliseconds(1), "apply": .number(Double(longestApply) / 1e6),
        ]
    }

    private static func byteCount(_ path: String) throws -> Int64 {
        var status = stat()
        try syscall("stat", on: path) { stat(path, &status) }
        return Int64(status.st_size)
    }

    private static func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value
    {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try DetachedThread.start("bench-snapshot") { continuation.resume(with: Result { try body() }) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}

/// Writers that never rest.
private final class WriteLoad: Sendable {
    private let store: ClusterStore
    private let raft: RaftNode
    private let taskIDs: [String]
    private let shared = Mutex<(latencies: [Int64], isOver: Bool)>(([], false))

    init(store: ClusterStore, raft: RaftNode) {
        self.store = store
        self.raft = raft
        taskIDs = store.state.tasks.keys.sorted()
    }

    /// Nanoseconds that each write since the last call has taken.
    func take() -> [Int64] {
        shared.withLock { shared in
            defer { shared.latencies = [] }
            return shared.latencies
        }
    }

    func end() { shared.withLock { $0.isOver = true } }

    func write(_ writer: Int, of writers: Int) async throws {
        var turn = writer
        while !shared.withLock(\.isOver) {
            defer { turn += writers }
            guard let task = store.state.tasks[taskIDs[turn % taskIDs.count]] else { continue }
            let observation = TaskObservation(
                taskID: task.id, nodeID: task.nodeID, status: task.status, isReady: !task.isReady,
                readinessCounter: task.readinessCounter + 1)
            let transaction = Transaction(time: Clock.now(), author: .orchestrator, mutations: [.observe(observation)])
            let bytes = try JSONCoding.encode(transaction)
            let begin = Clock.sinceBoot()
            _ = try await raft.propose(bytes)
            let duration = Clock.sinceBoot() - begin
            shared.withLock { $0.latencies.append(duration) }
        }
    }
}

/// The store, with a clock at `apply`.
private final class TimedStateMachine: RaftStateMachine {
    private let store: ClusterStore
    private let longest = Atomic<Int64>(0)

    init(_ store: ClusterStore) { self.store = store }

    /// The longest `apply` since the last call, in nanoseconds.
    func takeLongest() -> Int64 { longest.exchange(0, ordering: .relaxed) }

    var appliedIndex: UInt64 { store.appliedIndex }

    func apply(_ commands: [CommittedCommand]) throws -> [[UInt8]] {
        let begin = Clock.sinceBoot()
        defer { longest.max(Clock.sinceBoot() - begin, ordering: .relaxed) }
        return try store.apply(commands)
    }

    func writeSnapshot(to path: String) throws -> UInt64? { try store.writeSnapshot(to: path) }

    func installation(of path: String, index: UInt64) throws -> () throws -> Void {
        try store.installation(of: path, index: index)
    }
}
