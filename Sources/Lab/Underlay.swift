import LinuxSystem
import Values

/// The network that a lab's hosts share: a bridge in a namespace of its own, with a port for each host.
struct Underlay {
    static let bridge = "br0"
    /// What the burst of a limited link lets through at once, as a share of a second.
    private static let burstSeconds = 0.01

    let state: LabState

    private var machine: MachineState { state.underlay }
    private var settings: LabConfiguration.Underlay { state.configuration.underlay }
    /// IPv6 can be switched off on a machine.
    private var hasIPv6: Bool { Files.exists("/proc/sys/net/ipv6") }

    /// Runs one program in the underlay's namespace, or in a host's network namespace.
    @discardableResult
    private func run(_ machine: MachineState, _ command: [String], input: String = "") throws -> String {
        let result = try LabProgram.run(in: machine, namespaces: "n", command, input: Array(input.utf8))
        guard result.code == 0 else {
            let reason = String(decoding: result.errors, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
            throw LabError("\(machine.name): \(command.joined(separator: " ")): \(reason)")
        }
        return String(decoding: result.output, as: UTF8.self)
    }

    /// Makes the bridge, with the addresses of the underlay, and the rules that partitions are made of.
    ///
    /// What leads out of the lab ends here and is refused at once, each time, as a closed port is: a route of the type
    /// unreachable answers five times and then once a second (`error_burst`, which is one for the whole machine), and
    /// UDP sockets do not hear of it.
    func create() throws {
        let own = settings.own
        var commands = [
            "link set lo up",
            "link add \(Self.bridge) mtu \(settings.mtu) type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            "addr add \(own.v4)/\(settings.ipv4.prefixLength) dev \(Self.bridge)",
            "link set \(Self.bridge) up",
            "route add local default dev lo table main",
        ]
        if hasIPv6 {
            commands.append("addr add \(own.v6)/\(settings.ipv6.prefixLength) dev \(Self.bridge) nodad")
            commands.append("-6 route add local default dev lo table main")
        }
        try batch(machine, commands)
        try run(
            machine, ["nft", "-f", "-"],
            input: """
                table inet lab {
                  chain input {
                    type filter hook input priority 0;
                    iifname "\(Self.bridge)" meta pkttype host jump hosts
                  }
                  chain hosts {
                    ip daddr != \(settings.ipv4) reject
                    ip6 daddr != { \(settings.ipv6), fe80::/10 } reject
                  }
                }
                table bridge lab {
                  set cut { type ifname . ifname; }
                  set cut_underlay { type ifname; }
                  chain forward { type filter hook forward priority 0; iifname . oifname @cut drop; }
                  chain input { type filter hook input priority 0; iifname @cut_underlay drop; }
                  chain output { type filter hook output priority 0; oifname @cut_underlay drop; }
                }
                """)
    }

    /// Commands of ip(8). The option that a line begins with (`-6`) is not known in a batch: those lines run alone.
    private func batch(_ machine: MachineState, _ commands: [String]) throws {
        let plain = commands.filter { !$0.hasPrefix("-6 ") }
        try run(machine, ["ip", "-batch", "-"], input: plain.joined(separator: "\n") + "\n")
        let six = commands.filter { $0.hasPrefix("-6 ") }.map { String($0.dropFirst(3)) }
        if !six.isEmpty { try run(machine, ["ip", "-6", "-batch", "-"], input: six.joined(separator: "\n") + "\n") }
    }

    /// Links a host, whose first process waits: both ends are made where they belong and never move.
    func connect(hostAt index: Int) throws {
        let host = state.hosts[index]
        guard let process = host.initProcess else { throw LabError("\(host.name) is off") }
        let port = state.port(ofHost: index)
        let mtu = settings.mtu
        let own = settings.own
        let addresses = settings.addresses(ofHost: index, of: state.hosts.count)
        try batch(
            machine,
            [
                "link add \(port) mtu \(mtu) type veth peer name eth0 mtu \(mtu) netns \(process.pid)",
                "link set \(port) master \(Self.bridge)", "link set \(port) up",
            ])
        var commands = [
            "link set lo up", "addr add \(addresses.v4)/\(settings.ipv4.prefixLength) brd + dev eth0",
            "link set eth0 up", "route add default via \(own.v4)",
        ]
        if hasIPv6 {
            commands.append("addr add \(addresses.v6)/\(settings.ipv6.prefixLength) dev eth0 nodad")
            commands.append("-6 route add default via \(own.v6)")
        }
        try batch(host, commands)
        if let rate = state.configuration.hosts[index].limits.rateBitsPerSecond {
            let burst = max(16 * mtu, Int(Double(rate) / 8 * Self.burstSeconds))
            let shape = ["root", "tbf", "rate", "\(rate)bit", "burst", "\(burst)", "latency", "50ms"]
            try run(machine, ["tc", "qdisc", "replace", "dev", port] + shape)
            try run(host, ["tc", "qdisc", "replace", "dev", "eth0"] + shape)
        }
    }

    /// Takes a host's link down, so that nothing it sends any more is seen. No link is fine.
    func unplug(hostAt index: Int) {
        _ = try? run(machine, ["ip", "link", "set", state.port(ofHost: index), "down"])
    }

    /// Removes a host's link. No link is fine.
    func disconnect(hostAt index: Int) {
        _ = try? run(machine, ["ip", "link", "del", state.port(ofHost: index)])
    }

    /// Cuts two hosts off from each other, both ways; `nil` stands for the underlay itself.
    func cut(_ first: Int?, _ second: Int?) throws { try change("add", first, second) }

    /// Drops what goes from one host to another.
    func cut(from sender: Int, to receiver: Int) throws {
        let pair = "{ \"\(state.port(ofHost: sender))\" . \"\(state.port(ofHost: receiver))\" }"
        try run(machine, ["nft", "add element bridge lab cut \(pair)"])
    }

    /// Lets two hosts reach each other again.
    func mend(_ first: Int?, _ second: Int?) throws {
        // Added first, so that removing finds them.
        try change("add", first, second)
        try change("delete", first, second)
    }

    /// Ends every partition.
    func mendAll() throws {
        try run(machine, ["nft", "flush set bridge lab cut; flush set bridge lab cut_underlay"])
    }

    private func change(_ verb: String, _ first: Int?, _ second: Int?) throws {
        switch (first.map(state.port(ofHost:)), second.map(state.port(ofHost:))) {
        case (let one?, let other?):
            let elements = "{ \"\(one)\" . \"\(other)\", \"\(other)\" . \"\(one)\" }"
            try run(machine, ["nft", "\(verb) element bridge lab cut \(elements)"])
        case (let one?, nil), (nil, let one?):
            try run(machine, ["nft", "\(verb) element bridge lab cut_underlay { \"\(one)\" }"])
        case (nil, nil): throw LabError("the underlay cannot be cut off from itself")
        }
    }
}
