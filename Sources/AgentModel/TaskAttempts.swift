import ClusterModel
import Values

/// The attempts of one task on its host, as a value. Managers decide what follows a task that has ended; while its
/// host has no session with any of them, the host begins the task's next attempt by itself, as they would have begun
/// its next task. To managers the pair of attempt and state only advances: in a later attempt the task is what it was,
/// and does not serve until it runs again.
public struct TaskAttempts: Hashable, Sendable {
    /// The one that runs, or ran last.
    public private(set) var number = 1
    /// When attempts have ended, the newest last, as far as the restart policy's window needs it.
    private var ends: [Timestamp] = []

    /// Of `ends`; a policy with as many attempts counts as one without a limit.
    private static let endLimit = 1_000

    public init() {}

    public enum Outcome: Hashable, Sendable {
        /// The task has ended.
        case report
        /// Another attempt is due after so many nanoseconds, if there is still no session then.
        case again(after: Int64)
    }

    /// What becomes of a task whose attempt has ended by itself.
    ///
    /// - Parameters:
    ///   - isSuccess: it ended with status 0.
    ///   - policy: the service's (Engine API: TaskSpec.RestartPolicy); nil is Docker's usual one.
    ///   - hasSession: whether a manager hears of it.
    public mutating func end(
        isSuccess: Bool, policy: TaskTemplate.RestartPolicy?, hasSession: Bool, at time: Timestamp
    ) -> Outcome {
        let policy = policy ?? TaskTemplate.RestartPolicy()
        ends.append(time)
        if let window = policy.window, window > 0 { ends.removeAll { time.nanoseconds(since: $0) > window } }
        ends.removeFirst(max(0, ends.count - Self.endLimit))
        guard !hasSession, policy.permits(afterSuccess: isSuccess), policy.permits(ends: ends.count) else {
            return .report
        }
        return .again(after: max(0, policy.delay ?? TaskTemplate.RestartPolicy.usualDelayNanoseconds))
    }

    /// Another attempt begins.
    public mutating func begin() { number += 1 }
}
