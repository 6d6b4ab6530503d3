import EngineModel
import NetworkModel
import Values

extension Engine {
    /// The networks that a new container is to be in, by name.
    func endpoints(
        _ host: HostConfiguration, _ networking: NetworkingConfiguration, _ configuration: ContainerConfiguration,
        _ attachments: [ClusterAttachment]
    ) async throws -> [String: EndpointSettings] {
        var wanted: [String: EndpointSettings] = [:]
        for (reference, settings) in (networking.endpointsConfig ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let record = try await existingNetwork(reference) else {
                wanted[reference] = settings ?? EndpointSettings()
                wanted[reference]!.networkID = ""
                wanted[reference]!.chosenMACAddress = try Self.chosenAddress(wanted[reference]!)
                continue
            }
            wanted[record.name] = try Self.checked(settings ?? EndpointSettings(), record)
        }
        let mode = NetworkMode(host.networkMode)
        if mode == .host || mode == .none, wanted.values.contains(where: { $0.chosenMACAddress != nil }) {
            throw Self.noAddressInMode
        }
        switch mode {
        case .host: wanted = ["host": EndpointSettings()]
        case .none: wanted = attachments.isEmpty ? ["none": EndpointSettings()] : [:]
        case .container(let other):
            _ = try record(other)
            guard wanted.isEmpty else {
                throw EngineError(
                    .invalidParameter,
                    "conflicting options: a container in another's network has no networks of its own")
            }
        case .network(let reference):
            if reference == "bridge", !attachments.isEmpty || !wanted.isEmpty { break }
            // A task's place in its networks is the cluster's to give.
            if attachments.contains(where: { $0.networkName == reference }) { break }
            if let record = try await existingNetwork(reference) {
                if wanted[record.name] == nil { wanted[record.name] = try Self.checked(EndpointSettings(), record) }
            } else if wanted[reference] == nil {
                wanted[reference] = EndpointSettings()
            }
        }
        if let text = configuration.macAddress, !text.isEmpty { try await choose(text, of: host, in: &wanted) }
        for name in wanted.keys {
            guard let record = try await existingNetwork(name) else { continue }
            try Self.checkAttachable(record)
            wanted[name]!.networkID = record.id
        }
        for attachment in attachments {
            var endpoint = EndpointSettings()
            endpoint.networkID = attachment.networkID
            endpoint.aliases = attachment.aliases
            endpoint.ipamConfig = EndpointSettings.Addressing(ipv4Address: attachment.address.address.description)
            wanted[attachment.networkName] = endpoint
        }
        return wanted
    }

    /// Gives a container's own MAC address to its interface in the network of its network mode.
    private func choose(_ text: String, of host: HostConfiguration, in wanted: inout [String: EndpointSettings])
        async throws
    {
        var name: String?
        if case .network(let reference) = NetworkMode(host.networkMode) {
            name = try await existingNetwork(reference)?.name ?? reference
        }
        guard let name, var endpoint = wanted[name] else {
            throw Self.noAddressInMode
        }
        endpoint.macAddress = text
        let address = try Self.chosenAddress(endpoint)
        guard endpoint.chosenMACAddress ?? address == address else {
            throw EngineError(
                .invalidParameter,
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, "
                    + "or be left empty")
        }
        guard try await existingNetwork(name)?.driver != "overlay" else { throw Self.noChoiceInOverlays }
        endpoint.macAddress = ""
        endpoint.chosenMACAddress = address
        wanted[name] = endpoint
    }

    private static let noAddressInMode = EngineError(
        .invalidParameter, "conflicting options: mac-address and the network mode")
    private static let noChoiceInOverlays = EngineError(
        .notImplemented, "MAC addresses of a client's choice are not supported in overlay networks")

    /// The MAC address that a client wants, as Docker writes it; nil where it is left to the engine.
    private static func chosenAddress(_ settings: EndpointSettings) throws(EngineError) -> String? {
        let wanted = settings.macAddress.isEmpty ? settings.chosenMACAddress ?? "" : settings.macAddress
        guard !wanted.isEmpty else { return nil }
        let text = wanted.replacing("-", with: ":")
        // The first bit marks groups: no interface has such an address (IEEE 802).
        guard let address = MACAddress(text), address.bytes[0] & 1 == 0, address.bytes.contains(where: { $0 != 0 })
        else { throw EngineError(.invalidParameter, "invalid MAC address: \(wanted)") }
        return address.description
    }

    private func existingNetwork(_ reference: String) async throws -> NetworkRecord? {
        do { return try await network(reference) } catch let error as EngineError where error.kind == .notFound {
            return nil
        }
    }

    private static func checkAttachable(_ network: NetworkRecord) throws(EngineError) {
        guard network.driver != "overlay" || network.isAttachable else {
            throw EngineError(
                .forbidden,
                "Could not attach to network \(network.name): rpc error: code = PermissionDenied desc = network "
                    + "\(network.name) not manually attachable")
        }
    }

    /// Finds the networks that were not there when the container was made: Docker asks for them at the start.
    func resolveNetworks(_ id: String) async throws {
        for (name, settings) in records[id]?.endpoints ?? [:] where settings.networkID.isEmpty {
            guard let network = try await existingNetwork(name) else {
                throw EngineError(.notFound, "failed to set up container networking: network \(name) not found")
            }
            try Self.checkAttachable(network)
            records[id]?.endpoints[name] = nil
            records[id]?.endpoints[network.name] = try Self.checked(settings, network)
        }
    }

    static func checked(_ settings: EndpointSettings, _ network: NetworkRecord) throws(EngineError) -> EndpointSettings
    {
        var result = EndpointSettings()
        result.ipamConfig = settings.ipamConfig
        result.aliases = settings.aliases
        result.driverOpts = settings.driverOpts
        result.networkID = network.id
        result.chosenMACAddress = try chosenAddress(settings)
        if result.chosenMACAddress != nil, network.driver == "overlay" { throw noChoiceInOverlays }
        if let text = settings.ipamConfig?.ipv4Address, !text.isEmpty {
            guard let address = IPAddress(text), address.isV4 else {
                throw EngineError(.invalidParameter, "invalid IPv4 address: \(text)")
            }
            if network.isDefaultBridge {
                throw EngineError(
                    .invalidParameter, "user specified IP address is supported on user defined networks only")
            }
            if let subnet = network.subnet, !subnet.contains(address) {
                throw EngineError(
                    .invalidParameter,
                    "invalid endpoint settings: no configured subnet contains IP address \(address)")
            }
        }
        if network.isDefaultBridge, !(settings.aliases ?? []).isEmpty {
            throw EngineError(
                .invalidParameter, "network-scoped alias is supported only for containers in user defined networks")
        }
        return result
    }

    /// A container's networks in the order of its interfaces: the one of its network mode first, then by name.
    func orderedEndpoints(_ record: ContainerRecord) -> [String] {
        let first: String? =
            if case .network(let name) = NetworkMode(record.host.networkMode) { name } else { nil }
        return record.endpoints.keys.sorted {
            let left = ($0 == first || record.endpoints[$0]?.networkID == first ? 0 : 1, $0)
            let right = ($1 == first || record.endpoints[$1]?.networkID == first ? 0 : 1, $1)
            return left < right
        }
    }

    /// Gives the container an address in a bridge network and writes it into its endpoint.
    func takeAddress(_ id: String, _ network: NetworkRecord) throws -> BridgeAttachment? {
        guard let bridge = network.bridge, var endpoint = records[id]?.endpoints[network.name] else { return nil }
        let address: IPAddress
        if let text = endpoint.ipamConfig?.ipv4Address, let chosen = IPAddress(text) {
            try addresses[network.id, default: fresh(bridge, network)].take(chosen)
            address = chosen
        } else {
            address = try addresses[network.id, default: fresh(bridge, network)].allocate(network: network.name)
        }
        var generator = SystemRandomNumberGenerator()
        endpoint.endpointID = Identifiers.hex64(using: &generator)
        endpoint.ipAddress = address.description
        endpoint.ipPrefixLen = bridge.subnet.prefixLength
        endpoint.gateway = bridge.isInternal ? "" : bridge.gateway.description
        let mac = endpoint.chosenMACAddress.flatMap { MACAddress($0) } ?? MACAddress(derivedFrom: address)!
        endpoint.macAddress = mac.description
        endpoint.dnsNames = dnsNames(records[id]!, endpoint)
        records[id]!.endpoints[network.name] = endpoint
        return BridgeAttachment(
            bridge: bridge.linkName, interface: "", address: CIDR(address, prefixLength: bridge.subnet.prefixLength),
            mac: mac, gateway: nil, mtu: bridge.mtu)
    }

    private func fresh(_ bridge: LocalBridge, _ network: NetworkRecord) -> NetworkAddresses {
        NetworkAddresses(subnet: bridge.subnet, gateway: bridge.gateway, range: network.ipRange)
    }

    /// The names under which a network's members find the container.
    func dnsNames(_ record: ContainerRecord, _ endpoint: EndpointSettings) -> [String] {
        var names: [String] = []
        for name in [record.name] + (endpoint.aliases ?? []) + [String(record.id.prefix(12))]
        where !names.contains(name) { names.append(name) }
        let hostname = record.configuration.hostname
        if !hostname.isEmpty, !names.contains(hostname) { names.append(hostname) }
        return names
    }

    /// Forgets what a container had in a network while it ran, and gives its address back.
    func releaseAddress(_ id: String, networkName: String) {
        guard var endpoint = records[id]?.endpoints[networkName] else { return }
        if let address = IPAddress(endpoint.ipAddress) { addresses[endpoint.networkID]?.release(address) }
        endpoint.endpointID = ""
        endpoint.ipAddress = ""
        endpoint.ipPrefixLen = 0
        endpoint.gateway = ""
        endpoint.macAddress = ""
        records[id]!.endpoints[networkName] = endpoint
    }
}
