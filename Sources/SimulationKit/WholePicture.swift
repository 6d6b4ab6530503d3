import ClusterModel
import NetworkModel
import SessionModel
import Values

/// What hosts have to know in one state, computed whole and another way than `ClusterView` does it: a checker's.
public struct WholePicture: Sendable {
    let state: ClusterState
    private let networks: [String: OverlayNetwork]
    private let virtualServices: [String: [VirtualService]]
    private let zones: [String: DNSZone]
    private let ingress: IngressPlan?
    private let peers: [PeerAddress]
    private let networkObjects: [NetworkObject]
    private let attachments: [String: [AttachmentObject]]
    private let witness: String?

    /// What all hosts have to know in a state.
    public init(_ state: ClusterState) {
        self.state = state
        witness = state.cluster?.managerPolicy.witness.flatMap { state.isWitness($0) ? $0 : nil }
        let overlays = state.networks.values.filter { !$0.spec.isIngress }
        let underlays = Self.underlays(state)
        let placed = state.tasks.values.filter { $0.mayRun && $0.status.state >= .assigned }
            .sorted { $0.id < $1.id }
        var networks: [String: OverlayNetwork] = [:]
        for network in overlays {
            var mtu: Int?
            if let text = network.spec.options["com.docker.network.driver.mtu"] { mtu = Int(text) }
            networks[network.id] = OverlayNetwork(
                id: network.id, name: network.spec.name, vni: network.vni, subnet: network.subnet, mtu: mtu)
        }
        for task in placed {
            guard let host = underlays[task.nodeID] else { continue }
            for attachment in task.attachments {
                networks[attachment.networkID]?.endpoints.append(
                    OverlayEndpoint(address: attachment.address.address, host: host, owner: task.id))
            }
        }
        for attachment in state.attachments.values.sorted(by: { $0.id < $1.id }) {
            guard let host = underlays[attachment.nodeID] else { continue }
            networks[attachment.networkID]?.endpoints.append(
                OverlayEndpoint(address: attachment.address.address, host: host, owner: attachment.containerID))
        }
        self.networks = networks
        virtualServices = Self.virtualServices(state)
        zones = Self.zones(state, networks: Array(overlays), placed: placed)
        ingress = Self.ingress(state, placed: placed, underlays: underlays)
        peers = state.nodes.values.sorted { $0.id < $1.id }.map {
            PeerAddress(nodeID: $0.id, address: $0.clusterAddress, isManager: $0.raftMember != nil)
        }
        networkObjects = state.networks.values.sorted { $0.id < $1.id }.map { network in
            // Where the next address is looked for concerns no host.
            var network = network
            network.cursor = 0
            return network
        }
        attachments = Dictionary(grouping: state.attachments.values.sorted { $0.id < $1.id }, by: \.nodeID)
    }

    /// What the node `id` has to know; nil where there is no such node.
    public func host(_ id: String) -> HostPicture? {
        guard let node = state.nodes[id] else { return nil }
        let revision = PlanRevision(history: state.historyID, index: state.index)
        let tasks = state.tasks(onNode: id).filter { $0.status.state >= .assigned }.sorted { $0.id < $1.id }
        let attachments = attachments[id] ?? []
        var used: Set<String> = []
        for task in tasks where task.mayRun { used.formUnion(task.attachments.map(\.networkID)) }
        used.formUnion(attachments.map(\.networkID))
        let present = used.sorted().compactMap { networks[$0] }
        let plan = HostNetworkPlan(
            revision: revision, nodeID: id, underlay: IPAddress(node.status.addr) ?? .v4Unspecified, networks: present,
            services: present.flatMap { virtualServices[$0.id] ?? [] }, ingress: ingress)
        let assigned = tasks.map { task in
            let service = state.services[task.serviceID]
            return AssignedTask(
                task: task, serviceName: service?.spec.name ?? task.serviceID,
                serviceLabels: service?.spec.labels ?? [:])
        }
        var picture = HostPicture(
            revision: revision, nodeID: id, role: node.spec.role, tasks: assigned, network: plan,
            zones: zones.filter { used.contains($0.key) }, networks: networkObjects, attachments: attachments,
            peers: peers)
        if id == witness { picture.isWitness = true }
        return picture
    }

    private static func address(of task: TaskObject, in network: String) -> IPAddress? {
        task.attachments.first { $0.networkID == network }?.address.address
    }

    private static func serving(_ service: ServiceObject, in state: ClusterState) -> [TaskObject] {
        state.tasks(ofService: service.id).filter(\.isServing).sorted { $0.id < $1.id }
    }

    private static func virtualServices(_ state: ClusterState) -> [String: [VirtualService]] {
        var result: [String: [VirtualService]] = [:]
        for service in state.services.values.sorted(by: { $0.id < $1.id }) {
            let tasks = serving(service, in: state)
            for address in service.endpoint.virtualIPs {
                result[address.networkID, default: []].append(
                    VirtualService(
                        id: service.id, name: service.spec.name, networkID: address.networkID,
                        address: address.addr.address,
                        backends: tasks.compactMap { Self.address(of: $0, in: address.networkID) }))
            }
        }
        return result
    }

    private static func zones(_ state: ClusterState, networks: [NetworkObject], placed: [TaskObject])
        -> [String: DNSZone]
    {
        var zones: [String: DNSZone] = [:]
        for network in networks { zones[network.id] = DNSZone(network: network.spec.name.lowercased()) }
        for service in state.services.values.sorted(by: { $0.id < $1.id }) {
            let tasks = serving(service, in: state)
            let name = service.spec.name.lowercased()
            for attachment in service.spec.allNetworks {
                let id = attachment.target
                guard zones[id] != nil else { continue }
                let addresses = tasks.compactMap { address(of: $0, in: id) }
                let virtual = service.endpoint.virtualIPs.filter { $0.networkID == id }.map(\.addr.address)
                zones[id]?.names["tasks.\(name)"] = addresses
                for name in [name] + (attachment.aliases ?? []).map({ $0.lowercased() }) {
                    let more = service.spec.usesVirtualAddress ? virtual : addresses
                    zones[id]?.names[name, default: []] += more
                }
                for address in virtual { zones[id]?.pointers[address.description] = name }
            }
        }
        for task in placed {
            guard let service = state.services[task.serviceID] else { continue }
            let name = task.containerName(service: service.spec.name).lowercased()
            for attachment in task.attachments {
                let address = attachment.address.address
                zones[attachment.networkID]?.names[name] = [address]
                zones[attachment.networkID]?.pointers[address.description] = name
            }
        }
        for attachment in state.attachments.values.sorted(by: { $0.id < $1.id }) {
            let address = attachment.address.address
            for name in attachment.names {
                zones[attachment.networkID]?.names[name.lowercased(), default: []].append(address)
            }
            if let name = attachment.names.first {
                zones[attachment.networkID]?.pointers[address.description] = name.lowercased()
            }
        }
        return zones
    }

    /// Where the nodes are: at an address is one that is ready, or else any, and of those the one that came last.
    private static func underlays(_ state: ClusterState) -> [String: IPAddress] {
        var underlays: [String: IPAddress] = [:]
        for (address, nodes) in Dictionary(grouping: state.nodes.values, by: { IPAddress($0.status.addr) }) {
            guard let address else { continue }
            let ready = nodes.filter { $0.status.state == .ready }
            let last = (ready.isEmpty ? nodes : ready).max { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
            if let last { underlays[last.id] = address }
        }
        return underlays
    }

    private static func ingress(_ state: ClusterState, placed: [TaskObject], underlays: [String: IPAddress])
        -> IngressPlan?
    {
        guard let cluster = state.cluster, let network = state.ingressNetwork else { return nil }
        let hosts = state.nodes.values.sorted { $0.id < $1.id }.compactMap { node -> IngressHost? in
            guard let underlay = underlays[node.id], let block = node.gatewayBlock else { return nil }
            return IngressHost(nodeID: node.id, underlay: underlay, block: block)
        }
        var ports: [IngressPort] = []
        for service in state.services.values.sorted(by: { $0.id < $1.id }) {
            let backends = serving(service, in: state).compactMap { address(of: $0, in: network.id) }
            for port in service.endpoint.ports where port.isIngress && port.publishedPort != 0 {
                guard let transport = PortTransport(rawValue: port.protocol) else { continue }
                ports.append(
                    IngressPort(
                        port: port.publishedPort, transport: transport, targetPort: port.targetPort,
                        backends: backends, service: service.spec.name))
            }
        }
        return IngressPlan(
            pool: cluster.gatewayPool, hosts: hosts, ports: ports,
            endpoints: placed.compactMap { address(of: $0, in: network.id) })
    }
}
