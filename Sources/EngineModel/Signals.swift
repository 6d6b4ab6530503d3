/// Signals by name and number, as on every architecture that is supported (signal(7)).
public enum Signals {
    private static let names: [String: Int32] = [
        "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
        "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17,
        "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26,
        "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
    ]

    /// The number of `TERM`, `SIGTERM`, `15`, `RTMIN+3`; Docker's refusal for anything else.
    public static func parse(_ text: String) throws(EngineError) -> Int32 {
        if let number = Int32(text), (1...64).contains(number) { return number }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if let number = names[name] { return number }
        for (base, start, sign) in [("RTMIN", 34, 1), ("RTMAX", 64, -1)] as [(String, Int32, Int32)] {
            guard name.hasPrefix(base) else { continue }
            let rest = name.dropFirst(base.count)
            if rest.isEmpty { return start }
            guard rest.first == (sign > 0 ? "+" : "-"), let offset = Int32(rest.dropFirst()), (0...30).contains(offset)
            else { break }
            return start + sign * offset
        }
        throw EngineError(.invalidParameter, "invalid signal: \(text)")
    }
}
