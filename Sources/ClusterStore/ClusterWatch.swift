import Synchronization
import WatchModel

/// A look at the changes of the cluster's state: any number of watches, and one that waits for what there is for them.
///
///     let watch = store.watch()
///     watch.follow(.kinds([.service]), from: position)
///     while let deliveries = await watch.next() { ... }
///
/// It holds nothing back: a watch that is slow is told to resynchronise. Afterwards, as at its beginning without a
/// position, the store's state is at least as new as where the watch goes on.
public final class ClusterWatch: Sendable {
    private let hub: WatchHub
    private let consumer: WatchConsumer
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let isWoken = Atomic(false)

    init(_ hub: WatchHub) {
        self.hub = hub
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        consumer = hub.enter(signal)
    }

    deinit { finish() }

    /// Begins a watch behind a position, which may be of another manager's store; nil is from now on.
    ///
    /// - Returns: nil where this is finished.
    @discardableResult
    public func follow(_ filter: WatchFilter, from position: WatchPosition? = nil) -> WatchID? {
        hub.follow(filter, from: position, for: consumer)
    }

    public func unfollow(_ id: WatchID) { hub.unfollow(id) }

    /// Lets `next` return although there is nothing.
    public func wake() {
        isWoken.store(true, ordering: .releasing)
        signal.yield()
    }

    /// Ends the watches: `next` returns nil from now on.
    public func finish() {
        signal.finish()
        hub.leave(consumer)
    }

    /// What there is for the watches, some of them at a time; waits for something. Empty where it was woken for
    /// nothing. Nil when this is finished, the store is closed or the task cancelled. For one task.
    public func next() async -> [WatchDelivery]? {
        while !Task.isCancelled {
            let deliveries = hub.take(consumer)
            if isWoken.exchange(false, ordering: .acquiring) || !deliveries.isEmpty { return deliveries }
            guard await isSignalled() else { return nil }
        }
        return nil
    }

    private func isSignalled() async -> Bool {
        for await _ in signals { return true }
        return false
    }
}
