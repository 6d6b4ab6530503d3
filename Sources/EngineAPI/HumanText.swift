import EngineModel
import Values

/// Texts that Docker's servers write for people.
enum HumanText {
    /// A container's state: `Up 3 seconds (healthy)`, `Exited (0) 5 minutes ago`.
    static func status(_ state: ContainerState, now: Timestamp) -> String {
        func since(_ moment: Timestamp?) -> String {
            HumanDuration.text(nanoseconds: moment.map { now.nanoseconds(since: $0) } ?? 0)
        }
        switch state.status {
        case .created: return "Created"
        case .running:
            let health: String =
                switch state.health?.status {
                case .starting: " (health: starting)"
                case .healthy: " (healthy)"
                case .unhealthy: " (unhealthy)"
                case nil: ""
                }
            return "Up \(since(state.startedAt))\(health)"
        case .paused: return "Up \(since(state.startedAt)) (Paused)"
        case .restarting: return "Restarting (\(state.exitCode)) \(since(state.finishedAt)) ago"
        case .removing: return "Removal In Progress"
        case .exited: return "Exited (\(state.exitCode)) \(since(state.finishedAt)) ago"
        case .dead: return "Dead"
        }
    }
}
