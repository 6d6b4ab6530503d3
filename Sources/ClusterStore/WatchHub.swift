import ClusterModel
import Executors
import LinuxSystem
import Synchronization
import WatchModel

/// The latest changes, and who waits for them.
///
/// Who applies commands adds to the window and rings; a thread of its own finds out whom the changes concern and wakes
/// their consumers, however many there are; a consumer reads out of a copy of the window.
final class WatchHub: Sendable {
    private struct Registry {
        var watchers: Watchers
        var signals: [WatchConsumer: AsyncStream<Void>.Continuation] = [:]
        var isClosed = false
    }

    private struct Bell {
        var isRung = false
        var isClosed = false
    }

    private let recent: Mutex<ChangeWindow>
    /// Locked before `recent`, never after it.
    private let registry: Mutex<Registry>
    private let bell = Monitor(Bell())

    /// - Parameter position: of the state as it is now.
    init(at position: WatchPosition) throws(SystemError) {
        recent = Mutex(ChangeWindow(at: position))
        registry = Mutex(Registry(watchers: Watchers(at: position)))
        try DetachedThread.start("watch") { [self] in dispatch() }
    }

    /// Ends the thread and every watch.
    func close() {
        bell.change { $0.isClosed = true }
        let signals = registry.withLock { registry in
            registry.isClosed = true
            defer { registry.signals = [:] }
            return registry.signals.values
        }
        for signal in signals { signal.finish() }
    }

    // MARK: Who applies

    func publish(_ changes: [RevisedChange], upTo revision: UInt64) {
        recent.withLock { $0.append(changes, upTo: revision) }
        if !changes.isEmpty { bell.change { $0.isRung = true } }
    }

    /// The state is another one, and nobody knows the way to it.
    func reset(to position: WatchPosition) {
        recent.withLock { $0 = ChangeWindow(at: position) }
        bell.change { $0.isRung = true }
    }

    private func dispatch() {
        while true {
            let isClosed = bell.wait(
                { $0.isRung || $0.isClosed },
                then: { bell in
                    bell.isRung = false
                    return bell.isClosed
                })
            if isClosed { return }
            let signals = registry.withLock { registry in
                registry.watchers.mark(window).compactMap { registry.signals[$0] }
            }
            for signal in signals { signal.yield() }
        }
    }

    // MARK: Who watches

    /// As of now. What was published before is in it.
    var window: ChangeWindow { recent.withLock { $0 } }

    /// Somebody who is woken by `signal`, at once where the hub is closed.
    func enter(_ signal: AsyncStream<Void>.Continuation) -> WatchConsumer {
        registry.withLock { registry in
            let consumer = registry.watchers.addConsumer()
            if registry.isClosed { signal.finish() } else { registry.signals[consumer] = signal }
            return consumer
        }
    }

    func leave(_ consumer: WatchConsumer) {
        registry.withLock { registry in
            registry.watchers.remove(consumer)
            registry.signals[consumer] = nil
        }
    }

    func follow(_ filter: WatchFilter, from position: WatchPosition?, for consumer: WatchConsumer) -> WatchID? {
        let (id, signal) = registry.withLock { registry in
            let id = registry.watchers.add(filter, from: position, for: consumer, in: window)
            return (id, registry.signals[consumer])
        }
        // It may be due already.
        if position != nil { signal?.yield() }
        return id
    }

    func unfollow(_ id: WatchID) { registry.withLock { $0.watchers.remove(id) } }

    func take(_ consumer: WatchConsumer) -> [WatchDelivery] {
        registry.withLock { registry in registry.watchers.take(consumer, from: window) }
    }
}
