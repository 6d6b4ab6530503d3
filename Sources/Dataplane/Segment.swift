import Netlink
import NetworkModel
import Values

/// The links and entries of one namespace that a plan asks for; links are named, the kernel numbers them.
struct Segment {
    var links: [LinkRequest] = []
    /// Ports of bridges by the bridge's name.
    var masters: [String: String] = [:]
    var addresses: [(link: String, CIDR)] = []
    var routes: [(link: String, to: CIDR?, via: IPAddress?, table: UInt32)] = []
    var rules: [MarkRule] = []
    var neighbours: [(link: String, NeighbourEntry.Kind)] = []

    /// Makes the namespace hold this segment and reads it again, or says only what differs.
    ///
    /// - Parameters:
    ///   - before: what the previous plan asked for; nil without one.
    ///   - sockets: of the namespace that holds the links.
    ///   - tunnels: of the namespace that VXLAN packets leave from.
    ///   - namespace: the first, as a descriptor.
    func reconcile(
        _ sockets: NamespaceSockets, before: Segment?, tunnels: NamespaceSockets, namespace: Int32, place: String,
        in pass: inout PlanPass
    ) throws {
        let count = pass.differences.count
        try reconcileLinks(
            sockets.route, before: before, tunnels: tunnels.route, namespace: namespace, place: place, in: &pass)
        try reconcileEntries(sockets.route, before: before, place: place, in: &pass)
        guard pass.changes, pass.differences.count > count else { return }
        var look = PlanPass(changes: false)
        try reconcile(
            sockets, before: nil, tunnels: tunnels, namespace: namespace, place: place, in: &look)
        pass.remaining += look.differences
    }

    private func reconcileEntries(
        _ kernel: RouteSocket, before: Segment?, place: String, in pass: inout PlanPass
    ) throws {
        let actual = try kernel.links()
        let names = Dictionary(actual.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        let indexes = Dictionary(actual.map { ($0.name, $0.index) }, uniquingKeysWith: { first, _ in first })
        let own = Set(links.compactMap { indexes[$0.name] })
        try pass.compare(
            addressEntries(indexes), before: before?.addressEntries(indexes),
            actual: kernel.addresses().filter { own.contains($0.link) && $0.address.address.isV4 }, place: place,
            describe: { "address \($0.address) on \(names[$0.link] ?? "?")" }, add: kernel.add, delete: kernel.delete)
        try pass.compare(
            neighbourEntries(indexes), before: before?.neighbourEntries(indexes),
            actual: kernel.neighbours().filter { own.contains($0.link) }, place: place,
            describe: { Self.describe($0, names[$0.link] ?? "?") }, add: kernel.add, delete: kernel.delete)
        try pass.compare(
            routeEntries(indexes), before: before?.routeEntries(indexes), actual: kernel.routes(), place: place,
            describe: { Self.describe($0, names[$0.link] ?? "?") }, add: kernel.add, delete: kernel.delete)
        try pass.compare(
            rules, before: before?.rules, actual: kernel.rules(), place: place,
            describe: { "rule fwmark 0x\(String($0.mark, radix: 16)) table \($0.table)" }, add: kernel.add,
            delete: kernel.delete)
    }

    private func addressEntries(_ indexes: [String: Int32]) -> [AddressEntry] {
        addresses.compactMap { entry in indexes[entry.link].map { AddressEntry(link: $0, entry.1) } }
    }

    private func neighbourEntries(_ indexes: [String: Int32]) -> [NeighbourEntry] {
        neighbours.compactMap { entry in indexes[entry.link].map { NeighbourEntry(link: $0, entry.1) } }
    }

    private func routeEntries(_ indexes: [String: Int32]) -> [RouteEntry] {
        routes.compactMap { route in
            indexes[route.link].map {
                RouteEntry(to: route.to, via: route.via, link: $0, table: route.table, isOnLink: route.via != nil)
            }
        }
    }

    private static func describe(_ entry: NeighbourEntry, _ link: String) -> String {
        switch entry.kind {
        case .address(let address, let mac): "neighbour \(address) lladdr \(mac) on \(link)"
        case .forwarding(let mac, let host): "forwarding entry \(mac) to \(host) on \(link)"
        }
    }

    private static func describe(_ route: RouteEntry, _ link: String) -> String {
        let destination = route.destination?.description ?? "default"
        let gateway = route.gateway.map { " via \($0)" } ?? ""
        let table = route.table == RouteEntry.mainTable ? "" : " table \(route.table)"
        return "route \(destination)\(gateway) on \(link)\(table)"
    }

    private func reconcileLinks(
        _ kernel: RouteSocket, before: Segment?, tunnels: RouteSocket, namespace: Int32, place: String,
        in pass: inout PlanPass
    ) throws {
        for wanted in links {
            let wasWanted = before?.links.contains(wanted) ?? false
            var there = try kernel.link(named: wanted.name)
            if let link = there, !Self.matches(link, wanted) {
                pass.note(.unexpected, place, "link \(link.name) of another kind", isRepair: wasWanted)
                if pass.changes { try kernel.delete(link: link.index) }
                there = nil
            }
            let master = try masters[wanted.name].flatMap { try kernel.link(named: $0)?.index }
            guard let link = there else {
                pass.note(.missing, place, "link \(wanted.name)", isRepair: wasWanted)
                if pass.changes { try create(wanted, kernel, tunnels: tunnels, master, in: namespace) }
                continue
            }
            let isRight =
                link.isUp == wanted.isUp && (wanted.mtu == nil || link.mtu == wanted.mtu)
                && (wanted.mac == nil || link.mac == wanted.mac) && (master == nil || link.master == master)
            if isRight { continue }
            pass.note(.missing, place, "settings of link \(wanted.name)", isRepair: wasWanted)
            guard pass.changes else { continue }
            try kernel.change(
                link.index, isUp: wanted.isUp, mtu: wanted.mtu, mac: link.mac == wanted.mac ? nil : wanted.mac,
                master: master)
        }
    }

    private func create(
        _ wanted: LinkRequest, _ kernel: RouteSocket, tunnels: RouteSocket, _ master: Int32?, in namespace: Int32
    ) throws {
        guard case .vxlan = wanted.kind else {
            var request = wanted
            request.master = master
            try kernel.create(request)
            return
        }
        // Its packets leave from where it is made, so that its bridge is named only afterwards.
        var request = wanted
        request.namespace = namespace
        try tunnels.create(request)
        if let master, let made = try kernel.link(named: wanted.name) { try kernel.change(made.index, master: master) }
    }

    /// What cannot be changed on a link is right.
    private static func matches(_ link: Link, _ wanted: LinkRequest) -> Bool {
        switch wanted.kind {
        case .bridge: link.kind == "bridge"
        case .veth: link.kind == "veth"
        case .vxlan(let vni, let local, let port, _):
            link.kind == "vxlan" && link.vni == vni && link.local == local && link.port == port
        }
    }
}
