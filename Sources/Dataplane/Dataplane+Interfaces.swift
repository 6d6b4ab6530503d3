import Glibc
import Netlink
import NetworkModel
import Values

extension Dataplane {
    /// Gives the sandbox an interface on a bridge of the host. The same once more changes nothing.
    public func connect(sandbox: String, to attachment: BridgeAttachment) throws {
        guard rules.bridges[attachment.bridge] != nil else {
            throw DataplaneError.unknownBridge(attachment.bridge)
        }
        try kernel("connect sandbox \(sandbox) to \(attachment.bridge)") {
            guard let bridge = try host.route.link(named: attachment.bridge) else {
                throw DataplaneError.unknownBridge(attachment.bridge)
            }
            try connect(
                sandbox,
                Interface(
                    name: attachment.interface, address: attachment.address, mac: attachment.mac,
                    gateway: attachment.gateway, mtu: attachment.mtu), sockets: host, bridge: bridge.index)
        }
    }

    /// Gives the sandbox an interface in an overlay network of the applied plan, and the virtual addresses of the
    /// network's services.
    public func connect(sandbox: String, to attachment: OverlayAttachment) throws {
        guard let plan, let network = plan.networks.first(where: { $0.id == attachment.networkID }) else {
            throw DataplaneError.unknownNetwork(attachment.networkID)
        }
        guard network.subnet.contains(attachment.address.address) else {
            throw DataplaneError.invalid("\(attachment.address.address) is not of network \(network.name)")
        }
        try kernel("connect sandbox \(sandbox) to network \(network.name)") {
            let overlay = try open(network: network.id).sockets
            guard let bridge = try overlay.route.link(named: LinkNames.overlayBridge) else {
                throw DataplaneError.unknownNetwork(network.id)
            }
            let mtu = PlanSegments.linkMTU(network, plan, mtu: try underlayMTU(plan))
            let interface = Interface(
                name: attachment.interface, address: attachment.address, mac: attachment.mac, gateway: nil, mtu: mtu)
            try connect(sandbox, interface, sockets: overlay, bridge: bridge.index)
            try refresh(sandbox: sandbox, plan)
        }
    }

    /// Gives the sandbox an interface on the gateway bridge with the default route: the way out, and the way in for
    /// published ports of services.
    ///
    /// - Parameter address: of this host's block of the gateway pool.
    public func connectGateway(sandbox: String, interface: String, address: IPAddress) throws {
        guard let plan, let own = plan.ownBlock, let bridge = try host.route.link(named: LinkNames.gateway) else {
            throw DataplaneError.noGateway
        }
        guard own.block.contains(address), address != own.gateway, let mac = MACAddress(derivedFrom: address) else {
            throw DataplaneError.invalid("\(address) is not of this host's gateway block \(own.block)")
        }
        try kernel("connect sandbox \(sandbox) to the gateway bridge") {
            try connect(
                sandbox,
                Interface(
                    name: interface, address: CIDR(address, prefixLength: own.block.prefixLength), mac: mac,
                    gateway: own.gateway, mtu: bridge.mtu), sockets: host, bridge: bridge.index)
            try refresh(sandbox: sandbox, plan)
        }
    }

    /// Takes an interface away; nothing there is fine.
    public func disconnect(sandbox: String, interface: String) throws {
        try kernel("disconnect \(interface) of sandbox \(sandbox)") {
            let sockets = try open(sandbox: sandbox).sockets
            guard let link = try sockets.route.link(named: interface), link.kind == "veth" else { return }
            try sockets.route.delete(link: link.index)
            if let plan { try refresh(sandbox: sandbox, plan) }
        }
    }

    private struct Interface {
        var name: String
        var address: CIDR
        var mac: MACAddress
        var gateway: IPAddress?
        var mtu: Int
    }

    /// Makes a pair of links at once in both namespaces: one end is a port of the bridge, the other the interface.
    private func connect(
        _ sandbox: String, _ interface: Interface, sockets: NamespaceSockets, bridge: Int32
    ) throws {
        let opened = try open(sandbox: sandbox)
        let (namespace, inside) = (opened.descriptor, opened.sockets)
        guard interface.name.utf8.count <= 15, !interface.name.isEmpty, interface.name != "lo" else {
            throw DataplaneError.invalid("\"\(interface.name)\" names no interface")
        }
        let port = LinkNames.port(sandbox: sandbox, interface: interface.name)
        if let there = try inside.route.link(named: interface.name) {
            let entry = AddressEntry(link: there.index, interface.address)
            let outside = try sockets.route.link(named: port)
            let addresses = try inside.route.addresses().filter { $0.link == there.index }
            if there.kind == "veth", there.mac == interface.mac, addresses.contains(entry), let outside {
                if outside.master != bridge { try sockets.route.change(outside.index, isUp: true, master: bridge) }
                return
            }
            // Only half made, when the program that did so ended.
            guard there.kind == "veth", addresses.isEmpty, outside != nil else {
                throw DataplaneError.invalid("sandbox \(sandbox) has another interface \(interface.name) already")
            }
            try inside.route.delete(link: there.index)
        }
        let request = LinkRequest(
            name: port,
            kind: .veth(peer: .init(name: interface.name, mac: interface.mac, namespace: namespace)),
            mtu: interface.mtu, master: bridge)
        do {
            try sockets.route.create(request)
        } catch {
            // The port of an earlier sandbox of this name, whose namespace has not quite ended.
            guard error.errno == EEXIST, let stale = try sockets.route.link(named: port) else { throw error }
            try sockets.route.delete(link: stale.index)
            try sockets.route.create(request)
        }
        do {
            guard let link = try inside.route.link(named: interface.name) else {
                throw DataplaneError.kernel("the interface \(interface.name) did not come into being")
            }
            try inside.route.change(link.index, isUp: true)
            try inside.route.add([AddressEntry(link: link.index, interface.address)])
            if let gateway = interface.gateway {
                try inside.route.add([RouteEntry(to: nil, via: gateway, link: link.index)])
            }
        } catch {
            if let made = try? sockets.route.link(named: port) { try? sockets.route.delete(link: made.index) }
            throw error
        }
    }
}
