import Glibc
import Synchronization

/// Lets a verb undo what it made when its user interrupts it (SIGINT, SIGTERM, SIGHUP): its task is cancelled.
enum Interruption {
    private static let isRequested = Atomic<Bool>(false)

    /// Runs `body`; a signal cancels it, and what it then throws is thrown on.
    static func cancelling<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        _ = isRequested.load(ordering: .relaxed)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { _ in Interruption.isRequested.store(true, ordering: .relaxed) }
        }
        let work = Task { try await body() }
        let watch = Task {
            while !isRequested.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(50)) }
            work.cancel()
        }
        defer { watch.cancel() }
        return try await work.value
    }
}
