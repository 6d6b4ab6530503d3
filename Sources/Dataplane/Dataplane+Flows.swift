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

    /// Makes this host forget flows to these endpoints that `isMeant` is true of.
    /// - Returns: how many were forgotten.
    @discardableResult
    func deleteFlows(
        to addresses: Set<IPAddress>, where isMeant: (ConntrackFlow) -> Bool = { _ in true }
    ) throws -> Int {
        guard !addresses.isEmpty else { return 0 }
        return try kernel("delete flows") {
            var count = try host.conntrack.deleteFlows(to: addresses, where: isMeant)
            for sandbox in try sandboxes() {
                let sockets = try open(sandbox: sandbox).sockets
                count += try sockets.conntrack.deleteFlows(to: addresses, where: isMeant)
            }
            return count
        }
    }

    /// Deletes the flows to endpoints that were in the previous plan and are not in this one: they are dead, and
    /// clients shall be refused instead of waiting.
    func forgetDeparted(since before: HostNetworkPlan?, _ plan: HostNetworkPlan) throws {
        guard let before else { return }
        try deleteFlows(to: Self.endpoints(of: before).subtracting(Self.endpoints(of: plan)))
    }

    /// Lets go of what an endpoint that serves no more has not answered. Where the first packet of a connection was
    /// lost, connection tracking would lead its repetitions to that endpoint, until it is gone and they lead nowhere;
    /// so they are balanced anew. Datagrams likewise, answered or not: they have no end that one could wait for.
    func forgetUnanswered(since before: HostNetworkPlan?, _ plan: HostNetworkPlan) {
        guard let before else { return }
        let withdrawn = Self.backends(of: before).subtracting(Self.backends(of: plan))
        guard !withdrawn.isEmpty else { return }
        Task {
            try await Task.sleep(for: Self.answerTime)
            try deleteFlows(to: withdrawn) { $0.original.transport == Self.udp || !$0.isAnswered }
        }
    }

    /// An answer takes less, and the first repetition of an unanswered TCP packet comes later (RFC 6298: after 1 s).
    private static let answerTime = Duration.milliseconds(300)
    private static let udp: UInt8 = 17

    private static func backends(of plan: HostNetworkPlan) -> Set<IPAddress> {
        Set(plan.services.flatMap(\.backends)).union((plan.ingress?.ports ?? []).flatMap(\.backends))
    }

    private static func endpoints(of plan: HostNetworkPlan) -> Set<IPAddress> {
        let networks = plan.networks.flatMap { $0.endpoints.map(\.address) }
        return Set(networks).union(plan.ingress?.endpoints ?? [])
    }
}
