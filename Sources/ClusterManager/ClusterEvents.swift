import ClusterModel
import ClusterStore
import EngineModel
import Synchronization
import Values
import WatchModel

/// The changes that a watch delivers as engine events of scope swarm, one after the other. Nothing is kept for a slow
/// reader beyond what the store holds for all.
final class ClusterEvents: Sendable {
    private let watch: ClusterWatch
    private let waiting = Mutex<[EngineEvent]>([])

    /// - Parameter position: behind which the changes come; nil is from now on.
    init(_ store: ClusterStore, from position: WatchPosition?) {
        watch = store.watch()
        watch.follow(.kinds([.service, .node, .network, .config, .secret]), from: position)
    }

    func finish() { watch.finish() }

    /// Waits for the next one; nil when there are no more.
    func next() async -> EngineEvent? {
        while true {
            let event = waiting.withLock { $0.popLast() }
            if let event { return event }
            guard let deliveries = await watch.next() else { return nil }
            // Docker's events have no word for what is missing: after a gap they go on behind it.
            let events = deliveries.flatMap { delivery in
                guard case .changes(let changes, _) = delivery.update else { return [EngineEvent]() }
                return changes.compactMap(Self.event)
            }
            waiting.withLock { $0 = events.reversed() }
        }
    }

    /// nil for changes of which clients are not told.
    static func event(_ revised: RevisedChange) -> EngineEvent? {
        let change = revised.change
        guard let object = change.after ?? change.before else { return nil }
        let kind: EngineEvent.Kind
        var attributes = ["name": object.name]
        switch object {
        case .service(_, let update):
            kind = .service
            var earlier: UpdateStatus.State?
            if case .service(_, let update) = change.before { earlier = update }
            if change.after != nil, let update, update != earlier { attributes["updatestate.new"] = update.rawValue }
        case .node(_, let state, let availability):
            kind = .node
            if case .node(_, let oldState, let oldAvailability) = change.before, change.after != nil {
                if oldState != state {
                    attributes["state.old"] = oldState.rawValue
                    attributes["state.new"] = state.rawValue
                }
                if oldAvailability != availability {
                    attributes["availability.old"] = oldAvailability.rawValue
                    attributes["availability.new"] = availability.rawValue
                }
            }
        case .network:
            guard change.action != .update else { return nil }
            kind = .network
            attributes["type"] = "overlay"
        case .config: kind = .config
        case .secret: kind = .secret
        }
        return EngineEvent(
            kind: kind, action: change.action.rawValue, id: change.id, attributes: attributes, time: revised.time,
            scope: "swarm")
    }
}
