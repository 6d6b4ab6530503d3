import Netlink
import NetworkModel
import Values

extension Dataplane {
    /// Makes the bridge, its address, masquerade and isolation as wanted; what is there and right stays.
    public func ensureBridge(_ bridge: LocalBridge) throws {
        guard bridge.linkName.utf8.count <= 15, bridge.linkName != LinkNames.gateway, bridge.subnet.address.isV4,
            bridge.subnet.contains(bridge.gateway)
        else { throw DataplaneError.invalid("bridge \(bridge.linkName) cannot be made as described") }
        try kernel("bridge \(bridge.linkName)") {
            let route = host.route
            let address = CIDR(bridge.gateway, prefixLength: bridge.subnet.prefixLength)
            if let clash = try clash(of: bridge) {
                throw DataplaneError.invalid(
                    "Pool overlaps with other one on this address space: \(bridge.subnet) and \(clash)")
            }
            if try route.link(named: bridge.linkName) == nil {
                try route.create(
                    LinkRequest(
                        name: bridge.linkName, kind: .bridge, mac: MACAddress(derivedFrom: bridge.gateway),
                        mtu: bridge.mtu))
            }
            guard let link = try route.link(named: bridge.linkName), link.kind == "bridge" else {
                throw DataplaneError.invalid("the host has a link \(bridge.linkName) that is no bridge")
            }
            if !link.isUp || link.mtu != bridge.mtu { try route.change(link.index, isUp: true, mtu: bridge.mtu) }
            let addresses = try route.addresses().filter { $0.link == link.index && $0.address.address.isV4 }
            try route.delete(addresses.filter { $0.address != address })
            if !addresses.contains(where: { $0.address == address }) {
                try route.add([AddressEntry(link: link.index, address)])
            }
            rules.bridges[bridge.linkName] = HostRules.Bridge(
                isInternal: bridge.isInternal, masquerades: bridge.masquerades && !bridge.isInternal)
            try prepareHost(links: [bridge.linkName])
            try applyRules()
        }
    }

    /// An address of the host, on another link, in the bridge's subnet.
    private func clash(of bridge: LocalBridge) throws -> CIDR? {
        let own = try host.route.link(named: bridge.linkName)?.index
        return try host.route.addresses().first { $0.link != own && $0.address.overlaps(bridge.subnet) }?.address
    }

    /// Removes a bridge by its link's name; nothing there is fine.
    public func removeBridge(_ linkName: String) throws {
        guard linkName != LinkNames.gateway else { throw DataplaneError.invalid("\(linkName) is the cluster's") }
        try kernel("remove bridge \(linkName)") {
            if rules.bridges.removeValue(forKey: linkName) != nil { try applyRules() }
            if let link = try host.route.link(named: linkName), link.kind == "bridge" {
                try host.route.delete(link: link.index)
            }
        }
    }

    /// Link names of the bridges that are there, also from before a restart.
    public func bridges() throws -> [String] {
        rules.bridges.keys.filter { $0 != LinkNames.gateway }.sorted()
    }
}
