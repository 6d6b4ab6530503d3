import Glibc
import LinuxSystem
import Netlink
import TestSupport
import Testing
import Values

/// Conversations with the real kernel, in namespaces of the test's own.
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root")) struct KernelTests {
    /// A namespace that ends with the test.
    final class Place {
        let directory: TemporaryDirectory
        let path: String
        let sockets: NamespaceSockets
        let descriptor: Int32

        init(_ name: String = "ns") throws {
            directory = try TemporaryDirectory("netlink")
            path = directory.path(name)
            try NetworkNamespace.create(at: path)
            descriptor = try Descriptor.open(path, O_RDONLY).release()
            sockets = try NamespaceSockets.open(in: descriptor)
        }

        deinit {
            close(descriptor)
            try? NetworkNamespace.remove(path)
        }
    }

    @Test func linksAddressesRoutesAndNeighbours() throws {
        let (here, there) = (try Place(), try Place())
        let route = here.sockets.route
        try route.create(LinkRequest(name: "br0", kind: .bridge, mac: MACAddress("02:42:0a:00:01:01")!, mtu: 1400))
        let bridge = try #require(try route.link(named: "br0"))
        #expect(bridge.kind == "bridge" && bridge.isUp && bridge.mtu == 1400)
        #expect(bridge.mac == MACAddress("02:42:0a:00:01:01"))
        #expect(throws: NetlinkError.self) { try route.create(LinkRequest(name: "br0", kind: .bridge)) }
        #expect(try route.link(named: "none") == nil)

        let peer = LinkRequest.Peer(
            name: "eth0", mac: MACAddress("02:42:0a:00:01:02")!, namespace: there.descriptor)
        try route.create(LinkRequest(name: "v0", kind: .veth(peer: peer), master: bridge.index))
        #expect(try route.link(named: "v0")?.master == bridge.index)
        let inner = try #require(try there.sockets.route.link(named: "eth0"))
        #expect(inner.mac == peer.mac && !inner.isUp)

        let tunnel = LinkRequest(
            name: "vx0", kind: .vxlan(vni: 4097, local: IPAddress("10.0.1.1")!, port: 4789, answersARP: true),
            mtu: 1350, namespace: there.descriptor)
        try route.create(tunnel)
        let made = try #require(try there.sockets.route.link(named: "vx0"))
        #expect(made.vni == 4097 && made.local == IPAddress("10.0.1.1") && made.port == 4789 && made.mtu == 1350)

        let address = AddressEntry(link: bridge.index, CIDR("10.0.1.1/24")!)
        try route.add([address])
        try route.add([address])
        #expect(try route.addresses().contains(address))
        let routes = [
            RouteEntry(to: CIDR("10.9.0.0/16")!, via: IPAddress("10.0.1.9")!, link: bridge.index),
            RouteEntry(to: nil, via: IPAddress("10.0.1.9")!, link: bridge.index, table: 77, isOnLink: true),
        ]
        try route.add(routes)
        #expect(Set(try route.routes()) == Set(routes))
        try route.delete(routes)
        #expect(try route.routes().isEmpty)
        let rule = MarkRule(priority: 770, mark: 0x4d00_0000, mask: 0xff00_0000, table: 77)
        try route.add([rule])
        try route.add([rule])
        #expect(try route.rules() == [rule])
        try route.delete([rule])
        try route.delete([rule])
        #expect(try route.rules().isEmpty)

        let mac = MACAddress("02:42:0a:00:01:05")!
        let entries = [
            NeighbourEntry(link: made.index, .forwarding(mac, to: IPAddress("192.0.2.7")!)),
            NeighbourEntry(link: made.index, .address(IPAddress("10.0.1.5")!, mac)),
        ]
        try there.sockets.route.add(entries)
        #expect(Set(try there.sockets.route.neighbours()).isSuperset(of: entries))
        let moved = NeighbourEntry(link: made.index, .forwarding(mac, to: IPAddress("192.0.2.8")!))
        try there.sockets.route.add([moved])
        let now = try there.sockets.route.neighbours()
        #expect(now.contains(moved) && !now.contains(entries[0]), "an endpoint that moved has one entry")
        try there.sockets.route.delete([moved, entries[1]])
        try there.sockets.route.delete([moved])
        #expect(try there.sockets.route.neighbours().filter { $0.link == made.index }.isEmpty)
        try route.delete(link: bridge.index)
        try route.delete(link: bridge.index)
    }

    static func table(count: Int) -> FilterTable {
        var addresses = FilterSet(keyType: 7, keyLength: 4, content: .verdicts)
        var backends = FilterSet(keyType: 7 << 6 | 19, keyLength: 8, content: .values(type: 7, length: 4))
        addresses.elements[[10, 0, 1, 2]] = .init(.verdict(.goto("n\(count)")), comment: "web")
        for index in 0..<count {
            backends.elements[[10, 0, 1, 2, UInt8(index), 0, 0, 0]] = .init(.bytes([10, 0, 1, UInt8(10 + index)]))
        }
        return FilterTable(
            family: .v4, name: "martlet", sets: ["addresses": addresses, "backends": backends],
            chains: [
                "out": FilterChain(
                    hook: .init(type: "nat", number: FilterChain.Hook.output, priority: -100),
                    rules: [
                        FilterRule(
                            "ip daddr vmap @addresses",
                            [.load(.network, offset: 16, length: 4), .follow("addresses")])
                    ]),
                "n\(count)": FilterChain(rules: [
                    FilterRule(
                        "dnat to ip daddr . numgen random mod \(count) map @backends",
                        [
                            .load(.network, offset: 16, length: 4), .random(below: count, 1),
                            .look(up: "backends", into: 0), .translate(destination: true, address: 0),
                        ])
                ]),
            ])
    }

    /// What was written is what is read, and nft understands it.
    @Test func tablesAreReadBackAsWritten() async throws {
        let place = try Place()
        let filter = place.sockets.filter
        #expect(try filter.table("martlet", family: .v4) == nil)
        #expect(try filter.apply(Self.table(count: 3)).first == .addTable)
        #expect(try filter.changes(to: Self.table(count: 3)).isEmpty)
        let steps = try filter.apply(Self.table(count: 2))
        #expect(!steps.contains(.addTable) && steps.contains(.removeChain("n3")) && steps.contains(.addChain("n2")))
        #expect(try filter.apply(Self.table(count: 2)).isEmpty)
        let held = try #require(try filter.table("martlet", family: .v4))
        #expect(held.sets == Self.table(count: 2).sets)
        let listing = try await Command.run(["nsenter", "--net=\(place.path)", "nft", "list", "ruleset"])
        #expect(listing.succeeded, "\(listing.errorOutput)")
        for text in ["10.0.1.2 comment \"web\" : goto n2", "dnat to ip daddr . numgen random mod 2 map @backends"] {
            #expect(listing.output.contains(text), "\(listing.output)")
        }
        try filter.remove("martlet", family: .v4)
        try filter.remove("martlet", family: .v4)
        #expect(try filter.table("martlet", family: .v4) == nil)
    }

    @Test func whatSomebodyElseChangesIsSeen() async throws {
        let place = try Place()
        let filter = place.sockets.filter
        try filter.apply(Self.table(count: 2))
        func nft(_ text: String) async throws {
            let result = try await Command.run(["nsenter", "--net=\(place.path)", "nft", text])
            #expect(result.succeeded, "\(result.errorOutput)")
        }
        try await nft("add rule ip martlet out counter")
        #expect(try filter.changes(to: Self.table(count: 2)) == [.replaceRules("out")])
        try await nft("delete element ip martlet backends { 10.0.1.2 . 0x00000001 }")
        #expect(try filter.apply(Self.table(count: 2)).count == 2)
        #expect(try filter.changes(to: Self.table(count: 2)).isEmpty)
        try await nft("delete table ip martlet")
        #expect(try filter.apply(Self.table(count: 2)).first == .addTable)
    }

    /// A transaction that the kernel refuses changes nothing.
    @Test func transactionsAreAllOrNothing() throws {
        let place = try Place()
        let filter = place.sockets.filter
        try filter.apply(Self.table(count: 2))
        var bad = Self.table(count: 3)
        bad.sets["addresses"]!.elements[[10, 0, 1, 3]] = .init(.verdict(.goto("none")))
        #expect(throws: NetlinkError.self) { try filter.apply(bad) }
        #expect(try filter.changes(to: Self.table(count: 2)).isEmpty)
    }

    @Test func manyElements() throws {
        let place = try Place()
        var table = FilterTable(family: .v4, name: "martlet")
        table.sets["many"] = FilterSet(keyType: 19, keyLength: 4)
        for index in 0..<20_000 {
            table.sets["many"]!.elements[withUnsafeBytes(of: UInt32(index)) { Array($0) }] = .init()
        }
        try place.sockets.filter.apply(table)
        #expect(try place.sockets.filter.changes(to: table).isEmpty)
    }
}
