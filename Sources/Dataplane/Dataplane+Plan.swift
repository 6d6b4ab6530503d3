import Glibc
import LinuxSystem
import Netlink
import NetworkModel
import Values

extension Dataplane {
    /// Makes the kernel hold the plan: reads what it holds, applies the difference, reads what was changed again.
    ///
    /// Networks of this data plane that the plan does not name go, once no sandbox is in them. A place that the kernel
    /// refuses makes the receipt a failed one and does not keep the others from being done.
    public func apply(_ plan: HostNetworkPlan) -> DataplaneReceipt {
        let before = self.plan
        var pass = PlanPass(changes: true)
        var outcome = DataplaneReceipt.Outcome.applied
        do {
            try carryOut(plan, before: before, in: &pass)
            try forgetDeparted(since: before, plan)
            forgetUnanswered(since: before, plan)
            if let first = pass.remaining.first {
                outcome = .failed(reason: "\(pass.remaining.count) entries differ after all, first \(first)")
            }
        } catch {
            outcome = .failed(reason: "\(error)")
        }
        for repair in pass.repairs { logger.warning("repaired", metadata: ["entry": "\(repair)"]) }
        if case .failed(let reason) = outcome {
            logger.error("plan not applied", metadata: ["revision": "\(plan.revision)", "reason": "\(reason)"])
        }
        return DataplaneReceipt(
            revision: plan.revision, outcome: outcome, changeCount: pass.differences.count, repairs: pass.repairs)
    }

    /// What in the kernel is not as the applied plan wants it; changes nothing.
    public func verify() throws -> [Difference] {
        guard let plan else { return [] }
        return try kernel("verify") {
            var pass = PlanPass(changes: false)
            try carryOut(plan, before: plan, in: &pass)
            return pass.differences
        }
    }

    /// Endpoints and their ways first, then the maps that lead to them.
    private func carryOut(_ plan: HostNetworkPlan, before: HostNetworkPlan?, in pass: inout PlanPass) throws {
        let mtu = try underlayMTU(plan)
        try Self.check(plan)
        if pass.changes { self.plan = plan }
        for network in plan.networks {
            pass.attempt("network \(network.id)") { pass throws in
                try reconcile(network, plan, before: before, mtu: mtu, in: &pass)
            }
        }
        pass.attempt("leftovers") { pass throws in try reconcileLeftovers(plan, before: before, in: &pass) }
        pass.attempt("host") { pass throws in try reconcileHost(plan, before: before, mtu: mtu, in: &pass) }
        for sandbox in try sandboxes() {
            pass.attempt("sandbox \(sandbox)") { pass throws in
                try reconcile(sandbox: sandbox, plan, before: before, in: &pass)
            }
        }
        if let failure = pass.failure { throw failure }
    }

    /// A plan that no kernel could hold.
    private static func check(_ plan: HostNetworkPlan) throws {
        if plan.ingress != nil, plan.ownBlock == nil {
            throw DataplaneError.invalid("no host of the ingress has the address \(plan.underlay)")
        }
        let numbers = plan.networks.map(\.vni) + (plan.ingress.map { [$0.vni] } ?? [])
        guard Set(numbers).count == numbers.count, numbers.allSatisfy({ $0 < 1 << 24 }) else {
            throw DataplaneError.invalid("two networks have one VXLAN network identifier, or one has more than 24 bits")
        }
        for network in plan.networks where network.id.isEmpty || network.id.contains("/") {
            throw DataplaneError.invalid("\"\(network.id)\" names no network")
        }
    }

    /// The MTU of the link that holds the underlay's address.
    func underlayMTU(_ plan: HostNetworkPlan) throws -> Int {
        // A host outside a cluster has no underlay, and nothing that would need one.
        if plan.underlay.isUnspecified, plan.networks.isEmpty, plan.ingress == nil { return 1500 }
        guard let entry = try host.route.addresses().first(where: { $0.address.address == plan.underlay }),
            let link = try host.route.links().first(where: { $0.index == entry.link })
        else { throw DataplaneError.invalid("no link of this host has the address \(plan.underlay)") }
        // The loopback's own is larger than what VXLAN links may have.
        return min(link.mtu, 65_000)
    }

    private func reconcileHost(
        _ plan: HostNetworkPlan, before: HostNetworkPlan?, mtu: Int, in pass: inout PlanPass
    ) throws {
        let segment = PlanSegments.host(plan, mtu: mtu)
        let isMember = !segment.links.isEmpty
        if !isMember {
            for name in [LinkNames.ingress, LinkNames.gateway] {
                guard let link = try host.route.link(named: name) else { continue }
                pass.note(.unexpected, "host", "link \(name)", isRepair: before.map { $0.ingress == nil } ?? false)
                if pass.changes { try host.route.delete(link: link.index) }
            }
        }
        try segment.reconcile(
            host, before: before.map { PlanSegments.host($0, mtu: mtu) }, tunnels: host,
            namespace: hostNamespace.rawValue, place: "host", in: &pass)
        let old = before == nil ? nil : rules.table
        rules.ingress = IngressRules(plan)
        rules.bridges[LinkNames.gateway] = isMember ? HostRules.Bridge(isInternal: false, masquerades: true) : nil
        if pass.changes, isMember { try prepareHost(links: [LinkNames.gateway, LinkNames.ingress]) }
        try pass.compare(rules.table, before: old, in: host, place: "host")
        if isMember {
            let exit = before.flatMap { $0.ownBlock == nil ? nil : IngressRules.exitTable($0) }
            try pass.compare(IngressRules.exitTable(plan), before: exit, in: host, place: "host")
        } else if pass.changes {
            try host.filter.remove(HostRules.tableName, family: .netdev)
        }
    }

    // MARK: Networks

    func networkPath(_ id: String) -> String { namespaceDirectory + "/" + Self.networkPrefix + id }

    func open(network id: String) throws -> OpenNamespace {
        guard let opened = try open(path: networkPath(id)) else { throw DataplaneError.unknownNetwork(id) }
        return opened
    }

    private func reconcile(
        _ network: OverlayNetwork, _ plan: HostNetworkPlan, before: HostNetworkPlan?, mtu: Int, in pass: inout PlanPass
    ) throws {
        let path = networkPath(network.id)
        let place = "network \(network.id)"
        let old = before?.networks.first { $0.id == network.id }
        if !isNamespace(path) {
            pass.note(.missing, place, "namespace", isRepair: old != nil)
            guard pass.changes else { return }
            try createNamespace(
                path, settings: [("ipv6/conf/default/disable_ipv6", "1"), ("bridge/bridge-nf-call-iptables", "0")])
        }
        let opened = try open(network: network.id)
        let (namespace, sockets) = (opened.descriptor, opened.sockets)
        try PlanSegments.network(network, plan, mtu: mtu).reconcile(
            sockets, before: old.flatMap { old in before.map { PlanSegments.network(old, $0, mtu: mtu) } },
            tunnels: host, namespace: namespace, place: place, in: &pass)
        // Ports whose bridge somebody took away and we made again.
        let links = try sockets.route.links()
        let bridge = links.first { $0.name == LinkNames.overlayBridge }?.index
        for port in links where port.kind == "veth" && (port.master == nil || port.master != bridge) {
            pass.note(.missing, place, "port \(port.name)", isRepair: old != nil)
            if pass.changes, let bridge { try sockets.route.change(port.index, isUp: true, master: bridge) }
        }
    }

    /// Networks that the plan does not name, unless a sandbox still has an interface there.
    private func reconcileLeftovers(
        _ plan: HostNetworkPlan, before: HostNetworkPlan?, in pass: inout PlanPass
    ) throws {
        let wanted = Set(plan.networks.map { Self.networkPrefix + $0.id })
        for name in try Files.list(namespaceDirectory)
        where name.hasPrefix(Self.networkPrefix) && !wanted.contains(name) {
            let id = String(name.dropFirst(Self.networkPrefix.count))
            guard isNamespace(namespaceDirectory + "/" + name) else { continue }
            let sockets = try open(network: id).sockets
            let links = try sockets.route.links()
            if links.contains(where: { $0.kind == "veth" }) { continue }
            pass.note(.unexpected, "network \(id)", "namespace", isRepair: false)
            guard pass.changes else { continue }
            // Its VXLAN's number is free at once, not only when the namespace has ended.
            for link in links where link.kind == "vxlan" { try sockets.route.delete(link: link.index) }
            try removeNamespace(networkPath(id))
        }
    }

    // MARK: Sandboxes

    /// The virtual addresses of the networks that the sandbox is in.
    func reconcile(
        sandbox id: String, _ plan: HostNetworkPlan, before: HostNetworkPlan?, in pass: inout PlanPass
    ) throws {
        guard isNamespace(sandboxPath(id)) else { return }
        let sockets = try open(sandbox: id).sockets
        let addresses = try sockets.route.addresses().map(\.address.address)
        guard let table = Self.table(plan, addresses) else {
            if try sockets.filter.tables(family: .v4).contains(SandboxRules.tableName) {
                try pass.compare(SandboxRules.table([]), before: nil, in: sockets, place: "sandbox \(id)")
            }
            return
        }
        try pass.compare(
            table, before: before.flatMap { Self.table($0, addresses) }, in: sockets, place: "sandbox \(id)")
    }

    /// What a sandbox with these addresses needs; nil where it is in none of the plan's networks.
    private static func table(_ plan: HostNetworkPlan, _ addresses: [IPAddress]) -> FilterTable? {
        let networks = plan.networks.filter { network in addresses.contains { network.subnet.contains($0) } }
        let isBehindGateway = plan.ownBlock.map { own in addresses.contains { own.block.contains($0) } } ?? false
        guard !networks.isEmpty || isBehindGateway else { return nil }
        let names = Set(networks.map(\.id))
        return SandboxRules.table(plan.services.filter { names.contains($0.networkID) })
    }

    /// Brings a sandbox that was just connected or disconnected to what the plan wants.
    func refresh(sandbox id: String, _ plan: HostNetworkPlan) throws {
        var pass = PlanPass(changes: true)
        try reconcile(sandbox: id, plan, before: nil, in: &pass)
        if let first = pass.remaining.first { throw DataplaneError.kernel("after all \(first)") }
    }
}
