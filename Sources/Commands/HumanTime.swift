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
    private static let units: [(suffix: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]

    /// Nanoseconds of `1m30s`, `1.5h`, `300ms`, `0`; nil for anything else.
    static func parse(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        var rest = text[...]
        var sign = 1.0
        if rest.hasPrefix("-") {
            sign = -1
            rest = rest.dropFirst()
        }
        guard !rest.isEmpty else { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            guard !digits.isEmpty, let number = Double(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let suffix = rest.prefix { !($0.isASCII && $0.isNumber) && $0 != "." }
            guard let unit = units.first(where: { $0.suffix == suffix }) else { return nil }
            total += number * unit.nanoseconds
            rest = rest.dropFirst(suffix.count)
        }
        guard total < 9.2e18 else { return nil }
        return Int64(sign * total.rounded())
    }

    /// A flag's value.
    static func parse(_ text: String, flag: String) throws(FlagError) -> Int64 {
        guard let nanoseconds = parse(text) else {
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
