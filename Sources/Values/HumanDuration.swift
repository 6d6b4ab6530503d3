/// Lengths of time for people, as Docker writes them.
public enum HumanDuration {
    /// `Less than a second`, `3 seconds`, `About a minute`, `2 weeks`.
    public static func text(nanoseconds: Int64) -> String {
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
}

extension Timestamp {
    /// RFC 3339 in UTC with all nine fractional digits, as Docker's log lines and events begin.
    public var preciseDescription: String {
        let text = Timestamp(secondsSinceEpoch: secondsSinceEpoch).description.dropLast()
        let digits = String(nanosecondsSinceEpoch - secondsSinceEpoch * 1_000_000_000)
        return text + "." + String(repeating: "0", count: 9 - digits.utf8.count) + digits + "Z"
    }
}
