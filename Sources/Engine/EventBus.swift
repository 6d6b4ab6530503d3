import EngineModel
import Synchronization
import Values

/// Hands what happens in the engine to whoever listens, and keeps the latest for those who ask what happened.
public final class EventBus: Sendable {
    /// How many past events are kept.
    public static let keptEvents = 1024
    /// How many events wait for a slow listener before its oldest are dropped.
    public static let listenerCapacity = 4096

    private struct State {
        var recent: [EngineEvent] = []
        var listeners: [UInt64: AsyncStream<EngineEvent>.Continuation] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    public init() {}

    public func publish(_ event: EngineEvent) {
        state.withLock { state in
            state.recent.append(event)
            if state.recent.count > Self.keptEvents { state.recent.removeFirst(state.recent.count - Self.keptEvents) }
            for listener in state.listeners.values { listener.yield(event) }
        }
    }

    /// The events from now on, those kept since `since` first.
    public func subscribe(since: Timestamp? = nil) -> AsyncStream<EngineEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: EngineEvent.self, bufferingPolicy: .bufferingNewest(Self.listenerCapacity))
        let key = state.withLock { state in
            if let since { for event in state.recent where event.time >= since { continuation.yield(event) } }
            state.next += 1
            state.listeners[state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: key) }
        }
        return stream
    }
}
