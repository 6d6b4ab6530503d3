import ClusterModel
import NetworkModel
import Values

/// Whose picture a fact is in: one host's, or that of all that have its section.
enum FactPlace: Hashable {
    case host(String)
    case shared(SectionName)

    var section: SectionName {
        switch self {
        case .host: .host
        case .shared(let name): name
        }
    }
}

/// What facts come from.
enum FactSource: Hashable {
    case cluster
    case node(String)
    case service(String)
    case task(String)
    case network(String)
    case attachment(String)
}

/// The facts of one state of the cluster. Each comes from one source, and its key says from which, so that it goes when
/// that goes; what a source's facts depend on beside it is in `ClusterView.sources(of:to:)`.
struct ClusterFacts: Sendable {
    let state: ClusterState
    /// Where nodes are.
    let underlays: [String: IPAddress]
    let ingressID: String?
    let witness: String?

    /// - Parameter underlays: where they are known already.
    init(_ state: ClusterState, underlays: [String: IPAddress]? = nil) {
        self.state = state
        self.underlays = underlays ?? Self.underlays(state)
        ingressID = state.cluster == nil ? nil : state.ingressNetwork?.id
        witness = state.cluster?.managerPolicy.witness.flatMap { state.isWitness($0) ? $0 : nil }
    }

    /// Where the nodes are. A host that left and joined anew is another node at the address of its old row: the address
    /// is of the row that is heard, or else of the younger one, and the other is nowhere.
    private static func underlays(_ state: ClusterState) -> [String: IPAddress] {
        func mark(_ node: NodeObject) -> (Int, Timestamp, String) {
            (node.status.state == .ready ? 1 : 0, node.createdAt, node.id)
        }
        var holders: [IPAddress: NodeObject] = [:]
        for node in state.nodes.values {
            guard let address = IPAddress(node.status.addr) else { continue }
            if let holder = holders[address], mark(holder) > mark(node) { continue }
            holders[address] = node
        }
        return Dictionary(uniqueKeysWithValues: holders.map { ($1.id, $0) })
    }

    /// Facts by place and key.
    typealias Collection = [FactPlace: [String: PictureFact]]

    var all: Collection {
        var facts: Collection = [:]
        add(.cluster, to: &facts)
        for id in state.nodes.keys { add(.node(id), to: &facts) }
        for id in state.services.keys { add(.service(id), to: &facts) }
        for id in state.tasks.keys { add(.task(id), to: &facts) }
        for id in state.networks.keys { add(.network(id), to: &facts) }
        for id in state.attachments.keys { add(.attachment(id), to: &facts) }
        return facts
    }

    func facts(of sources: Set<FactSource>) -> Collection {
        var facts: Collection = [:]
        for source in sources { add(source, to: &facts) }
        return facts
    }

    private func add(_ source: FactSource, to facts: inout Collection) {
        switch source {
        case .cluster:
            guard ingressID != nil, let cluster = state.cluster else { return }
            facts[.shared(.ingress), default: [:]][""] = .ingressPool(cluster.gatewayPool)
        case .node(let id): if let node = state.nodes[id] { add(node, to: &facts) }
        case .service(let id): if let service = state.services[id] { add(service, to: &facts) }
        case .task(let id): if let task = state.tasks[id] { add(task, to: &facts) }
        case .network(let id): if let network = state.networks[id] { add(network, to: &facts) }
        case .attachment(let id): if let attachment = state.attachments[id] { add(attachment, to: &facts) }
        }
    }

    private func isOverlay(_ networkID: String) -> Bool { state.networks[networkID]?.spec.isIngress == false }

    private func add(_ node: NodeObject, to facts: inout Collection) {
        let peer = PeerAddress(nodeID: node.id, address: node.clusterAddress, isManager: node.raftMember != nil)
        facts[.shared(.peers), default: [:]][node.id] = .peer(peer)
        facts[.host(node.id), default: [:]][""] = .host(
            HostFact(
                role: node.spec.role, isWitness: node.id == witness,
                underlay: IPAddress(node.status.addr) ?? .v4Unspecified))
        guard ingressID != nil, let underlay = underlays[node.id], let block = node.gatewayBlock else { return }
        facts[.shared(.ingress), default: [:]]["host/" + node.id] = .ingressHost(
            IngressHost(nodeID: node.id, underlay: underlay, block: block))
    }

    private func add(_ network: NetworkObject, to facts: inout Collection) {
        // Where the next address is looked for concerns no host.
        var object = network
        object.cursor = 0
        facts[.shared(.attachable), default: [:]][network.id] = .attachable(object)
        guard !network.spec.isIngress else { return }
        let mtu = network.spec.options["com.docker.network.driver.mtu"].flatMap { Int($0) }
        facts[.shared(.network(network.id)), default: [:]][""] = .overlay(
            OverlayNetwork(
                id: network.id, name: network.spec.name, vni: network.vni, subnet: network.subnet, mtu: mtu))
    }

    // MARK: Services

    private func add(_ service: ServiceObject, to facts: inout Collection) {
        let serving = state.tasks(ofService: service.id).filter(\.isServing).sorted { $0.id < $1.id }
        func addresses(in network: String) -> [IPAddress] {
            serving.compactMap { task in task.attachments.first { $0.networkID == network }?.address.address }
        }
        for (number, virtual) in service.endpoint.virtualIPs.enumerated() where isOverlay(virtual.networkID) {
            let fact = VirtualService(
                id: service.id, name: service.spec.name, networkID: virtual.networkID, address: virtual.addr.address,
                backends: addresses(in: virtual.networkID))
            let key = "service/\(service.id)/\(Self.ordinal(number))"
            facts[.shared(.network(virtual.networkID)), default: [:]][key] = .service(fact)
        }
        addNames(of: service, addresses, to: &facts)
        guard let ingressID else { return }
        let backends = addresses(in: ingressID)
        for (number, port) in service.endpoint.ports.enumerated() where port.isIngress && port.publishedPort != 0 {
            guard let transport = PortTransport(rawValue: port.protocol) else { continue }
            facts[.shared(.ingress), default: [:]]["port/\(service.id)/\(Self.ordinal(number))"] = .ingressPort(
                IngressPort(
                    port: port.publishedPort, transport: transport, targetPort: port.targetPort, backends: backends,
                    service: service.spec.name))
        }
    }

    private func addNames(
        of service: ServiceObject, _ addresses: (String) -> [IPAddress], to facts: inout Collection
    ) {
        let name = service.spec.name.lowercased()
        var names: [String: [String: [IPAddress]]] = [:]
        for attachment in service.spec.allNetworks where isOverlay(attachment.target) {
            let place = FactPlace.shared(.network(attachment.target))
            let serving = addresses(attachment.target)
            let virtual = service.endpoint.virtualIPs.filter { $0.networkID == attachment.target }.map(\.addr.address)
            names[attachment.target, default: [:]]["tasks.\(name)"] = serving
            for name in [name] + (attachment.aliases ?? []).map({ $0.lowercased() }) {
                let more = service.spec.usesVirtualAddress ? virtual : serving
                names[attachment.target]![name, default: []] += more
            }
            for address in virtual {
                facts[place, default: [:]]["pointer/\(address)/s\(service.id)"] = .pointer(
                    address.description, name: name)
            }
        }
        for (network, names) in names {
            for (name, addresses) in names {
                facts[.shared(.network(network)), default: [:]]["name/\(name)/s\(service.id)"] = .name(name, addresses)
            }
        }
    }

    /// Sorts as the number does.
    private static func ordinal(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.utf8.count)) + digits
    }

    // MARK: Tasks and attachments

    private func add(_ task: TaskObject, to facts: inout Collection) {
        guard task.status.state >= .assigned, !task.nodeID.isEmpty else { return }
        let service = state.services[task.serviceID]
        if state.nodes[task.nodeID] != nil {
            facts[.host(task.nodeID), default: [:]]["task/" + task.id] = .task(
                AssignedTask(
                    task: task, serviceName: service?.spec.name ?? task.serviceID,
                    serviceLabels: service?.spec.labels ?? [:]))
        }
        guard task.mayRun else { return }
        if let address = task.attachments.first(where: { $0.networkID == ingressID })?.address.address {
            facts[.shared(.ingress), default: [:]]["task/" + task.id] = .ingressEndpoint(address)
        }
        let name = service.map { task.containerName(service: $0.spec.name).lowercased() }
        for (number, attachment) in task.attachments.enumerated() where isOverlay(attachment.networkID) {
            let place = FactPlace.shared(.network(attachment.networkID))
            let address = attachment.address.address
            if let host = underlays[task.nodeID] {
                facts[place, default: [:]]["endpoint/t\(task.id)/\(Self.ordinal(number))"] = .endpoint(
                    OverlayEndpoint(address: address, host: host, owner: task.id))
            }
            guard let name else { continue }
            facts[place, default: [:]]["name/\(name)/t\(task.id)"] = .name(name, [address])
            facts[place, default: [:]]["pointer/\(address)/t\(task.id)"] = .pointer(address.description, name: name)
        }
    }

    private func add(_ attachment: AttachmentObject, to facts: inout Collection) {
        if state.nodes[attachment.nodeID] != nil {
            facts[.host(attachment.nodeID), default: [:]]["attachment/" + attachment.id] = .attachment(attachment)
        }
        guard isOverlay(attachment.networkID) else { return }
        let place = FactPlace.shared(.network(attachment.networkID))
        let address = attachment.address.address
        if let host = underlays[attachment.nodeID] {
            facts[place, default: [:]]["endpoint/u\(attachment.id)"] = .endpoint(
                OverlayEndpoint(address: address, host: host, owner: attachment.containerID))
        }
        for (name, count) in Dictionary(attachment.names.map { ($0.lowercased(), 1) }, uniquingKeysWith: +) {
            let addresses = Array(repeating: address, count: count)
            facts[place, default: [:]]["name/\(name)/u\(attachment.id)"] = .name(name, addresses)
        }
        if let name = attachment.names.first {
            facts[place, default: [:]]["pointer/\(address)/u\(attachment.id)"] = .pointer(
                address.description, name: name.lowercased())
        }
    }
}
