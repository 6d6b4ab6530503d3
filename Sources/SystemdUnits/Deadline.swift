import LinuxSystem

/// A point of time by which something has to have happened.
struct Deadline: Sendable {
    /// Nanoseconds since boot.
    let end: Int64

    init(after duration: Duration) {
        let (seconds, attoseconds) = duration.components
        end = Clock.sinceBoot() + min(seconds, 1 << 32) * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// What is left, in milliseconds, rounded up; nil once it has passed.
    var remainingMilliseconds: Int32? {
        let rest = end - Clock.sinceBoot()
        return rest > 0 ? Int32(min((rest + 999_999) / 1_000_000, 1 << 30)) : nil
    }
}
