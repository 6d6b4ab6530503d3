import EngineModel
import LinuxSystem
import NetworkModel
import Values

extension Engine {
    public func connect(
        _ container: String, to network: String, _ settings: EndpointSettings = EndpointSettings()
    ) async throws {
        let id = try record(container).id
        let target = try await self.network(network)
        try await locks.withLock(id) { try await self.connectLocked(id, target, settings) }
    }

    private func connectLocked(_ id: String, _ network: NetworkRecord, _ settings: EndpointSettings) async throws {
        let record = try current(id)
        switch NetworkMode(record.host.networkMode) {
        case .host:
            throw EngineError(
                .forbidden, "container cannot be disconnected from host network or connected to host network")
        case .container:
            throw EngineError(
                .forbidden,
                "container sharing network namespace with another container or host cannot be connected to any other "
                    + "network"
            )
        case .none where record.taskID == nil:
            throw EngineError(
                .forbidden,
                "container cannot be connected to multiple networks with one of the networks in private (none) mode")
        case .none, .network: break
        }
        if network.driver == "host" || network.driver == "null" {
            throw EngineError(.forbidden, "container cannot be connected to network \(network.name)")
        }
        if network.driver == "overlay", !network.isAttachable {
            throw EngineError(
                .forbidden,
                "Could not attach to network \(network.name): network \(network.name) not manually attachable")
        }
        if let old = record.endpoints[network.name], !old.endpointID.isEmpty || !record.state.isRunning {
            throw EngineError(
                .forbidden, "endpoint with name \(record.name) already exists in network \(network.name)")
        }
        records[id]!.endpoints[network.name] = try Self.checked(settings, network)
        if record.state.isRunning {
            do { try await plug(id, network) } catch {
                releaseAddress(id, networkName: network.name)
                records[id]?.endpoints[network.name] = nil
                live[id]?.interfaces[network.name] = nil
                throw error
            }
        }
        try await writeResolver(id)
        try await save(id, isDurable: true)
        networkEvent(network, "connect", container: id)
    }

    /// Gives a running container an interface more.
    private func plug(_ id: String, _ network: NetworkRecord) async throws {
        let used = Set(live[id]?.interfaces.values.map { $0 } ?? [])
        let interface = (0...).lazy.map { "eth\($0)" }.first { !used.contains($0) }!
        live[id]?.interfaces[network.name] = interface
        if var attachment = try takeAddress(id, network) {
            attachment.interface = interface
            let hasRoute = records[id]!.endpoints.contains { name, endpoint in
                name != network.name && !endpoint.endpointID.isEmpty && !endpoint.gateway.isEmpty
            }
            if !hasRoute { attachment.gateway = IPAddress(records[id]!.endpoints[network.name]!.gateway) }
            live[id]?.attachments[network.name] = attachment
            do { try await dataplane.connect(sandbox: id, to: attachment) } catch {
                live[id]?.attachments[network.name] = nil
                throw error
            }
        } else {
            try await takeClusterPlace(id, network.name, records[id]!.endpoints[network.name]!)
            let record = try current(id)
            guard let clusterNetworks,
                let place = record.clusterAttachments.first(where: { $0.networkID == network.id })
            else { throw EngineError.notFound(network: network.name) }
            try await clusterNetworks.attach(sandbox(record), interface: interface, attachment: place)
        }
        if isNamed(id) { try await publishNames(for: id) }
    }

    public func disconnect(_ container: String, from network: String, force: Bool = false) async throws {
        let id = try record(container).id
        let name: String
        do { name = try await self.network(network).name } catch {
            // A network that has gone may be left all the same.
            guard records[id]?.endpoints[network] != nil else { throw error }
            name = network
        }
        try await locks.withLock(id) { try await self.disconnectLocked(id, name) }
    }

    private func disconnectLocked(_ id: String, _ name: String) async throws {
        let record = try current(id)
        if NetworkMode(record.host.networkMode) == .host {
            throw EngineError(
                .forbidden, "container cannot be disconnected from host network or connected to host network")
        }
        guard let endpoint = record.endpoints[name] else {
            throw EngineError(.forbidden, "container \(record.id) is not connected to network \(name)")
        }
        let hadNames = isNamed(id)
        if record.state.isRunning, let interface = live[id]?.interfaces[name] {
            if let place = record.clusterAttachments.first(where: { $0.networkID == endpoint.networkID }) {
                await clusterNetworks?.detach(sandbox(record), interface: interface, attachment: place)
                if record.taskID == nil { await clusterNetworks?.release(containerID: id, attachment: place) }
                records[id]?.clusterAttachments.removeAll { $0.networkID == endpoint.networkID }
            } else {
                try await dataplane.disconnect(sandbox: id, interface: interface)
            }
        }
        releaseAddress(id, networkName: name)
        records[id]?.endpoints[name] = nil
        live[id]?.attachments[name] = nil
        live[id]?.interfaces[name] = nil
        try await writeResolver(id)
        try await save(id, isDurable: true)
        if record.state.isRunning, hadNames { try await publishNames() }
        if let network = networkRecords[endpoint.networkID] { networkEvent(network, "disconnect", container: id) }
    }
}
