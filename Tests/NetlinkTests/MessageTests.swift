import Glibc
import Testing
import Values

@testable import Netlink

/// Golden bytes of messages, as the kernel's headers lay them out, and answers that end too early.
@Suite struct MessageTests {
    @Test("netlink(7): header and attributes")
    func header() {
        let message = NetlinkSocket.Message(type: 16, flags: 0x605, body: [1, 2, 3, 4, 5])
        #expect(
            Hex.encode(NetlinkSocket.encode(message, sequence: 7))
                == "15000000" + "1000" + "0506" + "07000000" + "00000000" + "0102030405" + "000000")
        let attributes = MessageWriter.build { writer in
            writer.attribute(3, text: "lo")
            writer.attribute(1, be16: 0x1234)
            writer.nested(2) { $0.attribute(1, u8: 9) }
        }
        #expect(Hex.encode(attributes) == "070003006c6f0000" + "0600010012340000" + "0c000280" + "0500010009000000")
    }

    @Test("rtnetlink(7): a VXLAN device in another namespace")
    func vxlan() {
        let link = LinkRequest(
            name: "vx0", kind: .vxlan(vni: 4097, local: IPAddress("192.0.2.1")!, port: 4789, answersARP: true),
            mtu: 1450, namespace: 5)
        #expect(
            Hex.encode(link.body)
                // struct ifinfomsg: flags and change are IFF_UP.
                == "00000000" + "00000000" + "01000000" + "01000000"
                // IFLA_IFNAME, IFLA_MTU, IFLA_NET_NS_FD
                + "0800030076783000" + "08000400aa050000" + "08001c0005000000"
                // IFLA_LINKINFO: IFLA_INFO_KIND, IFLA_INFO_DATA
                + "44001280" + "0a000100" + "76786c616e000000" + "34000280"
                // IFLA_VXLAN_ID, LOCAL, LEARNING, AGEING, PROXY, PORT
                + "0800010001100000" + "08000400c0000201" + "0500070000000000" + "0800080000000000"
                + "05000b0001000000" + "06000f0012b50000")
    }

    @Test("rtnetlink(7): a forwarding entry of a VXLAN")
    func forwarding() throws {
        let entry = NeighbourEntry(
            link: 3, .forwarding(MACAddress("02:42:0a:00:01:02")!, to: IPAddress("192.0.2.2")!))
        #expect(
            Hex.encode(entry.body)
                // struct ndmsg: PF_BRIDGE, the link, NUD_PERMANENT, NTF_SELF
                == "07000000" + "03000000" + "8000" + "0200" + "0a00020002420a0001020000" + "08000100c0000202")
        #expect(try NeighbourEntry(entry.body) == entry)
    }

    @Test("what is written is read again")
    func roundTrips() throws {
        let neighbour = NeighbourEntry(
            link: 4, .address(IPAddress("10.0.1.2")!, MACAddress("02:42:0a:00:01:02")!))
        #expect(try NeighbourEntry(neighbour.body) == neighbour)
        let route = RouteEntry(
            to: CIDR("10.192.4.0/22")!, via: IPAddress("10.192.4.1")!, link: 4, table: 77, isOnLink: true)
        #expect(try RouteEntry(route.body) == route)
        let rule = MarkRule(priority: 770, mark: 0x4d00_0000, mask: 0xff00_0000, table: 77)
        #expect(try MarkRule(rule.body) == rule)
        let address = AddressEntry(link: 4, CIDR("10.0.1.1/24")!)
        #expect(try AddressEntry(address.body) == address)
        let element = FilterSet.Element(.verdict(.goto("n3")), comment: "web")
        let bytes = MessageWriter.build { writer in
            writer.nested(1) { $0.attribute(1, [10, 0, 1, 2]) }
            writer.nested(2) { data in data.nested(2) { FilterVerdict.goto("n3").encode(&$0) } }
            writer.attribute(6, FilterTable.comment("web"))
        }
        let (key, decoded) = try FilterSet.Element.decode(bytes[...])
        #expect(key == [10, 0, 1, 2] && decoded == element)
    }

    @Test("nf_tables: a rule's steps")
    func expressions() {
        #expect(FilterExpression.load(.mark as FilterExpression.Meta).name == "meta")
        #expect(
            Hex.encode(FilterExpression.load(.mark as FilterExpression.Meta).data)
                == "0800010000000008" + "0800020000000003")
        #expect(
            Hex.encode(FilterExpression.look(up: "m", key: 1, into: 0).data)
                == "060001006d000000" + "0800020000000009" + "0800030000000008")
        #expect(
            Hex.encode(FilterExpression.verdict(.drop).data)
                == "0800010000000000" + "10000280" + "0c000280" + "0800010000000000")
    }

    /// No cut of an answer traps, and none that breaks an attribute is taken.
    @Test func truncatedAnswersAreRefused() throws {
        let bodies: [([UInt8], ([UInt8]) throws -> Void)] = [
            (AddressEntry(link: 4, CIDR("10.0.1.1/24")!).body, { _ = try AddressEntry($0) }),
            (MarkRule(priority: 1, mark: 2, mask: 3, table: 4).body, { _ = try MarkRule($0) }),
            (
                LinkRequest(
                    name: "vx0",
                    kind: .vxlan(vni: 1, local: IPAddress("192.0.2.1")!, port: 4789, answersARP: false)
                ).body, { _ = try Link($0) }
            ),
            (
                NeighbourEntry(link: 4, .address(IPAddress("10.0.1.2")!, MACAddress("02:42:0a:00:01:02")!)).body,
                { _ = try NeighbourEntry($0) }
            ),
            (RouteEntry(to: CIDR("10.0.0.0/8")!, via: nil, link: 1).body, { _ = try RouteEntry($0) }),
        ]
        for (body, parse) in bodies {
            try parse(body)
            for length in 0..<body.count { try? parse(Array(body[..<length])) }
            #expect(throws: NetlinkError.self) { try parse(Array(body.dropLast(4))) }
            var oversized = body
            oversized[oversized.count - 8] = 0xff
            try? parse(oversized)
        }
        let message = NetlinkSocket.encode(.init(type: 20, flags: 0, body: [0, 0, 0, 0]), sequence: 1)
        #expect(try NetlinkSocket.split(message[...]).count == 1)
        for length in 1..<message.count {
            #expect(throws: NetlinkError.self) { try NetlinkSocket.split(message[..<length]) }
        }
        for length: UInt8 in [0, 1, 3, 200] {
            #expect(throws: NetlinkError.self) { try Attributes([length, 0, 1, 0, 9, 9, 9, 9][...]) }
        }
    }

    @Test("NLMSG_ERROR with the kernel's explanation")
    func errors() throws {
        let body = MessageWriter.build { writer in
            writer.i32(-EINVAL)
            writer.raw([UInt8](repeating: 0, count: 16))
            writer.attribute(1, text: "no such thing")
        }
        let error = try #require(NetlinkSocket.error(in: .init(type: 2, flags: 0x200, body: body), "try"))
        #expect(error == NetlinkError("try", errno: EINVAL, detail: "no such thing"))
        #expect(NetlinkSocket.error(in: .init(type: 2, flags: 0, body: [0, 0, 0, 0]), "try") == nil)
        #expect(NetlinkSocket.error(in: .init(type: 3, flags: 0, body: []), "try") == nil)
    }
}
