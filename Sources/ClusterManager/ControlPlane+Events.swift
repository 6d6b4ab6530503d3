import ClusterModel
import EngineModel
import LinuxSystem
import Values

extension ControlPlane {
    /// What happens to the cluster's objects from now on (nodes, services, networks, configs, secrets), as engine
    /// events of scope swarm; nothing where this host is no manager.
    public func events() -> AsyncStream<EngineEvent> {
        let (events, continuation) = AsyncStream.makeStream(
            of: EngineEvent.self, bufferingPolicy: .bufferingNewest(4096))
        guard let store = shared.withLock(\.manager)?.store else {
            continuation.finish()
            return events
        }
        let watch = store.watch([.service, .node, .network, .config, .secret])
        let task = Task {
            var before = store.state
            while let update = await watch.next() {
                let state = store.state
                for change in update.changes ?? [] {
                    if let event = Self.event(change, before: before, after: state) { continuation.yield(event) }
                }
                before = state
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in
            watch.finish()
            task.cancel()
        }
        return events
    }

    private static func event(_ change: AppliedChange, before: ClusterState, after: ClusterState) -> EngineEvent? {
        let kind: EngineEvent.Kind
        var attributes: [String: String] = [:]
        switch change.kind {
        case .service:
            kind = .service
            attributes["name"] = (after.services[change.id] ?? before.services[change.id])?.spec.name
            let status = after.services[change.id]?.updateStatus?.state
            if let status, status != before.services[change.id]?.updateStatus?.state {
                attributes["updatestate.new"] = status.rawValue
            }
        case .node:
            kind = .node
            let old = before.nodes[change.id]
            let new = after.nodes[change.id]
            attributes["name"] = (new ?? old)?.hostname
            if let old, let new, old.status.state != new.status.state {
                attributes["state.old"] = old.status.state.rawValue
                attributes["state.new"] = new.status.state.rawValue
            }
            if let old, let new, old.spec.availability != new.spec.availability {
                attributes["availability.old"] = old.spec.availability.rawValue
                attributes["availability.new"] = new.spec.availability.rawValue
            }
        case .network:
            guard change.action != .update else { return nil }
            kind = .network
            attributes["name"] = (after.networks[change.id] ?? before.networks[change.id])?.spec.name
            attributes["type"] = "overlay"
        case .config:
            kind = .config
            attributes["name"] = (after.configs[change.id] ?? before.configs[change.id])?.name
        case .secret:
            kind = .secret
            attributes["name"] = (after.secrets[change.id] ?? before.secrets[change.id])?.name
        case .cluster, .task, .attachment: return nil
        }
        return EngineEvent(
            kind: kind, action: change.action.rawValue, id: change.id, attributes: attributes, time: after.time,
            scope: "swarm")
    }
}
