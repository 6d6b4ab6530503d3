import Dataplane
import EngineModel
import NetworkModel
import RuntimeProtocol
import RuntimeSpec
import Values

extension Engine {
    /// Makes the sandbox; what is to be in it comes with `connectNetworks`.
    func prepareNetwork(_ record: ContainerRecord) async throws -> NamespaceChoice {
        switch NetworkMode(record.host.networkMode) {
        case .host: return .host
        case .container(let reference):
            let other = try self.record(reference)
            guard other.state.isRunning else {
                throw EngineError(
                    .conflict, "cannot join network of a non running container: \(other.id)")
            }
            return NetworkMode(other.host.networkMode) == .host
                ? .host : .path("/proc/\(other.state.pid)/ns/net")
        case .none, .network:
            // Addresses first: without one there is nothing to undo in the kernel.
            for name in orderedEndpoints(record) {
                let endpoint = record.endpoints[name]!
                if let local = networkRecords[endpoint.networkID] {
                    live[record.id]?.attachments[name] = try takeAddress(record.id, local)
                } else if endpoint.networkID.isEmpty == false {
                    try await takeClusterPlace(record.id, name, endpoint)
                }
            }
            return .path(try await dataplane.createSandbox(record.id))
        }
    }

    /// A place in an overlay network for a plain container, or the one that the manager gave a task.
    func takeClusterPlace(_ id: String, _ name: String, _ endpoint: EndpointSettings) async throws {
        let record = try current(id)
        let attachment: ClusterAttachment
        if let given = record.clusterAttachments.first(where: { $0.networkID == endpoint.networkID }) {
            attachment = given
        } else {
            guard let clusterNetworks, let network = try await clusterNetworks.network(endpoint.networkID) else {
                throw EngineError.notFound(network: name)
            }
            attachment = try await clusterNetworks.allocate(
                containerID: id, name: record.name, network: network,
                address: endpoint.ipamConfig?.ipv4Address.flatMap { IPAddress($0) })
            records[id]?.clusterAttachments.append(attachment)
        }
        var generator = SystemRandomNumberGenerator()
        var settings = endpoint
        settings.endpointID = Identifiers.hex64(using: &generator)
        settings.ipAddress = attachment.address.address.description
        settings.ipPrefixLen = attachment.address.prefixLength
        settings.macAddress = attachment.mac.description
        settings.gateway = attachment.gateway?.description ?? ""
        settings.dnsNames = dnsNames(record, settings)
        records[id]?.endpoints[name] = settings
    }

    func ownAddresses(_ id: String) -> [IPAddress] {
        guard let record = records[id] else { return [] }
        return orderedEndpoints(record).compactMap { IPAddress(record.endpoints[$0]!.ipAddress) }
    }

    /// Puts interfaces into the sandbox and opens the published ports.
    func connectNetworks(_ id: String) async throws {
        let record = try current(id)
        switch NetworkMode(record.host.networkMode) {
        case .host, .container: return
        case .none, .network: break
        }
        var index = 0
        var hasDefaultRoute = false
        var publishAddress: IPAddress?
        for name in orderedEndpoints(record) {
            let endpoint = record.endpoints[name]!
            let interface = "eth\(index)"
            if var attachment = live[id]?.attachments[name] {
                attachment.interface = interface
                if !hasDefaultRoute, let gateway = IPAddress(endpoint.gateway) {
                    attachment.gateway = gateway
                    hasDefaultRoute = true
                }
                try await dataplane.connect(sandbox: id, to: attachment)
                if publishAddress == nil { publishAddress = attachment.address.address }
            } else if let place = record.clusterAttachments.first(where: { $0.networkID == endpoint.networkID }) {
                guard let clusterNetworks else { throw EngineError.notFound(network: name) }
                try await clusterNetworks.attach(sandbox(record), interface: interface, attachment: place)
            } else {
                continue
            }
            live[id]?.interfaces[name] = interface
            index += 1
        }
        if let clusterNetworks, record.taskID != nil || !record.clusterAttachments.isEmpty {
            let gateway = try await clusterNetworks.ready(
                sandbox(record), gatewayInterface: "eth\(index)", hasDefaultRoute: hasDefaultRoute)
            publishAddress = publishAddress ?? gateway
        }
        try await publishPorts(record, at: publishAddress)
    }

    func sandbox(_ record: ContainerRecord) -> ClusterSandbox {
        ClusterSandbox(
            id: record.id, path: dataplane.sandboxPath(record.id), containerName: record.name, taskID: record.taskID,
            attachments: record.clusterAttachments)
    }

    /// How often another free port is tried where a process of the host has the one that was chosen.
    private static let freePortAttempts = 16

    private func publishPorts(_ record: ContainerRecord, at address: IPAddress?) async throws {
        let wishes = try PortWish.wishes(
            record.host.portBindings ?? [:], exposed: (record.configuration.exposedPorts ?? [:]).keys.sorted(),
            publishesAll: record.host.publishAllPorts)
        guard !wishes.isEmpty, let address else { return }
        let endpointName = record.name
        var attempt = 0
        while true {
            var bindings: [PublishedBinding] = []
            do {
                for wish in wishes {
                    let binding = try ports.take(
                        wish.hostPorts, address: wish.hostAddress, transport: wish.container.transport,
                        for: record.id, endpoint: endpointName)
                    bindings.append(
                        PublishedBinding(
                            hostAddress: binding.address, hostPort: binding.port,
                            containerPort: wish.container.port, transport: wish.container.transport))
                }
                try await dataplane.publish(
                    bindings.map {
                        PublishedPort(
                            hostAddress: $0.hostAddress, hostPort: $0.hostPort,
                            transport: PortTransport(rawValue: $0.transport)!, containerAddress: address,
                            containerPort: $0.containerPort)
                    }, sandbox: record.id)
                records[record.id]?.ports = bindings
                return
            } catch DataplaneError.portInUse(let port) {
                ports.release(container: record.id)
                let wasChosen = wishes.contains { $0.hostPorts?.contains(port.hostPort) ?? false }
                attempt += 1
                guard !wasChosen, attempt < Self.freePortAttempts else {
                    throw PortAllocator.refusal(
                        port.hostAddress, port.hostPort, endpoint: endpointName)
                }
            } catch {
                ports.release(container: record.id)
                throw error
            }
        }
    }

    /// Undoes what a start made of networks and names; what is not there is fine. The record is not written.
    func takeDown(_ id: String) async {
        guard let record = records[id] else { return }
        let hadNames = isNamed(id)
        live[id]?.interfaces = [:]
        // martlet-net's sockets would keep the namespace.
        if hadNames { try? await publishNames() }
        for name in record.endpoints.keys.sorted() {
            let endpoint = record.endpoints[name]!
            if !endpoint.endpointID.isEmpty, let network = networkRecords[endpoint.networkID], record.state.isRunning {
                networkEvent(network, "disconnect", container: id)
            }
        }
        switch NetworkMode(record.host.networkMode) {
        case .host, .container: break
        case .none, .network:
            if let clusterNetworks, record.taskID != nil || !record.clusterAttachments.isEmpty {
                await clusterNetworks.willRemove(sandbox(record))
            }
            do { try await dataplane.removeSandbox(id) } catch {
                logger.error("a sandbox was not removed", metadata: ["container": "\(id)", "error": "\(error)"])
            }
            if record.taskID == nil {
                for place in record.clusterAttachments {
                    await clusterNetworks?.release(containerID: id, attachment: place)
                }
                records[id]?.clusterAttachments = []
            }
        }
        ports.release(container: id)
        guard records[id] != nil else { return }
        records[id]!.ports = []
        for name in record.endpoints.keys { releaseAddress(id, networkName: name) }
        live[id]?.attachments = [:]
    }
}
