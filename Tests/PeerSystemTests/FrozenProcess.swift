import Glibc
import TestSupport
import Testing

/// Whether a process that works without end stands still.
enum FrozenProcess {
    /// It works before `pause` and after `resume`, and not between.
    static func verify(
        _ pid: pid_t, pause: () async throws -> Void, resume: () async throws -> Void
    ) async throws {
        try await works(pid)
        try await pause()
        let before = try processorTicks(of: pid)
        burnProcessor(milliseconds: 200)
        #expect(try processorTicks(of: pid) == before, "a paused process went on")
        try await resume()
        try await works(pid)
    }

    private static func works(_ pid: pid_t) async throws {
        let before = try processorTicks(of: pid)
        try await waitUntil("process \(pid) works") { try processorTicks(of: pid) > before + 5 }
    }
}
