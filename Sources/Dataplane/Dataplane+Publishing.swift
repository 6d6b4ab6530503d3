import Glibc
import LinuxSystem
import Netlink
import NetworkModel
import Values

extension Dataplane {
    /// Adds to the ports that lead to the sandbox, all or none. A port that another sandbox, a service or a process of
    /// the host has is refused with `portInUse`.
    public func publish(_ ports: [PublishedPort], sandbox: String) throws {
        var publications = rules.publications
        for port in ports {
            guard port.containerAddress.isV4, port.hostAddress?.isV4 ?? true, port.hostPort > 0, port.containerPort > 0
            else { throw DataplaneError.invalid("port \(port.hostPort) cannot be published as described") }
            let key = Self.key(of: port)
            let target = HostRules.Publication(
                owner: sandbox, address: port.containerAddress, port: port.containerPort)
            if publications[key] == target { continue }
            let isTaken = publications.keys.contains { other in
                other.transport == key.transport && other.port == key.port
                    && (other.address == key.address || other.address == nil || key.address == nil)
            }
            if isTaken || rules.ingress.holds(port.transport, port.hostPort) { throw DataplaneError.portInUse(port) }
            publications[key] = target
        }
        let added = ports.filter { rules.publications[Self.key(of: $0)] == nil }
        for port in added where try isBound(port) { throw DataplaneError.portInUse(port) }
        guard publications != rules.publications else { return }
        try change(publications)
    }

    /// Withdraws every port of the sandbox; its open connections go on.
    public func unpublish(sandbox: String) throws {
        let publications = rules.publications.filter { $0.value.owner != sandbox }
        if publications.count < rules.publications.count { try change(publications) }
    }

    /// Ports by sandbox, as the kernel holds them.
    public func publishedPorts() throws -> [String: [PublishedPort]] {
        let held = try kernel("read published ports") {
            try HostRules(host.filter.table(HostRules.tableName, family: .v4)).publications
        }
        var ports: [String: [PublishedPort]] = [:]
        for (key, publication) in held {
            ports[publication.owner, default: []].append(
                PublishedPort(
                    hostAddress: key.address, hostPort: key.port, transport: key.transport,
                    containerAddress: publication.address, containerPort: publication.port))
        }
        return ports.mapValues {
            $0.sorted { ($0.hostPort, $0.transport.rawValue) < ($1.hostPort, $1.transport.rawValue) }
        }
    }

    private static func key(of port: PublishedPort) -> HostRules.PublicationKey {
        let address = port.hostAddress.flatMap { $0.isUnspecified ? nil : $0 }
        return HostRules.PublicationKey(address: address, transport: port.transport, port: port.hostPort)
    }

    private func change(_ publications: [HostRules.PublicationKey: HostRules.Publication]) throws {
        let before = rules.publications
        rules.publications = publications
        do {
            try kernel("publish ports") {
                try prepareHost()
                try applyRules()
            }
        } catch {
            rules.publications = before
            throw error
        }
    }

    /// A process of the host listens there: packets would no longer reach it.
    private func isBound(_ port: PublishedPort) throws -> Bool {
        guard port.transport != .sctp else { return false }
        let isStream = port.transport == .tcp
        let bytes = port.hostAddress?.bytes ?? [0, 0, 0, 0]
        let number = port.hostPort
        return try NetworkNamespace.run(in: hostNamespace.rawValue) {
            do throws(SystemError) {
                try PortProbe.bind(bytes, port: number, isStream: isStream)
                return false
            } catch {
                return error.errno == EADDRINUSE
            }
        }
    }
}
