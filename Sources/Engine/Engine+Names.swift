import EngineModel
import JSON
import LinuxSystem
import NetworkModel
import Values

extension Engine {
    /// Names of the cluster's networks for this host's containers, by network; replaces what was given before and
    /// returns when martlet-net serves it.
    public func setClusterZones(_ zones: [String: DNSZone]) async throws {
        if zones != clusterZones { keep(zones) }
        clusterZones = zones
        try await publishNames()
    }

    /// An engine that starts again serves what the last one knew until the cluster tells it more. A boot empties the
    /// run directory.
    private var zonesPath: String { configuration.runDirectory + "/zones.json" }

    private func keep(_ zones: [String: DNSZone]) {
        do { try Files.replace(zonesPath, JSONCoding.encode(zones)) } catch {
            logger.warning("the cluster's names could not be kept", metadata: ["error": "\(error)"])
        }
    }

    /// Takes up the names that an engine before this one was given.
    func adoptClusterZones() {
        guard let bytes = try? Files.read(zonesPath),
            let zones = try? JSONCoding.decode([String: DNSZone].self, from: bytes)
        else { return }
        clusterZones = zones
    }

    /// Makes martlet-net answer by the picture as it is now; returns when it does. With `id`, throws where it does not
    /// answer in that container's sandbox.
    func publishNames(for id: String? = nil) async throws {
        guard configuration.nameServicePath != nil else { return }
        let receipt = try await names.refresh(from: self)
        if let id, let reason = receipt.failures[id] {
            throw EngineError(.internalError, "no names are served in the container's network namespace: \(reason)")
        }
    }

    /// All that this host's containers can ask for.
    func namePicture() async throws -> (sandboxes: [SandboxNames], zones: [String: DNSZone]) {
        let servers = try await hostResolver().servers.compactMap { IPAddress($0) }
        let fallback = configuration.fallbackNameServers.compactMap { IPAddress($0) }
        return picture(hostServers: servers.isEmpty ? fallback : servers)
    }

    /// Whether the container is one of those whose names martlet-net serves.
    func isNamed(_ id: String) -> Bool {
        guard let record = records[id] else { return false }
        return live[id]?.interfaces.isEmpty == false && hasNames(record)
    }

    /// The sandboxes with names, and the zones of their networks.
    private func picture(hostServers: [IPAddress]) -> ([SandboxNames], [String: DNSZone]) {
        var sandboxes: [SandboxNames] = []
        var zones: [String: DNSZone] = clusterZones
        for record in records.values.sorted(by: { $0.id < $1.id }) {
            guard live[record.id]?.interfaces.isEmpty == false, hasNames(record) else { continue }
            var networks: [String] = []
            for name in orderedEndpoints(record) {
                let endpoint = record.endpoints[name]!
                guard !endpoint.endpointID.isEmpty, let address = IPAddress(endpoint.ipAddress) else { continue }
                networks.append(endpoint.networkID)
                if let local = networkRecords[endpoint.networkID], local.resolvesNames {
                    zones[local.id, default: DNSZone(network: local.name)].add(
                        endpoint.dnsNames ?? dnsNames(record, endpoint), address, owner: record.name)
                } else if record.taskID == nil {
                    zones[endpoint.networkID, default: DNSZone(network: name)].add(
                        endpoint.dnsNames ?? dnsNames(record, endpoint), address, owner: record.name)
                }
            }
            let upstream = (record.host.dns ?? []).compactMap { IPAddress($0) }
            sandboxes.append(
                SandboxNames(
                    id: record.id, namespacePath: dataplane.sandboxPath(record.id), networks: networks,
                    upstreamServers: upstream.isEmpty ? hostServers : upstream,
                    searchDomains: record.host.dnsSearch ?? []))
        }
        return (sandboxes, zones)
    }
}

extension DNSZone {
    /// Adds a container's names in lower case; several containers may share an alias.
    mutating func add(_ names: [String], _ address: IPAddress, owner: String) {
        for name in names {
            let name = name.lowercased()
            if !(self.names[name] ?? []).contains(address) { self.names[name, default: []].append(address) }
        }
        if pointers[address.description] == nil { pointers[address.description] = owner.lowercased() }
    }
}
