import LinuxSystem
import Values

/// Lets one thread at a time work on a digest; the others wait. For threads that may block.
final class KeyGate: Sendable {
    private let busy = Monitor<Set<Digest>>([])

    func withKey<Result>(_ key: Digest, _ body: () throws -> Result) rethrows -> Result {
        busy.wait({ !$0.contains(key) }, then: { _ = $0.insert(key) })
        defer { busy.change { _ = $0.remove(key) } }
        return try body()
    }
}
