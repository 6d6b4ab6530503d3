/// Lengths of time as Docker's clients write them: `1m30s`, `1.5h`, `200ms`, `-2s` (Go: time.ParseDuration).
public enum GoDuration {
    private static let units: [(suffix: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]

    /// Nanoseconds; nil for anything else and for what is longer than 292 years.
    public static func nanoseconds(_ text: some StringProtocol) -> Int64? {
        if text == "0" { return 0 }
        var rest = Substring(text)
        var sign = 1.0
        if let first = rest.first, first == "-" || first == "+" {
            if first == "-" { sign = -1 }
            rest = rest.dropFirst()
        }
        guard !rest.isEmpty else { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let number = rest.prefix { $0 == "." || ("0"..."9").contains($0) }
            rest = rest.dropFirst(number.count)
            let suffix = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
            rest = rest.dropFirst(suffix.count)
            guard let value = Double(number), let unit = units.first(where: { $0.suffix == suffix }) else { return nil }
            total += value * unit.nanoseconds
        }
        return total < 9.2e18 ? Int64(sign * total.rounded()) : nil
    }
}
