import Glibc
import RuntimeProtocol
import Synchronization

/// What is known of each container, and who waits for it.
final class ContainerTable: Sendable {
    struct Entry {
        /// Nil where neither its shim nor the shim's file could say it yet.
        var pid: pid_t?
        var isStarted = false
        /// Whether its shim answered when it was last asked.
        var isReached = true
        /// What the shim noted about itself; nil where that could not be read.
        var shim: ShimState?
        var record: ExitRecord?
        /// Whether its shim has ended too.
        var isGone = false
        var waiters: [Int: CheckedContinuation<ExitRecord, any Error>] = [:]
        var farewells: [CheckedContinuation<Void, Never>] = []

        var state: ContainerState {
            if let record { return .ended(record) }
            guard isReached, let pid else { return .unreachable(pid: pid) }
            return isStarted ? .running(pid: pid) : .created(pid: pid)
        }
    }

    private struct Contents {
        var entries: [String: Entry] = [:]
        /// Identifiers whose files one task makes or takes away.
        var reserved: Set<String> = []
    }

    private let contents = Mutex(Contents())
    private let numbers = Atomic<Int>(0)

    subscript(id: String) -> Entry? { contents.withLock { $0.entries[id] } }

    /// Takes the identifier: until `fill` or `release` nobody else makes or removes a container of that name. One that
    /// has ended makes room when its shim has ended too; others refuse.
    func reserve(_ id: String) async throws(RuntimeError) {
        while true {
            let isReserved = try contents.withLock { contents throws(RuntimeError) in
                let entry = contents.entries[id]
                if let entry, entry.record == nil {
                    throw RuntimeError(.failed, container: id, "container \(id) runs already")
                }
                if let entry, !entry.isGone { return false }
                guard contents.reserved.insert(id).inserted else {
                    throw RuntimeError(.failed, container: id, "container \(id) is being made or removed")
                }
                contents.entries[id] = nil
                return true
            }
            if isReserved { return }
            await farewell(id)
        }
    }

    /// Ends the reservation with what came of it.
    func fill(_ id: String, _ entry: Entry) {
        contents.withLock {
            $0.reserved.remove(id)
            $0.entries[id] = entry
        }
    }

    /// Ends the reservation; there is no such container.
    func release(_ id: String) { _ = contents.withLock { $0.reserved.remove(id) } }

    /// - Parameter pid: tells the container from a later one of that name.
    func markStarted(_ id: String, pid: pid_t?) {
        contents.withLock { if $0.entries[id]?.pid == pid { $0.entries[id]?.isStarted = true } }
    }

    /// The shim has answered; what was known before.
    func markReached(_ id: String, _ found: Entry) -> Entry? {
        contents.withLock { contents in
            guard let before = contents.entries[id] else { return nil }
            contents.entries[id]?.pid = found.pid
            if !before.isReached { contents.entries[id]?.isStarted = found.isStarted }
            if let shim = found.shim { contents.entries[id]?.shim = shim }
            contents.entries[id]?.isReached = true
            return before
        }
    }

    /// The shim lives and says nothing; false where that was known.
    func markUnreachable(_ id: String) -> Bool {
        contents.withLock { contents in
            defer { contents.entries[id]?.isReached = false }
            return contents.entries[id]?.isReached == true
        }
    }

    /// The container has ended; false where that was known.
    func settle(_ id: String, _ record: ExitRecord) -> Bool {
        let waiters = contents.withLock { contents -> [CheckedContinuation<ExitRecord, any Error>]? in
            guard let entry = contents.entries[id], entry.record == nil else { return nil }
            contents.entries[id]?.record = record
            contents.entries[id]?.waiters = [:]
            return Array(entry.waiters.values)
        }
        for waiter in waiters ?? [] { waiter.resume(returning: record) }
        return waiters != nil
    }

    /// Its shim has ended.
    func markGone(_ id: String) {
        let farewells = contents.withLock { contents in
            contents.entries[id]?.isGone = true
            defer { contents.entries[id]?.farewells = [] }
            return contents.entries[id]?.farewells ?? []
        }
        for farewell in farewells { farewell.resume() }
    }

    /// The record, at once or when the container ends; nil for one that is not here.
    func wait(_ id: String) async throws -> ExitRecord? {
        let number = numbers.wrappingAdd(1, ordering: .relaxed).newValue
        if self[id] == nil { return nil }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let known = contents.withLock { contents -> Result<ExitRecord, any Error>? in
                    guard let entry = contents.entries[id] else {
                        return .failure(RuntimeError(.notFound, container: id, "No such container: \(id)"))
                    }
                    if let record = entry.record { return .success(record) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    contents.entries[id]?.waiters[number] = continuation
                    return nil
                }
                if let known { continuation.resume(with: known) }
            }
        } onCancel: {
            contents.withLock { $0.entries[id]?.waiters.removeValue(forKey: number) }?
                .resume(throwing: CancellationError())
        }
    }

    /// Returns when the container's shim has ended, at once for one that is not here.
    func farewell(_ id: String) async {
        await withCheckedContinuation { continuation in
            let isGone = contents.withLock { contents in
                guard let entry = contents.entries[id], !entry.isGone else { return true }
                contents.entries[id]?.farewells.append(continuation)
                return false
            }
            if isGone { continuation.resume() }
        }
    }
}
