/// Whether an engine starts a container that ended again, and when.
public enum RestartDecision: Equatable, Sendable {
    case stay
    /// Start again after so many nanoseconds.
    case restart(afterNanoseconds: Int64)

    /// The first delay; it doubles with each restart up to the longest.
    public static let firstDelayNanoseconds: Int64 = 100_000_000
    public static let longestDelayNanoseconds: Int64 = 60_000_000_000

    /// Docker's rules: `always` and `unless-stopped` whatever the exit code, `on-failure` for other codes than 0 and so
    /// often at most; never what a client stopped.
    ///
    /// - Parameter quickEnds: ends in a row that followed their start quickly, which double the delay; nil counts every
    ///   restart as one.
    public static func decide(
        policy: RestartPolicy?, state: ContainerState, quickEnds: Int? = nil
    ) -> RestartDecision {
        guard let policy, !state.isStoppedByUser else { return .stay }
        switch policy.name {
        case .unset, .no: return .stay
        case .onFailure:
            guard state.exitCode != 0 else { return .stay }
            if policy.maximumRetryCount > 0, state.restartCount >= policy.maximumRetryCount { return .stay }
        case .always, .unlessStopped: break
        }
        let doublings = min(quickEnds ?? state.restartCount, 20)
        return .restart(afterNanoseconds: min(longestDelayNanoseconds, firstDelayNanoseconds << Int64(doublings)))
    }
}
