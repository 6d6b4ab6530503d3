import ClusterModel
import ClusterStore
import EngineModel
import JSON
import LinuxSystem
import Logging
import RaftNode
import Synchronization
import Values
import WatchModel

/// Measures watches of a store: what one costs in memory, and how many updates a second reach their watchers, in two
/// patterns. Every change is applied as Raft would do it; some consumers take for all watches together.
public struct WatchBench: Sendable {
    /// What the watches are about.
    public enum Pattern: String, Sendable, CaseIterable {
        /// Each has a task of its own: a change concerns one.
        case own
        /// All have the same kind: a change concerns every one.
        case all
    }

    /// Tasks' changes in one call of `apply`, as Raft hands over what was committed together.
    private static let changesTogether = 64
    /// How far the slowest may be behind.
    private static let changesAhead = ChangeWindow.changeLimit / 2

    let directory: String
    let logger: Logger

    public init(directory: String, logger: Logger) {
        self.directory = directory
        self.logger = logger
    }

    /// - Parameter changes: how many are applied, of tasks in turn.
    public func run(_ pattern: Pattern, watchers: Int, consumers: Int, changes: Int) async throws -> JSONValue {
        let store = try ClusterStore(directory: directory, logger: logger)
        let held = try memory(pattern, watchers, store)
        let taskIDs = try makeTasks(pattern == .own ? watchers : 1_000, store)
        let commands = try self.commands(changes, of: taskIDs, store)
        let groups = (0..<consumers).map { _ in store.watch() }
        for number in 0..<watchers {
            let filter: WatchFilter =
                pattern == .own
                ? .objects([ObjectReference(kind: .task, id: taskIDs[number])]) : .kinds([ObjectKind.task])
            groups[number % consumers].follow(filter)
        }
        let concerned = pattern == .own ? 1 : watchers
        let tally = Tally(expected: changes * concerned)
        let begin = Clock.sinceBoot()
        let tasks = groups.map { group in
            Task { while !tally.isDone, let deliveries = await group.next() { tally.count(deliveries) } }
        }
        var count = 0
        for batch in commands {
            _ = try store.apply(batch)
            count += batch.count
            // Those that the window goes past are told less.
            while count - tally.counts.changes / concerned > Self.changesAhead, !tally.isDone {
                try await Task.sleep(for: .microseconds(100))
            }
        }
        let applied = StoreBench.seconds(since: begin)
        while !tally.isDone { try await Task.sleep(for: .milliseconds(1)) }
        let seconds = StoreBench.seconds(since: begin)
        for group in groups { group.finish() }
        for task in tasks { await task.value }
        store.close()
        let counts = tally.counts
        return [
            "watchers": .integer(Int64(watchers)), "bytesPerWatcher": .number(Double(held) / Double(watchers)),
            "changes": .integer(Int64(changes)), "deliveries": .integer(Int64(counts.changes)),
            "updates": .integer(Int64(counts.updates)), "resynchronised": .integer(Int64(counts.gaps)),
            "applySeconds": .number(applied), "seconds": .number(seconds),
            "deliveriesPerSecond": .number(Double(counts.changes) / seconds),
        ]
    }

    /// What watches add to the memory of a process that has freed none yet, in bytes.
    private func memory(_ pattern: Pattern, _ watchers: Int, _ store: ClusterStore) throws -> Int {
        var generator = SplitMix64(seed: 2)
        let before = try ProcessMemory.now().resident
        let group = store.watch()
        defer { group.finish() }
        for _ in 0..<watchers {
            switch pattern {
            case .own:
                let task = ObjectReference(kind: .task, id: Identifiers.swarm(using: &generator))
                group.follow(.objects([task]))
            case .all: group.follow(.kinds([ObjectKind.task]))
            }
        }
        return try ProcessMemory.now().resident - before
    }

    private func makeTasks(_ count: Int, _ store: ClusterStore) throws -> [String] {
        var generator = SplitMix64(seed: 1)
        let time = Clock.now()
        var template = TaskTemplate(containerSpec: ContainerSpec(image: "registry.example.com/service:1"))
        template.containerSpec?.env = ["PORT=8080"]
        let service = ServiceObject(
            id: Identifiers.swarm(using: &generator), createdAt: time,
            spec: ServiceSpec(name: "watched", taskTemplate: template), document: [:], endpoint: ServiceEndpoint())
        var mutations: [Mutation] = [.putService(service, expected: 0)]
        var ids: [String] = []
        for number in 0..<count {
            var task = TaskObject(
                id: Identifiers.swarm(using: &generator), createdAt: time, serviceID: service.id,
                slot: UInt64(number + 1), nodeID: "node", spec: template, specVersion: 1)
            task.status = TaskStatus(timestamp: time, state: .running, message: "started")
            ids.append(task.id)
            mutations.append(.createTask(task))
        }
        for start in stride(from: 0, to: mutations.count, by: 500) {
            let part = Array(mutations[start..<min(start + 500, mutations.count)])
            _ = try store.apply([try Self.command(store.appliedIndex + 1, part)])
        }
        return ids
    }

    private func commands(_ count: Int, of taskIDs: [String], _ store: ClusterStore) throws -> [[CommittedCommand]] {
        let first = store.appliedIndex + 1
        let status = TaskStatus(timestamp: Clock.now(), state: .running, message: "started")
        let commands = try (0..<count).map { number in
            let observation = TaskObservation(
                taskID: taskIDs[number % taskIDs.count], nodeID: "node", status: status, isReady: number % 2 == 0,
                readinessCounter: UInt64(number + 1))
            return try Self.command(first + UInt64(number), [.observe(observation)])
        }
        return stride(from: 0, to: count, by: Self.changesTogether).map {
            Array(commands[$0..<min($0 + Self.changesTogether, count)])
        }
    }

    private static func command(_ index: UInt64, _ mutations: [Mutation]) throws -> CommittedCommand {
        let bytes = try JSONCoding.encode(Transaction(time: Clock.now(), author: .orchestrator, mutations: mutations))
        return CommittedCommand(index: index, term: 1, bytes: bytes)
    }
}

/// What has arrived at all watchers together.
private final class Tally: Sendable {
    private let expected: Int
    private let shared = Mutex<(changes: Int, updates: Int, gaps: Int)>((0, 0, 0))

    init(expected: Int) { self.expected = expected }

    var counts: (changes: Int, updates: Int, gaps: Int) { shared.withLock { $0 } }
    var isDone: Bool { shared.withLock { $0.changes >= expected || $0.gaps > 0 } }

    func count(_ deliveries: [WatchDelivery]) {
        var (changes, gaps) = (0, 0)
        for delivery in deliveries {
            switch delivery.update {
            case .changes(let some, _): changes += some.count
            case .resynchronise: gaps += 1
            }
        }
        shared.withLock { $0 = ($0.changes + changes, $0.updates + deliveries.count, $0.gaps + gaps) }
    }
}
