import Testing
import Values

@Suite struct GoDurationTests {
    @Test(
        "Go: time.ParseDuration",
        arguments: [
            ("0", 0), ("0s", 0), ("1m30s", 90_000_000_000), ("1.5h", 5_400_000_000_000), ("200ms", 200_000_000),
            ("1h2m3.5s", 3_723_500_000_000), ("10us", 10_000), ("10µs", 10_000), ("7ns", 7), ("-2s", -2_000_000_000),
            ("+.5s", 500_000_000), ("2160h", 7_776_000_000_000_000),
        ] as [(String, Int64)])
    func lengths(_ text: String, _ nanoseconds: Int64) { #expect(GoDuration.nanoseconds(text) == nanoseconds) }

    @Test(arguments: ["", "10", "s", "1x", "1.2.3s", "1m 30s", "-", "+-1s", ".s", "99999999999h", "1e9s"])
    func othersAreNone(_ text: String) { #expect(GoDuration.nanoseconds(text) == nil) }
}
