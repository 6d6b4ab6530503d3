import ClusterModel
import Synchronization

/// A look at the changes of the cluster's state, gathered until somebody asks for them.
public final class ClusterWatch: Sendable {
    /// How many changes wait at most; a watcher that is slower looks at everything.
    public static let capacity = 10_000

    private struct Pending {
        var changes: [AppliedChange] = []
        var isOverflowing = false
    }

    private let kinds: Set<ObjectKind>
    private let pending = Mutex(Pending())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let onEnd: @Sendable () -> Void

    init(_ kinds: Set<ObjectKind>, onEnd: @escaping @Sendable () -> Void) {
        self.kinds = kinds
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.onEnd = onEnd
    }

    /// Changes of what the watcher is about count, or nil for any that there may be.
    func add(_ changes: [AppliedChange]?) {
        let changes = changes?.filter { kinds.contains($0.kind) }
        if changes?.isEmpty == true { return }
        pending.withLock { pending in
            if let changes, pending.changes.count + changes.count <= Self.capacity {
                pending.changes += changes
            } else {
                pending.changes = []
                pending.isOverflowing = true
            }
        }
        signal.yield()
    }

    /// Lets `next` return although nothing changed.
    public func wake() { signal.yield() }

    /// Ends the watch, which its owner has to do: `next` returns nil from now on.
    public func finish() {
        signal.finish()
        onEnd()
    }

    /// What changed since the last call; waits for something. `changes` is nil where too much changed to list it. Nil
    /// when the watch is finished or the task cancelled.
    public func next() async -> ClusterWatchUpdate? {
        for await _ in signals {
            return pending.withLock { pending in
                defer { pending = Pending() }
                return ClusterWatchUpdate(changes: pending.isOverflowing ? nil : pending.changes)
            }
        }
        return nil
    }
}

/// Some changes of the cluster's state.
public struct ClusterWatchUpdate: Sendable {
    /// nil: anything may have changed.
    public var changes: [AppliedChange]?
}
