import EngineModel
import LinuxSystem
import Values

extension Engine {
    /// Who a container is to itself: its hostname and the files that say so.
    struct Identity {
        var hostname: String
        var domainname: String
        /// For /etc/hostname, /etc/hosts and /etc/resolv.conf.
        var files: [String]
        /// Whether they are another container's, or this container's to write.
        var areOwn: Bool
    }

    func identity(of record: ContainerRecord) async throws -> Identity {
        var owner = record
        if case .container(let reference) = NetworkMode(record.host.networkMode) { owner = try self.record(reference) }
        let isHost = NetworkMode(owner.host.networkMode) == .host || record.host.utsMode == "host"
        let own = owner.configuration.hostname
        let paths = paths(of: owner.id)
        return Identity(
            hostname: own.isEmpty || record.host.utsMode == "host" && isHost ? configuration.hostname : own,
            domainname: owner.configuration.domainname, files: [paths.hostname, paths.hosts, paths.resolver],
            areOwn: owner.id == record.id)
    }

    func writeIdentityFiles(_ id: String, _ identity: Identity, addresses: [IPAddress]) async throws {
        guard identity.areOwn else { return }
        let record = try current(id)
        let isHost = NetworkMode(record.host.networkMode) == .host
        let source = configuration.resolverPath
        let resolver = try await resolver(of: record)
        let gateway = networkRecords.values.first(where: \.isDefaultBridge)?.gateway
        let hosts = IdentityFiles.hosts(
            hostname: identity.hostname, domainname: identity.domainname,
            addresses: isHost ? [IPAddress.v4Loopback] : addresses, extra: record.host.extraHosts ?? [],
            gateway: gateway)
        let files = identity.files
        try await self.files.run {
            try Files.write(files[0], identity.hostname + "\n")
            try Files.write(files[1], hosts)
            try Files.write(files[2], isHost && Files.exists(source) ? try Files.text(source) : resolver.text)
        }
    }

    /// Names the right server to a running container whose networks have changed.
    func writeResolver(_ id: String) async throws {
        let record = try current(id)
        guard record.state.isRunning else { return }
        let (path, text) = (paths(of: id).resolver, try await resolver(of: record).text)
        try await files.run { try Files.write(path, text) }
    }

    /// Whether martlet-net answers in the container's sandbox.
    func hasNames(_ record: ContainerRecord) -> Bool {
        guard configuration.nameServicePath != nil else { return false }
        return record.endpoints.values.contains { endpoint in
            if let network = networkRecords[endpoint.networkID] { return network.resolvesNames }
            return record.clusterAttachments.contains { $0.networkID == endpoint.networkID }
        }
    }

    private func resolver(of record: ContainerRecord) async throws -> IdentityFiles.Resolver {
        var result = try await hostResolver().forContainer(
            record.host, fallback: configuration.fallbackNameServers)
        if hasNames(record) {
            result.servers = [IdentityFiles.embeddedServer]
            if !result.options.contains(where: { $0.hasPrefix("ndots:") }) { result.options.append("ndots:0") }
        }
        return result
    }

    func hostResolver() async throws -> IdentityFiles.Resolver {
        let source = configuration.resolverPath
        return try await files.run {
            Files.exists(source) ? IdentityFiles.Resolver(parsing: try Files.text(source)) : IdentityFiles.Resolver()
        }
    }
}
