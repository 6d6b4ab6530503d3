extension CommandWords {
    /// The longest duration, 114 years: more is the same.
    static let durationLimitMilliseconds = 1_000_000 * 3_600_000

    /// A duration as Go's time.ParseDuration takes it: `100ms`, `1.5s`, `1m30s`. At least one millisecond.
    func milliseconds(_ name: String) throws(InvocationError) -> Int? {
        guard let text = text(name) else { return nil }
        guard let sum = Self.milliseconds(text), sum > 0 else {
            throw InvocationError("invalid value \"\(text)\" for flag --\(name): use a duration such as 5s or 1m30s")
        }
        return Int(min(sum.rounded(.up), Double(Self.durationLimitMilliseconds)))
    }

    private static func milliseconds(_ text: String) -> Double? {
        let units = [
            "ns": 1e-6, "us": 1e-3, "\u{b5}s": 1e-3, "\u{3bc}s": 1e-3, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000,
        ]
        func isDigit(_ character: Character) -> Bool { "0123456789.".contains(character) }
        var rest = text.hasPrefix("+") ? text.dropFirst() : text[...]
        var sum = 0.0
        repeat {
            let digits = rest.prefix(while: isDigit)
            let word = rest.dropFirst(digits.count).prefix { !isDigit($0) }
            guard let number = Double(digits), let unit = units[String(word)] else { return nil }
            sum += number * unit
            rest = rest.dropFirst(digits.count + word.count)
        } while !rest.isEmpty
        return sum
    }
}
