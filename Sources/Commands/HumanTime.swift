import LinuxSystem
import Values

/// Lengths of time and moments for people, as docker writes them.
enum HumanTime {
    /// `2 minutes ago`; `N/A` where the moment is not known.
    static func ago(_ moment: Timestamp?, now: Timestamp = Clock.now()) -> String {
        guard let moment else { return "N/A" }
        return HumanDuration.text(nanoseconds: now.nanoseconds(since: moment)) + " ago"
    }

    /// `2025-11-24 10:52:25 +0000 UTC`.
    static func moment(_ moment: Timestamp) -> String {
        let text = Timestamp(secondsSinceEpoch: moment.secondsSinceEpoch).description
        return text.replacing("T", with: " ").replacing("Z", with: " +0000 UTC")
    }
}

/// Lengths of time as docker's flags take them.
enum DurationText {
    /// A flag's value.
    static func parse(_ text: String, flag: String) throws(FlagError) -> Int64 {
        guard let nanoseconds = GoDuration.nanoseconds(text) else {
            throw FlagError(flag, text, "invalid duration: write 1m30s, 500ms and the like")
        }
        return nanoseconds
    }

    /// `1m30s`, as Go writes it.
    static func text(_ nanoseconds: Int64) -> String {
        if nanoseconds == 0 { return "0s" }
        if nanoseconds < 0 { return "-" + text(-nanoseconds) }
        if nanoseconds < 1_000_000_000 {
            let units: [(Int64, String)] = [(1_000_000, "ms"), (1_000, "µs"), (1, "ns")]
            let (unit, suffix) = units.first { nanoseconds >= $0.0 }!
            return fraction(Double(nanoseconds) / Double(unit)) + suffix
        }
        let hours = nanoseconds / 3_600_000_000_000
        let minutes = nanoseconds / 60_000_000_000 % 60
        let seconds = Double(nanoseconds % 60_000_000_000) / 1e9
        return (hours > 0 ? "\(hours)h" : "") + (hours > 0 || minutes > 0 ? "\(minutes)m" : "")
            + fraction(seconds) + "s"
    }

    private static func fraction(_ value: Double) -> String {
        value == value.rounded() ? String(Int64(value)) : "\(value)"
    }
}
