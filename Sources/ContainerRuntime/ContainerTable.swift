import Cgroups
import Glibc
import RuntimeProtocol
import Synchronization

/// What is known of each container, and who waits for it.
final class ContainerTable: Sendable {
    struct Entry {
        var pid: pid_t
        var isStarted = false
        var group: ControlGroup
        var record: ExitRecord?
        /// Whether its shim has ended too.
        var isGone = false
        var waiters: [Int: CheckedContinuation<ExitRecord, any Error>] = [:]
        var farewells: [CheckedContinuation<Void, Never>] = []
    }

    private let entries = Mutex<[String: Entry]>([:])
    private let numbers = Atomic<Int>(0)

    func insert(_ id: String, _ entry: Entry) { entries.withLock { $0[id] = entry } }

    func remove(_ id: String) { entries.withLock { $0[id] = nil } }

    subscript(id: String) -> Entry? { entries.withLock { $0[id] } }

    func markStarted(_ id: String) { entries.withLock { $0[id]?.isStarted = true } }

    /// The container has ended; false where that was known.
    func settle(_ id: String, _ record: ExitRecord) -> Bool {
        let waiters = entries.withLock { entries -> [CheckedContinuation<ExitRecord, any Error>]? in
            guard entries[id] != nil, entries[id]?.record == nil else { return nil }
            entries[id]?.record = record
            defer { entries[id]?.waiters = [:] }
            return entries[id].map { Array($0.waiters.values) } ?? []
        }
        for waiter in waiters ?? [] { waiter.resume(returning: record) }
        return waiters != nil
    }

    /// Its shim has ended.
    func markGone(_ id: String) {
        let farewells = entries.withLock { entries in
            entries[id]?.isGone = true
            defer { entries[id]?.farewells = [] }
            return entries[id]?.farewells ?? []
        }
        for farewell in farewells { farewell.resume() }
    }

    /// The record, at once or when the container ends; nil for one that is not here.
    func wait(_ id: String) async throws -> ExitRecord? {
        let number = numbers.wrappingAdd(1, ordering: .relaxed).newValue
        if self[id] == nil { return nil }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let known = entries.withLock { entries -> Result<ExitRecord, any Error>? in
                    guard let entry = entries[id] else {
                        return .failure(RuntimeError(.notFound, container: id, "No such container: \(id)"))
                    }
                    if let record = entry.record { return .success(record) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    entries[id]?.waiters[number] = continuation
                    return nil
                }
                if let known { continuation.resume(with: known) }
            }
        } onCancel: {
            entries.withLock { $0[id]?.waiters.removeValue(forKey: number) }?.resume(throwing: CancellationError())
        }
    }

    /// Returns when the container's shim has ended, at once for one that is not here.
    func farewell(_ id: String) async {
        await withCheckedContinuation { continuation in
            let isGone = entries.withLock { entries in
                guard let entry = entries[id], !entry.isGone else { return true }
                entries[id]?.farewells.append(continuation)
                return false
            }
            if isGone { continuation.resume() }
        }
    }
}
