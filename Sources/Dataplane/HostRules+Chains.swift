import Netlink
import NetworkModel

/// The constant part of a host's table.
extension HostRules {
    /// NF_CT_STATE bits: established and related; new.
    private static let known: UInt32 = 2 | 4
    private static let new: UInt32 = 8
    /// IPS_DST_NAT.
    private static let redirected: UInt32 = 0x20
    private static let local: [UInt8] = [2, 0, 0, 0]

    static var chains: [String: FilterChain] {
        [
            Steps.refusalName: Steps.refusal,
            "ports": ports,
            "raw-in": rawInput,
            "raw-out": FilterChain(
                hook: .init(type: "filter", number: FilterChain.Hook.output, priority: -300), rules: [untrackTunnel]),
            "mark-in": marks,
            "nat-in": FilterChain(
                hook: .init(type: "nat", number: FilterChain.Hook.prerouting, priority: -100), rules: [toPorts]),
            "nat-out": FilterChain(
                hook: .init(type: "nat", number: FilterChain.Hook.output, priority: -100), rules: [toPorts]),
            "nat-post": sources,
            "forward": forward,
        ]
    }

    private static let untrackTunnel = FilterRule(
        "udp dport 4789 notrack",
        [
            .load(.transport), .compare([17]), .load(.transport, offset: 2, length: 2),
            .compare([UInt8(OverlayDefaults.port >> 8), UInt8(OverlayDefaults.port & 0xff)]), .untracked,
        ])

    /// Before connection tracking.
    private static let rawInput = FilterChain(
        hook: .init(type: "filter", number: FilterChain.Hook.prerouting, priority: -300),
        rules: [
            untrackTunnel,
            // route_localnet, which published ports on the loopback need, would let neighbours send there as well.
            FilterRule(
                "iifname != lo ip daddr 127.0.0.0/8 drop",
                Steps.input("lo", isEqual: false) + [
                    .load(.network, offset: 16, length: 1), .compare([127]), .verdict(.drop),
                ]),
            // One client port through two entry hosts is two flows.
            FilterRule(
                "iifname martlet-in ct original zone set ether saddr map @zones",
                Steps.input(LinkNames.ingress) + [
                    .load(.link, offset: 6, length: 6), .look(up: "zones", into: 0), .set(.zone, isOriginalOnly: true),
                ]),
        ])

    /// Flows remember the host through which they came, and answers go back there.
    private static let marks = FilterChain(
        hook: .init(type: "filter", number: FilterChain.Hook.prerouting, priority: -150),
        rules: [
            FilterRule(
                "iifname martlet-in ct state new ct mark set ether saddr map @marks",
                Steps.input(LinkNames.ingress) + Steps.has(.state, new) + [
                    .load(.link, offset: 6, length: 6), .look(up: "marks", into: 0), .set(.mark),
                ]),
            FilterRule(
                "iifname martlet-gw ct mark & 0xff000000 == 0x4d000000 meta mark set ct mark",
                Steps.input(LinkNames.gateway) + [
                    .load(FilterExpression.Connection.mark), .mask(IngressRules.markMask),
                    .compare(FilterKeys.number(Int(IngressRules.markBase))),
                    .load(FilterExpression.Connection.mark), .setMark(),
                ]),
        ])

    private static let toPorts = FilterRule(
        "fib daddr type local jump ports",
        [.addressKind(ofSource: false), .compare(local), .verdict(.jump("ports"))])

    private static let ports = FilterChain(rules: [
        FilterRule(
            "dnat to ip daddr . meta l4proto . th dport map @published-at",
            [Steps.address(Steps.destinationAddress)] + Steps.transportAndPort(1) + [
                .look(up: "published-at", into: 0), .translate(destination: true, address: 0, port: 1),
            ]),
        FilterRule(
            "dnat to meta l4proto . th dport map @published",
            Steps.transportAndPort() + [
                .look(up: "published", into: 0), .translate(destination: true, address: 0, port: 1),
            ]),
        FilterRule(
            "meta l4proto . th dport vmap @ingress", Steps.transportAndPort() + [.follow("ingress")]),
    ])

    private static func toGateway(_ text: String, _ condition: [FilterExpression]) -> FilterRule {
        FilterRule(
            "oifname martlet-in \(text) snat to oifname map @gateways",
            Steps.output(LinkNames.ingress) + condition + [
                .load(.outputName), .look(up: "gateways", into: 0), .translate(destination: false, address: 0),
            ])
    }

    /// Whose address a packet carries when it leaves.
    private static let sources = FilterChain(
        hook: .init(type: "nat", number: FilterChain.Hook.postrouting, priority: 100),
        rules: [
            // Between hosts the client's own address stays, except where the answer would not find its way: addresses
            // that mean another thing on the task's host, and a client that is the task's host itself.
            toGateway(
                "fib saddr type local ip saddr != @underlay",
                [
                    .addressKind(ofSource: true), .compare(local), Steps.address(Steps.sourceAddress),
                    .look(up: "underlay", isInverted: true),
                ]),
            toGateway(
                "iifname @bridges iifname != martlet-gw",
                Steps.input(in: "bridges") + Steps.input(LinkNames.gateway, isEqual: false)),
            toGateway(
                "ip saddr . ip daddr @loops",
                [
                    Steps.address(Steps.sourceAddress), Steps.address(Steps.destinationAddress, 1),
                    .look(up: "loops"),
                ]),
            FilterRule("oifname martlet-in accept", Steps.output(LinkNames.ingress) + [.verdict(.accept)]),
            FilterRule(
                "ip saddr 127.0.0.0/8 oifname @bridges masquerade",
                [.load(.network, offset: 12, length: 1), .compare([127])] + Steps.output(in: "bridges")
                    + [.masquerade]),
            FilterRule(
                "iifname @masquerading oifname != @bridges masquerade",
                Steps.input(in: "masquerading") + Steps.output(in: "bridges", isInverted: true) + [.masquerade]),
            // A container that reaches a neighbour through the host's port must see the answer come from the host.
            FilterRule(
                "iifname @bridges oifname @bridges ct status dnat masquerade",
                Steps.input(in: "bridges") + Steps.output(in: "bridges") + Steps.has(.status, redirected)
                    + [.masquerade]),
        ])

    private static let forward = FilterChain(
        hook: .init(type: "filter", number: FilterChain.Hook.forward, priority: 0),
        rules: [
            FilterRule(
                "oifname martlet-in tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu",
                Steps.output(LinkNames.ingress) + Steps.tcp + [
                    .load(.transport, offset: 13, length: 1), .mask(6), .compare([2]),
                ] + FilterExpression.routeSegmentSize() + [.setSegmentSize()]),
            FilterRule("ct state established,related accept", Steps.has(.state, known) + [.verdict(.accept)]),
            FilterRule("ct status dnat accept", Steps.has(.status, redirected) + [.verdict(.accept)]),
            FilterRule(
                "iifname . oifname @pairs accept",
                [.load(.inputName, 0), .load(.outputName, 4), .look(up: "pairs"), .verdict(.accept)]),
            FilterRule(
                "iifname @bridges oifname @bridges drop",
                Steps.input(in: "bridges") + Steps.output(in: "bridges") + [.verdict(.drop)]),
            FilterRule("iifname @internal drop", Steps.input(in: "internal") + [.verdict(.drop)]),
            FilterRule(
                "iifname martlet-in oifname martlet-gw meta l4proto . th dport @targets accept",
                Steps.input(LinkNames.ingress) + Steps.output(LinkNames.gateway) + Steps.transportAndPort()
                    + [.look(up: "targets"), .verdict(.accept)]),
            FilterRule("iifname martlet-in drop", Steps.input(LinkNames.ingress) + [.verdict(.drop)]),
            FilterRule("oifname martlet-in drop", Steps.output(LinkNames.ingress) + [.verdict(.drop)]),
            FilterRule("oifname @bridges drop", Steps.output(in: "bridges") + [.verdict(.drop)]),
        ])
}
