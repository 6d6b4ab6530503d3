/// Durations as Docker's clients write them: `1m30s`, `1.5h`, `200ms`.
enum GoDuration {
    private static let units: [(String, Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]

    /// Nanoseconds; nil for anything else and for what is negative.
    static func nanoseconds(_ text: some StringProtocol) -> Int64? {
        var rest = text[...]
        if rest == "0" { return 0 }
        guard !rest.isEmpty else { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let number = rest.prefix { $0 == "." || ("0"..."9").contains($0) }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
            rest = rest.dropFirst(unit.count)
            guard let value = Double(String(number)), let factor = units.first(where: { $0.0 == unit })?.1 else {
                return nil
            }
            total += value * factor
        }
        return total < 9e18 ? Int64(total) : nil
    }
}
