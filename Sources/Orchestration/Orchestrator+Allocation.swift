import ClusterModel
import NetworkModel
import Values

/// A network or pool has no address left.
struct AddressesExhausted: Error, CustomStringConvertible {
    let network: String

    var description: String { "could not find an available IP while allocating for network \(network)" }
}

/// Ports that the cluster chooses for services that publish without a wish (Docker: 30000 to 32767).
public enum PublishedPortRange {
    public static let dynamic: ClosedRange<UInt16> = 30000...32767
}

extension Orchestrator {
    /// Gives every host its block of the gateway pool.
    static func allocateHosts(_ working: inout WorkingState) {
        guard let cluster = working.state.cluster else { return }
        let pool = SubnetPool(base: cluster.gatewayPool, prefixLength: OverlayDefaults.gatewayBlocks.prefixLength)
        let without = working.state.nodes.values.filter { $0.gatewayBlock == nil }
        guard !without.isEmpty else { return }
        var free = pool.free(avoiding: working.state.nodes.values.compactMap(\.gatewayBlock))
        for node in without.sorted(by: { $0.id < $1.id }) {
            guard let block = free.next() else { return }
            working.decide(.allocateGateway(nodeID: node.id, block))
        }
    }

    /// Virtual addresses and published ports of a service.
    static func allocate(_ service: ServiceObject, _ working: inout WorkingState) {
        var endpoint = service.endpoint
        endpoint.spec = service.spec.endpointSpec ?? EndpointSpec()
        endpoint.ports = ports(for: service, in: working.state)
        let networks = service.spec.allNetworks.map(\.target)
        if service.spec.usesVirtualAddress {
            endpoint.virtualIPs.removeAll { !networks.contains($0.networkID) }
            for id in networks where !endpoint.virtualIPs.contains(where: { $0.networkID == id }) {
                guard let network = working.state.networks[id] else { continue }
                let taken = Set(endpoint.virtualIPs.map(\.addr.address))
                guard let address = nextAddress(in: network, avoiding: taken, &working) else { continue }
                endpoint.virtualIPs.append(
                    VirtualAddress(networkID: id, addr: CIDR(address, prefixLength: network.subnet.prefixLength)))
            }
        } else {
            endpoint.virtualIPs = []
        }
        if endpoint != service.endpoint { working.decide(.allocate(serviceID: service.id, endpoint)) }
    }

    private static func ports(for service: ServiceObject, in state: ClusterState) -> [PortConfiguration] {
        var previous = service.endpoint.ports
        var taken: Set<PortClaim> = []
        for other in state.services.values where other.id != service.id {
            for port in other.endpoint.ports + other.spec.ports where port.isIngress { taken.insert(PortClaim(port)) }
        }
        for port in service.spec.ports where port.isIngress && port.publishedPort != 0 { taken.insert(PortClaim(port)) }
        return service.spec.ports.map { wanted in
            guard wanted.publishedPort == 0, wanted.isIngress else { return wanted }
            // What was chosen before stays.
            let kept = previous.firstIndex {
                $0.targetPort == wanted.targetPort && $0.protocol == wanted.protocol && $0.isIngress
                    && PublishedPortRange.dynamic.contains($0.publishedPort)
            }
            if let kept { return previous.remove(at: kept) }
            var chosen = wanted
            for candidate in PublishedPortRange.dynamic {
                chosen.publishedPort = candidate
                if taken.insert(PortClaim(chosen)).inserted { break }
            }
            return chosen
        }
    }

    /// The addresses of a task on a node: one in each of its networks, and one on the host's gateway bridge where it
    /// has networks or ingress ports.
    static func addresses(
        for task: TaskObject, on nodeID: String, _ working: inout WorkingState
    ) -> Result<[TaskAttachment], AddressesExhausted> {
        guard let service = working.state.services[task.serviceID] else { return .success([]) }
        var attachments: [TaskAttachment] = []
        for wanted in service.spec.allNetworks {
            guard let network = working.state.networks[wanted.target] else { continue }
            guard let address = nextAddress(in: network, avoiding: [], &working) else {
                return .failure(AddressesExhausted(network: network.spec.name))
            }
            attachments.append(
                TaskAttachment(
                    networkID: network.id, address: CIDR(address, prefixLength: network.subnet.prefixLength),
                    aliases: wanted.aliases ?? []))
        }
        let publishes = service.spec.ports.contains(where: \.isIngress)
        // A task whose networks are all internal has no way out.
        let leads = service.spec.allNetworks.contains { working.state.networks[$0.target]?.spec.isInternal == false }
        guard leads || publishes, let ingress = working.state.ingressNetwork,
            let block = working.state.nodes[nodeID]?.gatewayBlock
        else { return .success(attachments) }
        let tasks = working.state.tasks(onNode: nodeID)
        func gateway(of task: TaskObject) -> IPAddress? {
            task.attachments.first { $0.networkID == ingress.id }?.address.address
        }
        let used = Set(tasks.filter(\.mayRun).compactMap(gateway) + [block.host(1)])
        let latest = tasks.max { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }.flatMap(gateway)
        guard let address = AddressAllocator.firstFree(in: block, after: latest ?? block.host(1), used: used) else {
            return .failure(AddressesExhausted(network: ingress.spec.name))
        }
        attachments.append(
            TaskAttachment(networkID: ingress.id, address: CIDR(address, prefixLength: block.prefixLength)))
        return .success(attachments)
    }

    /// The next address of a network that nobody has; the cursor moves on, so that it comes back as late as possible.
    public static func nextAddress(in network: NetworkObject, of state: ClusterState, avoiding: Set<IPAddress> = [])
        -> IPAddress?
    {
        let first = network.subnet.network.address
        let cursor = network.cursor == 0 ? nil : first.advanced(by: network.cursor)
        return AddressAllocator.firstFree(
            in: network.subnet, after: cursor, used: state.usedAddresses(of: network).union(avoiding))
    }

    private static func nextAddress(
        in network: NetworkObject, avoiding: Set<IPAddress>, _ working: inout WorkingState
    ) -> IPAddress? {
        guard let current = working.state.networks[network.id],
            let address = nextAddress(in: current, of: working.state, avoiding: avoiding)
        else { return nil }
        let offset = UInt64((address.v4Value ?? 0) &- (current.subnet.network.address.v4Value ?? 0))
        working.decide(.moveCursor(networkID: network.id, offset))
        return address
    }
}

/// An ingress port of the cluster.
private struct PortClaim: Hashable {
    let port: UInt16
    let transport: String

    init(_ configuration: PortConfiguration) {
        port = configuration.publishedPort
        transport = configuration.protocol
    }
}
