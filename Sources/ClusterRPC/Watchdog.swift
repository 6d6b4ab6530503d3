import Synchronization

/// Ends an operation that waits for its peer too long. What the caller itself does meanwhile does not count.
final class Watchdog: Sendable {
    private let limit: Duration
    /// Since when the operation waits for its peer; nil while it does not.
    private let waitingSince = Mutex<ContinuousClock.Instant?>(.now)

    init(limit: Duration) { self.limit = limit }

    func pause() { waitingSince.withLock { $0 = nil } }

    func resume() { waitingSince.withLock { $0 = .now } }

    /// Runs `body`; throws `timeout` and cancels it when it waits longer than the limit.
    func guarding<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await self.watch()
                return nil
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let ended { return ended }
            }
            throw CancellationError()
        }
    }

    private func watch() async throws {
        while true {
            let since = waitingSince.withLock { $0 }
            guard let since else {
                try await Task.sleep(for: limit)
                continue
            }
            guard since.duration(to: .now) < limit else {
                throw RPCFailure(.timeout, "the peer did not answer within \(limit)", source: .transport)
            }
            try await Task.sleep(until: since + limit, clock: .continuous)
        }
    }
}
