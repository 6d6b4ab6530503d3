import Netlink
import NetworkModel
import Values

extension Dataplane {
    /// Open connections to the sandbox's own addresses (all networks, any client): what a drain waits for. TCP
    /// connections that both sides have closed do not count.
    public func flowCount(toSandbox id: String) throws -> Int {
        try kernel("count flows to sandbox \(id)") {
            let sockets = try open(sandbox: id).sockets
            let own = Set(try sockets.route.addresses().map(\.address.address).filter { !$0.isLoopback })
            // A sandbox without virtual addresses keeps no account of its own; the host sees what it forwards to it.
            let counts = try sockets.filter.tables(family: .v4).contains(SandboxRules.tableName)
            return try (counts ? sockets : host).conntrack.flows().count { flow in
                // Its own calls end elsewhere; answers to them come from there.
                own.contains(flow.reply.source) && !flow.isOver && flow.original.transport != Self.icmp
            }
        }
    }

    private static let icmp: UInt8 = 1

    /// Makes this host forget connections to endpoints that are dead, so that clients are refused instead of waiting.
    /// - Returns: how many were forgotten.
    @discardableResult
    public func deleteFlows(to addresses: Set<IPAddress>) throws -> Int {
        guard !addresses.isEmpty else { return 0 }
        return try kernel("delete flows") {
            var count = try host.conntrack.deleteFlows(to: addresses)
            for sandbox in try sandboxes() {
                let sockets = try open(sandbox: sandbox).sockets
                count += try sockets.conntrack.deleteFlows(to: addresses)
            }
            return count
        }
    }

    /// Deletes the flows to endpoints that were in the previous plan and are not in this one.
    func forgetDeparted(since before: HostNetworkPlan?, _ plan: HostNetworkPlan) throws {
        guard let before else { return }
        try deleteFlows(to: Self.endpoints(of: before).subtracting(Self.endpoints(of: plan)))
    }

    private static func endpoints(of plan: HostNetworkPlan) -> Set<IPAddress> {
        let networks = plan.networks.flatMap { $0.endpoints.map(\.address) }
        return Set(networks).union(plan.ingress?.endpoints ?? [])
    }
}
