import JSON
import NetworkModel
import Testing
import Values

@Suite struct DNSPictureTests {
    static let picture = DNSPicture(
        revision: PlanRevision(index: 1),
        sandboxes: [
            SandboxNames(
                id: "a", namespacePath: "/run/a", networks: ["n1", "n2"], upstreamServers: [IPAddress("192.0.2.53")!],
                ownNames: ["db": [IPAddress("10.0.9.9")!]]),
            SandboxNames(id: "b", namespacePath: "/run/b", networks: ["n2"]),
        ],
        zones: [
            "n1": DNSZone(
                network: "front",
                names: [
                    "web": [IPAddress("10.0.1.2")!],
                    "tasks.web": (3...5).map { IPAddress("10.0.1.\($0)")! },
                    "six": [IPAddress("fd00::1")!],
                ], pointers: ["10.0.1.3": "web.1.front", "fd00::1": "six.front"]),
            "n2": DNSZone(network: "back", names: ["web": [IPAddress("10.0.2.2")!]]),
        ])

    func ask(_ name: String, _ kind: DNSQuestion.Kind = .v4, sandbox: Int = 0, rotation: Int = 0) -> DNSAnswer {
        Self.picture.resolve(
            DNSQuestion(name: name, kind: kind), in: Self.picture.sandboxes[sandbox], rotation: rotation)
    }

    @Test func namesOfNetworksInOrder() {
        #expect(ask("web") == .addresses([IPAddress("10.0.1.2")!]))
        #expect(ask("WEB.") == .addresses([IPAddress("10.0.1.2")!]))
        #expect(ask("web", sandbox: 1) == .addresses([IPAddress("10.0.2.2")!]))
        #expect(ask("web.back") == .addresses([IPAddress("10.0.2.2")!]))
        #expect(ask("web.front", sandbox: 1) == .notFound, "not its network")
        #expect(ask("db") == .addresses([IPAddress("10.0.9.9")!]))
    }

    @Test func severalAddressesTakeTurns() {
        let addresses = (3...5).map { IPAddress("10.0.1.\($0)")! }
        #expect(ask("tasks.web") == .addresses(addresses))
        #expect(ask("tasks.web", rotation: 4) == .addresses([addresses[1], addresses[2], addresses[0]]))
        var turned: [IPAddress] = []
        if case .addresses(let answer) = ask("tasks.web", rotation: -1) { turned = answer }
        #expect(turned.count == 3 && Set(turned) == Set(addresses))
    }

    @Test("RFC 2308 section 2.2: a name that has no record of the type exists all the same")
    func otherTypes() {
        #expect(ask("web", .v6) == .addresses([]))
        #expect(ask("web", .other) == .addresses([]))
        #expect(ask("six", .v6) == .addresses([IPAddress("fd00::1")!]))
    }

    @Test func whatIsNotOursIsAskedElsewhere() {
        #expect(ask("example.org") == .forward([IPAddress("192.0.2.53")!]))
        #expect(ask("example.org", sandbox: 1) == .notFound)
    }

    @Test("RFC 1035 section 3.5, RFC 3596 section 2.5")
    func pointers() {
        #expect(ask("3.1.0.10.in-addr.arpa.", .pointer) == .pointer("web.1.front"))
        let nibbles = "1." + String(repeating: "0.", count: 27) + "0.0.d.f.ip6.arpa"
        #expect(ask(nibbles, .pointer) == .pointer("six.front"))
        #expect(ask("9.9.9.9.in-addr.arpa", .pointer) == .forward([IPAddress("192.0.2.53")!]))
        for bad in ["in-addr.arpa", "1.2.3.in-addr.arpa", "x.1.0.10.in-addr.arpa", "1.ip6.arpa", ""] {
            #expect(ask(bad, .pointer, sandbox: 1) == .notFound, "\(bad)")
        }
    }

    @Test func picturesAndPlansTravelAsJSON() throws {
        let picture = try JSONCoding.verbatim.decode(
            DNSPicture.self, from: JSONCoding.verbatim.encode(Self.picture))
        #expect(picture == Self.picture)
        let host = IngressHost(nodeID: "n", underlay: IPAddress("192.0.2.1")!, block: CIDR("10.192.0.0/22")!)
        let plan = HostNetworkPlan(
            revision: PlanRevision(history: "h", index: 7), nodeID: "n", underlay: host.underlay,
            networks: [
                OverlayNetwork(
                    id: "n1", name: "front", vni: 4097, subnet: CIDR("10.0.1.0/24")!,
                    endpoints: [OverlayEndpoint(address: IPAddress("10.0.1.3")!, host: host.underlay, owner: "t")])
            ],
            services: [
                VirtualService(
                    id: "s", name: "web", networkID: "n1", address: IPAddress("10.0.1.2")!,
                    backends: [IPAddress("10.0.1.3")!])
            ],
            ingress: IngressPlan(
                hosts: [host], ports: [IngressPort(port: 80, targetPort: 8080, backends: [host.block.host(2)])]))
        #expect(
            try JSONCoding.verbatim.decode(HostNetworkPlan.self, from: JSONCoding.verbatim.encode(plan)) == plan)
        #expect(plan.ownBlock == host)
        let receipt = DataplaneReceipt(
            revision: plan.revision, outcome: .failed(reason: "x"), changeCount: 1,
            repairs: [Difference(.missing, "host", "route")])
        #expect(
            try JSONCoding.verbatim.decode(DataplaneReceipt.self, from: JSONCoding.verbatim.encode(receipt)) == receipt)
    }
}
