import EngineModel
import Values

/// Texts that Docker's servers write for people.
enum HumanText {
    /// A length of time as in `Up 3 seconds`.
    static func duration(nanoseconds: Int64) -> String {
        let seconds = max(0, nanoseconds / 1_000_000_000)
        let minutes = seconds / 60
        let hours = (seconds + 1800) / 3600
        return switch true {
        case seconds < 1: "Less than a second"
        case seconds == 1: "1 second"
        case seconds < 60: "\(seconds) seconds"
        case minutes == 1: "About a minute"
        case minutes < 60: "\(minutes) minutes"
        case hours == 1: "About an hour"
        case hours < 48: "\(hours) hours"
        case hours < 24 * 7 * 2: "\(hours / 24) days"
        case hours < 24 * 30 * 2: "\(hours / 24 / 7) weeks"
        case hours < 24 * 365 * 2: "\(hours / 24 / 30) months"
        default: "\(hours / 24 / 365) years"
        }
    }

    /// A container's state: `Up 3 seconds (healthy)`, `Exited (0) 5 minutes ago`.
    static func status(_ state: ContainerState, now: Timestamp) -> String {
        func since(_ moment: Timestamp?) -> String {
            duration(nanoseconds: moment.map { now.nanoseconds(since: $0) } ?? 0)
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

    /// A moment with nine fractional digits, as log lines begin.
    static func logTime(_ time: Timestamp) -> String {
        var text = Timestamp(secondsSinceEpoch: time.secondsSinceEpoch).description
        text.removeLast()
        let digits = String(time.nanosecondsSinceEpoch - time.secondsSinceEpoch * 1_000_000_000)
        return text + "." + String(repeating: "0", count: 9 - digits.utf8.count) + digits + "Z"
    }
}
