import Values

/// One answer of a health probe (Engine API: HealthcheckResult).
public struct HealthProbeResult: Hashable, Sendable, Codable {
    public var start: Timestamp
    public var end: Timestamp
    /// 0 healthy, 1 unhealthy, other values as the probe ended; -1 where it timed out.
    public var exitCode: Int
    /// At most 4096 bytes of what the probe wrote.
    public var output: String

    public init(start: Timestamp, end: Timestamp, exitCode: Int, output: String) {
        self.start = start
        self.end = end
        self.exitCode = exitCode
        self.output = output
    }
}

/// The health of a running container as its probes tell it (Engine API: Health).
///
/// A container starts as `starting`. One success makes it `healthy`; `retries` failures in a row make it `unhealthy`,
/// but failures within the start period do not count until a first success ended it.
public struct HealthState: Hashable, Sendable, Codable {
    public enum Status: String, Sendable, Codable {
        case starting, healthy, unhealthy
    }

    /// How many answers are kept.
    public static let keptResults = 5
    /// How much of an answer's output is kept, in bytes.
    public static let keptOutputBytes = 4096

    public var status: Status = .starting
    public var failingStreak = 0
    public var log: [HealthProbeResult] = []

    public init() {}

    /// Takes in an answer; returns whether the status changed.
    public mutating func record(_ result: HealthProbeResult, startedAt: Timestamp, configuration: HealthConfiguration)
        -> Bool
    {
        let before = status
        log.append(result)
        log.removeFirst(max(0, log.count - Self.keptResults))
        if result.exitCode == 0 {
            failingStreak = 0
            status = .healthy
        } else {
            let inStartPeriod =
                status == .starting && result.start.nanoseconds(since: startedAt) < configuration.startPeriod
            if !inStartPeriod {
                failingStreak += 1
                if failingStreak >= configuration.effectiveRetries { status = .unhealthy }
            }
        }
        return status != before
    }
}

extension HealthConfiguration {
    /// Docker's defaults where nothing is set: 30 s, 30 s, 3 and, within the start period, 5 s.
    public var effectiveInterval: Int64 { interval > 0 ? interval : 30_000_000_000 }
    public var effectiveTimeout: Int64 { timeout > 0 ? timeout : 30_000_000_000 }
    public var effectiveRetries: Int { retries > 0 ? retries : 3 }
    public var effectiveStartInterval: Int64 { startInterval > 0 ? startInterval : 5_000_000_000 }

    /// The probe's command line; nil where no probe is wanted.
    public func command(shell: [String] = ["/bin/sh", "-c"]) -> [String]? {
        switch test.first {
        case "CMD": test.count > 1 ? Array(test.dropFirst()) : nil
        case "CMD-SHELL": test.count > 1 ? shell + [test.dropFirst().joined(separator: " ")] : nil
        default: nil
        }
    }
}
