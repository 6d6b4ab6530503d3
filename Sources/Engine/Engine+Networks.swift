import EngineModel
import LinuxSystem
import NetworkModel
import Values

/// What a client asks of a new network (Engine API: NetworkCreate), overlay ones aside.
public struct NetworkCreation: Sendable {
    public var name: String
    /// `bridge` by default.
    public var driver = ""
    public var isInternal = false
    public var subnet: String?
    public var gateway: String?
    /// The part of the subnet from which addresses are given.
    public var ipRange: String?
    public var labels: [String: String] = [:]
    public var options: [String: String] = [:]

    public init(name: String) { self.name = name }
}

/// A container in a network (Engine API: NetworkContainer).
public struct NetworkMember: Sendable {
    public var containerID: String
    public var name: String
    public var endpoint: EndpointSettings
}

extension Engine {
    public func createNetwork(_ creation: NetworkCreation) async throws -> (id: String, warning: String) {
        try await locks.withLock("networks") { try await self.makeNetwork(creation) }
    }

    private func makeNetwork(_ creation: NetworkCreation) async throws -> (id: String, warning: String) {
        func invalid(_ text: String) -> EngineError { EngineError(.invalidParameter, text) }
        let driver = creation.driver.isEmpty ? "bridge" : creation.driver
        guard !creation.name.isEmpty, ContainerNames.isValid(creation.name) || creation.name.utf8.count == 1 else {
            throw invalid("invalid network name: \(creation.name)")
        }
        if NetworkRecord.predefined.contains(creation.name) {
            throw EngineError(.forbidden, "operation is not permitted on predefined \(creation.name) network ")
        }
        guard driver == "bridge" else {
            if driver == "host" || driver == "null" {
                throw EngineError(.forbidden, "only one instance of \"\(driver)\" network is allowed")
            }
            throw EngineError(
                .notFound, "could not find plugin \(driver) in v1 plugin registry: plugin \"\(driver)\" not found")
        }
        if let other = networkRecords.values.first(where: { $0.name == creation.name }) {
            throw EngineError(.conflict, "network with name \(other.name) already exists")
        }
        let subnet = try subnet(creation)
        var gateway = subnet.host(1)
        if let text = creation.gateway, !text.isEmpty {
            guard let address = IPAddress(text), subnet.contains(address) else {
                throw invalid("invalid gateway address \(text): not in subnet \(subnet)")
            }
            gateway = address
        }
        var generator = SystemRandomNumberGenerator()
        var record = NetworkRecord(
            id: Identifiers.hex64(using: &generator), name: creation.name, createdAt: Clock.now(), driver: driver,
            scope: "local", subnet: subnet, gateway: gateway, isInternal: creation.isInternal,
            labels: creation.labels, options: creation.options)
        if let text = creation.ipRange, !text.isEmpty {
            guard let range = CIDR(text), subnet.contains(range.network.address),
                range.prefixLength >= subnet.prefixLength
            else { throw invalid("invalid ip-range \(text): not in subnet \(subnet)") }
            record.ipRange = range.network
        }
        try await dataplane.ensureBridge(record.bridge!)
        do {
            try await store.write([.network(record)], isDurable: true)
        } catch {
            try? await dataplane.removeBridge(record.bridge!.linkName)
            throw error
        }
        add(record)
        networkEvent(record, "create")
        return (record.id, "")
    }

    private func subnet(_ creation: NetworkCreation) throws(EngineError) -> CIDR {
        let used = networkRecords.values.compactMap(\.subnet)
        guard let text = creation.subnet, !text.isEmpty else {
            guard let subnet = configuration.addressPools.firstFree(avoiding: used + Self.hostRoutes()) else {
                throw EngineError(
                    .invalidParameter, "all predefined address pools have been fully subnetted: name a subnet")
            }
            return subnet
        }
        guard let subnet = CIDR(text) else {
            throw EngineError(.invalidParameter, "invalid subnet \(text): not an address with a prefix length")
        }
        guard subnet.address.isV4 else {
            throw EngineError(
                .notImplemented, "IPv6 subnets of bridge networks are not supported yet: name an IPv4 subnet")
        }
        guard subnet.prefixLength <= 30 else {
            throw EngineError(.invalidParameter, "invalid subnet \(text): no room for containers")
        }
        guard !used.contains(where: { $0.overlaps(subnet) }) else {
            throw EngineError(
                .forbidden, "invalid pool request: Pool overlaps with other one on this address space")
        }
        return subnet.network
    }

    /// The subnets that the host reaches already (/proc/net/route), which new networks keep clear of.
    private static func hostRoutes() -> [CIDR] {
        let lines = ((try? Files.text("/proc/net/route")) ?? "").split(separator: "\n").dropFirst()
        return lines.compactMap { line in
            let fields = line.split(separator: "\t")
            guard fields.count > 7, let destination = UInt32(fields[1], radix: 16),
                let mask = UInt32(fields[7], radix: 16), mask != 0
            else { return nil }
            return CIDR(
                IPAddress(v4: destination.byteSwapped), prefixLength: mask.nonzeroBitCount)
        }
    }

    func add(_ record: NetworkRecord) {
        networkRecords[record.id] = record
        guard record.driver == "bridge", let subnet = record.subnet, let gateway = record.gateway else { return }
        addresses[record.id] = NetworkAddresses(subnet: subnet, gateway: gateway, range: record.ipRange)
    }

    func networkEvent(_ record: NetworkRecord, _ action: String, container: String? = nil) {
        var attributes = ["name": record.name, "type": record.driver]
        if let container { attributes["container"] = container }
        events.publish(
            EngineEvent(
                kind: .network, action: action, id: record.id, attributes: attributes, time: Clock.now(),
                scope: record.scope))
    }

    /// The host's own networks; the cluster's come from the manager.
    public func networks() -> [NetworkRecord] {
        networkRecords.values.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    }

    /// A network of this host, or a cluster network that this host knows.
    public func network(_ reference: String) async throws -> NetworkRecord {
        let names = Dictionary(networkRecords.values.map { ($0.name, $0.id) }) { first, _ in first }
        switch ObjectLookup.find(
            reference == "default" ? "bridge" : reference, names: names, identifiers: networkRecords.keys,
            contains: { networkRecords[$0] != nil })
        {
        case .found(let id): return networkRecords[id]!
        case .ambiguous:
            throw EngineError(.invalidParameter, "network \(reference) is ambiguous (several matches found on ID)")
        case .none:
            if let found = try await clusterNetworks?.network(reference) { return found }
            throw EngineError.notFound(network: reference)
        }
    }

    /// The running containers of a network on this host.
    public func members(of networkID: String) -> [NetworkMember] {
        records.values.filter(\.state.isRunning).compactMap { record in
            guard let endpoint = record.endpoints.values.first(where: { $0.networkID == networkID }),
                !endpoint.endpointID.isEmpty
            else { return nil }
            return NetworkMember(containerID: record.id, name: record.name, endpoint: endpoint)
        }.sorted { $0.name < $1.name }
    }

    public func removeNetwork(_ reference: String) async throws {
        let record = try await network(reference)
        guard !record.isPredefined else {
            throw EngineError(.forbidden, "\(record.name) is a pre-defined network and cannot be removed")
        }
        guard networkRecords[record.id] != nil else {
            throw EngineError(.notFound, "network \(reference) is not one of this host: ask a manager to remove it")
        }
        try await locks.withLock("networks") { try await self.dropNetwork(record) }
    }

    private func dropNetwork(_ record: NetworkRecord) async throws {
        guard networkRecords[record.id] != nil else { throw EngineError.notFound(network: record.name) }
        let users = records.values.filter { container in
            container.endpoints.values.contains { $0.networkID == record.id }
                && (container.state.isRunning || live[container.id]?.isStarting == true)
        }
        if !users.isEmpty {
            let list = users.map(\.name).sorted().joined(separator: ", ")
            throw EngineError(
                .forbidden,
                "error while removing network: network \(record.name) id \(record.id) has active endpoints (\(list))")
        }
        networkRecords[record.id] = nil
        addresses[record.id] = nil
        do {
            try await store.write([.removeNetwork(record.id)], isDurable: true)
        } catch {
            add(record)
            throw error
        }
        if let bridge = record.bridge { try await dataplane.removeBridge(bridge.linkName) }
        networkEvent(record, "destroy")
    }

    /// Removes networks without containers (filters `label`, `label!`, `until`).
    public func pruneNetworks(_ filters: ObjectFilters) async throws -> [String] {
        let filter = try PruneFilter(filters, now: Clock.now())
        var removed: [String] = []
        for record in networks() where !record.isPredefined && filter.matches(record.labels, record.createdAt) {
            let isUsed = records.values.contains { container in
                container.endpoints.values.contains { $0.networkID == record.id }
            }
            if isUsed { continue }
            try await removeNetwork(record.id)
            removed.append(record.name)
        }
        return removed
    }

    /// Makes the networks that every engine has, and all bridges in the kernel.
    func ensureNetworks() async throws {
        let predefined: [(name: String, driver: String)] = [("bridge", "bridge"), ("host", "host"), ("none", "null")]
        for (name, driver) in predefined where !networkRecords.values.contains(where: { $0.name == name }) {
            var generator = SystemRandomNumberGenerator()
            var record = NetworkRecord(
                id: Identifiers.hex64(using: &generator), name: name, createdAt: Clock.now(), driver: driver,
                scope: "local")
            if driver == "bridge" {
                record.subnet = configuration.defaultBridgeAddress.network
                record.gateway = configuration.defaultBridgeAddress.address
                record.options = [NetworkRecord.bridgeName: configuration.defaultBridge]
            }
            networkRecords[record.id] = record
            try await store.write([.network(record)], isDurable: true)
        }
        var wanted: Set<String> = []
        for record in networkRecords.values.sorted(by: { $0.createdAt < $1.createdAt }) {
            add(record)
            guard let bridge = record.bridge else { continue }
            wanted.insert(bridge.linkName)
            try await dataplane.ensureBridge(bridge)
        }
        // What a crash left between the kernel and the record.
        for link in try await dataplane.bridges() where !wanted.contains(link) && link.hasPrefix("br-") {
            try await dataplane.removeBridge(link)
        }
    }
}
