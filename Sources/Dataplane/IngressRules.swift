import Netlink
import NetworkModel
import Values

/// The elements by which a host takes part in the ingress.
struct IngressRules: Hashable, Sendable {
    /// Marks of ours: the number of the entry host is below.
    static let markBase: UInt32 = 0x4d00_0000
    static let markMask: UInt32 = 0xff00_0000
    static let setNames = ["ingress", "backends", "targets", "loops", "underlay", "gateways", "marks", "zones"]

    /// By set.
    var elements: [String: [[UInt8]: FilterSet.Element]] = [:]

    init() {}

    /// As the kernel's table holds them: they stay until a plan says otherwise.
    init(_ table: FilterTable) {
        for name in Self.setNames { elements[name] = table.sets[name]?.elements }
    }

    init(_ plan: HostNetworkPlan) {
        for name in Self.setNames { elements[name] = [:] }
        guard let ingress = plan.ingress, let own = plan.ownBlock else { return }
        for port in ingress.ports { add(port) }
        let backends = Set(ingress.ports.flatMap(\.backends))
        for host in ingress.hosts where host != own {
            let number = host.number(in: ingress.pool)
            elements["marks"]![host.mac.bytes] = .init(.bytes(FilterKeys.number(Int(Self.mark(of: number)))))
            elements["zones"]![host.mac.bytes] = .init(.bytes(FilterKeys.zone(number)))
            for backend in backends where host.underlay.isV4 && host.block.contains(backend) {
                elements["loops"]![host.underlay.bytes + backend.bytes] = .init()
            }
        }
        if plan.underlay.isV4 { elements["underlay"]![plan.underlay.bytes] = .init() }
        elements["underlay"]![own.gateway.bytes] = .init()
        elements["gateways"]![FilterKeys.interface(LinkNames.ingress)] = .init(.bytes(own.gateway.bytes))
    }

    private mutating func add(_ port: IngressPort) {
        let key = FilterKeys.port(port.transport, port.port)
        let backends = port.backends.filter(\.isV4).sorted()
        let chain = backends.isEmpty ? Steps.refusalName : Steps.chooser(backends.count)
        elements["ingress"]![key] = .init(.verdict(.goto(chain)), comment: port.service)
        elements["targets"]![FilterKeys.port(port.transport, port.targetPort)] = .init()
        for (index, backend) in backends.enumerated() {
            let target = backend.bytes + FilterKeys.port(port.targetPort)
            elements["backends"]![key + FilterKeys.number(index)] = .init(.bytes(target))
        }
    }

    static func mark(of number: UInt16) -> UInt32 { markBase | UInt32(number) }

    /// The numbers of backends for which a chain is needed.
    var backendCounts: Set<Int> {
        var counts: Set<Int> = []
        for element in (elements["ingress"] ?? [:]).values {
            if case .verdict(.goto(let chain)) = element.value, let count = Int(chain.dropFirst()) {
                counts.insert(count)
            }
        }
        return counts
    }

    /// The ports that the cluster's services have.
    func holds(_ transport: PortTransport, _ port: UInt16) -> Bool {
        elements["ingress"]?[FilterKeys.port(transport, port)] != nil
    }

    /// The table at the ingress VXLAN's way out: an answer's frame goes to the host through which its flow came.
    static func exitTable(_ plan: HostNetworkPlan) -> FilterTable {
        var macs = FilterSet(
            keyType: FilterKeys.mark, keyLength: 4, content: .values(type: FilterKeys.linkAddress, length: 6))
        if let ingress = plan.ingress {
            for host in ingress.hosts where host.underlay != plan.underlay {
                let mark = mark(of: host.number(in: ingress.pool))
                macs.elements[FilterKeys.number(Int(mark))] = .init(.bytes(host.mac.bytes))
            }
        }
        // The mark ends here: the VXLAN's own packets would take it over, and the rule for answers would route them.
        let rule = FilterRule(
            "ether daddr set meta mark map @macs meta mark set 0",
            [
                .load(FilterExpression.Meta.mark), .look(up: "macs", into: 0), .write(.link, offset: 0, length: 6),
                .value([0, 0, 0, 0]), .setMark(),
            ])
        let hook = FilterChain.Hook(
            type: "filter", number: FilterChain.Hook.egress, priority: 0, device: LinkNames.ingress)
        return FilterTable(
            family: .netdev, name: HostRules.tableName, sets: ["macs": macs],
            chains: ["out": FilterChain(hook: hook, rules: [rule])])
    }
}
