import LinuxSystem

/// A condition did not come true in time.
public struct DeadlinePassed: Error, CustomStringConvertible {
    /// What was waited for.
    public let condition: String
    public let limit: Duration

    public var description: String { "\(condition): not within \(limit)" }
}

/// Waits until `body` answers true; throws ``DeadlinePassed`` after `limit`. What `body` throws ends the wait.
///
/// - Parameters:
///   - condition: what is waited for, for the error.
///   - every: the pause between looks.
public func waitUntil(
    _ condition: String, within limit: Duration = .seconds(10), every pause: Duration = .milliseconds(20),
    _ body: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !body() {
        guard ContinuousClock.now < deadline else { throw DeadlinePassed(condition: condition, limit: limit) }
        try await Task.sleep(for: pause)
    }
}

/// Waits until `body` answers a value; throws ``DeadlinePassed`` after `limit`.
public func waitFor<Value>(
    _ condition: String, within limit: Duration = .seconds(10), every pause: Duration = .milliseconds(20),
    _ body: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try await body() { return value }
        guard ContinuousClock.now < deadline else { throw DeadlinePassed(condition: condition, limit: limit) }
        try await Task.sleep(for: pause)
    }
}
