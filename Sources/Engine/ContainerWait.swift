/// When `Engine.wait` ends (Engine API: ContainerWait, condition).
public enum WaitCondition: String, Sendable {
    case notRunning = "not-running"
    case nextExit = "next-exit"
    case removed
}

/// How a container ended.
public struct WaitResult: Hashable, Sendable {
    public var exitCode: Int32
    /// Why it could not be started or removed; nil otherwise.
    public var error: String?

    public init(exitCode: Int32, error: String? = nil) {
        self.exitCode = exitCode
        self.error = error
    }
}

/// A place in the queue of those who wait for a container; registered when it is made, so that nothing is missed.
public struct ContainerWait: Sendable {
    let stream: AsyncStream<WaitResult>

    /// Waits for the end; throws `CancellationError` when the task is cancelled or the engine shuts down.
    public func result() async throws -> WaitResult {
        for await result in stream { return result }
        throw CancellationError()
    }
}

/// Those who wait for one container.
struct WaitQueue {
    private var waiters: [(condition: WaitCondition, continuation: AsyncStream<WaitResult>.Continuation)] = []

    mutating func add(_ condition: WaitCondition) -> ContainerWait {
        let (stream, continuation) = AsyncStream.makeStream(of: WaitResult.self, bufferingPolicy: .bufferingNewest(1))
        waiters.append((condition, continuation))
        return ContainerWait(stream: stream)
    }

    /// An answer that is there already.
    static func answered(_ result: WaitResult) -> ContainerWait {
        let (stream, continuation) = AsyncStream.makeStream(of: WaitResult.self, bufferingPolicy: .bufferingNewest(1))
        continuation.yield(result)
        continuation.finish()
        return ContainerWait(stream: stream)
    }

    /// The process ended.
    mutating func exited(_ result: WaitResult) { answer(result) { $0 != .removed } }

    /// The container is gone: nobody waits on.
    mutating func removed(_ result: WaitResult) { answer(result) { _ in true } }

    private mutating func answer(_ result: WaitResult, _ isAnswered: (WaitCondition) -> Bool) {
        for waiter in waiters where isAnswered(waiter.condition) {
            waiter.continuation.yield(result)
            waiter.continuation.finish()
        }
        waiters.removeAll { isAnswered($0.condition) }
    }

    mutating func abandon() {
        for waiter in waiters { waiter.continuation.finish() }
        waiters = []
    }
}
