import Netlink
import NetworkModel
import Values

/// What a plan asks of the host's namespace and of each network's.
enum PlanSegments {
    /// Answers of flows that came through another host are routed by this table.
    static let returnTable: UInt32 = 77
    static let rulePriority: UInt32 = 770
    /// The next hop of all answers; the frame's destination is set where it leaves, by the flow's mark.
    static let returnHop = IPAddress(v4: 0xa9fe_4d01)
    static let returnMAC = MACAddress(bytes: [0x02, 0x4d, 0, 0, 0, 0])!

    /// The gateway bridge and the VXLAN between hosts.
    static func host(_ plan: HostNetworkPlan, mtu: Int) -> Segment {
        var segment = Segment()
        guard let ingress = plan.ingress, let own = plan.ownBlock else { return segment }
        segment.links = [
            LinkRequest(
                name: LinkNames.gateway, kind: .bridge, mac: MACAddress(derivedFrom: own.gateway), mtu: mtu),
            LinkRequest(
                name: LinkNames.ingress,
                kind: .vxlan(
                    vni: ingress.vni, local: plan.underlay, port: OverlayDefaults.port, answersARP: false),
                mac: own.mac, mtu: mtu - overhead(plan)),
        ]
        // A link without any address takes no packets from addresses that are routed elsewhere, not even with a loose
        // rp_filter (fib_validate_source).
        segment.addresses = [
            (LinkNames.gateway, CIDR(own.gateway, prefixLength: own.block.prefixLength)),
            (LinkNames.ingress, CIDR(own.gateway, prefixLength: 32)),
        ]
        for peer in ingress.hosts where peer != own {
            segment.neighbours.append((LinkNames.ingress, .address(peer.gateway, peer.mac)))
            segment.neighbours.append((LinkNames.ingress, .forwarding(peer.mac, to: peer.underlay)))
            segment.routes.append((LinkNames.ingress, peer.block, peer.gateway, RouteEntry.mainTable))
        }
        segment.neighbours.append((LinkNames.ingress, .address(returnHop, returnMAC)))
        segment.routes.append((LinkNames.ingress, nil, returnHop, returnTable))
        segment.rules = [
            MarkRule(
                priority: rulePriority, mark: IngressRules.markBase, mask: IngressRules.markMask, table: returnTable)
        ]
        return segment
    }

    /// The bridge and the VXLAN of one network, with an entry for each endpoint on another host.
    static func network(_ network: OverlayNetwork, _ plan: HostNetworkPlan, mtu: Int) -> Segment {
        var segment = Segment()
        let payload = linkMTU(network, plan, mtu: mtu)
        segment.links = [
            LinkRequest(
                name: LinkNames.overlayBridge, kind: .bridge,
                mac: MACAddress(bytes: [0x02, 0x4f] + withUnsafeBytes(of: network.vni.bigEndian) { Array($0) }),
                mtu: payload),
            LinkRequest(
                name: LinkNames.overlayTunnel,
                kind: .vxlan(vni: network.vni, local: plan.underlay, port: OverlayDefaults.port, answersARP: true),
                mtu: payload),
        ]
        segment.masters = [LinkNames.overlayTunnel: LinkNames.overlayBridge]
        for endpoint in network.endpoints where endpoint.host != plan.underlay {
            segment.neighbours.append((LinkNames.overlayTunnel, .forwarding(endpoint.mac, to: endpoint.host)))
            if endpoint.address.isV4 {
                segment.neighbours.append((LinkNames.overlayTunnel, .address(endpoint.address, endpoint.mac)))
            }
        }
        return segment
    }

    /// What a frame of a network may carry.
    static func linkMTU(_ network: OverlayNetwork, _ plan: HostNetworkPlan, mtu: Int) -> Int {
        min(network.mtu ?? .max, mtu - overhead(plan))
    }

    private static func overhead(_ plan: HostNetworkPlan) -> Int {
        plan.underlay.isV4 ? OverlayDefaults.overheadV4 : OverlayDefaults.overheadV6
    }
}
