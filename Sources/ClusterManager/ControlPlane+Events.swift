import ClusterStore
import EngineModel
import Values
import WatchModel

extension ControlPlane {
    /// What happens to the cluster's objects (nodes, services, networks, configs, secrets), as engine events of scope
    /// swarm; nothing where this host is no manager.
    ///
    /// - Parameter since: from when on, as far back as this manager holds changes; nil is from now on.
    public func events(since: Timestamp? = nil) -> AsyncStream<EngineEvent> {
        guard let store = shared.withLock(\.manager)?.store else { return AsyncStream { $0.finish() } }
        let events = ClusterEvents(store, from: since.map { store.position(before: $0) })
        return AsyncStream(unfolding: { await events.next() }, onCancel: { events.finish() })
    }

    /// Changes of this manager's state, and where they begin: behind a position that any manager has told of, or now.
    /// Finish it when it is not needed any more.
    public func watch(
        _ filter: WatchFilter, from position: WatchPosition?
    ) throws(EngineError) -> (watch: ClusterWatch, begin: WatchPosition) {
        let store = try manager().store
        let begin = position ?? store.state.position
        let watch = store.watch()
        watch.follow(filter, from: begin)
        return (watch, begin)
    }
}
