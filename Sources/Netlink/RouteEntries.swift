import Values

/// An entry that maps an address behind an interface to where it is (rtnetlink(7), RTM_NEWNEIGH).
public struct NeighbourEntry: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// An IP address has a link-layer address.
        case address(IPAddress, MACAddress)
        /// A VXLAN sends a link-layer address's frames to a host.
        case forwarding(MACAddress, to: IPAddress)
    }

    public var link: Int32
    public var kind: Kind

    public init(link: Int32, _ kind: Kind) {
        self.link = link
        self.kind = kind
    }

    private static let permanent: UInt16 = 0x80
    private static let ownFlag: UInt8 = 2
    private static let bridgeFamily: UInt8 = 7

    /// struct ndmsg and attributes.
    var body: [UInt8] {
        MessageWriter.build { writer in
            switch kind {
            case .address(let address, let mac):
                Self.header(&writer, family: address.isV4 ? 2 : 10, link: link, flags: 0)
                writer.attribute(1, address.bytes)
                writer.attribute(2, mac.bytes)
            case .forwarding(let mac, let host):
                Self.header(&writer, family: Self.bridgeFamily, link: link, flags: Self.ownFlag)
                writer.attribute(2, mac.bytes)
                writer.attribute(1, host.bytes)
            }
        }
    }

    static func header(_ writer: inout MessageWriter, family: UInt8, link: Int32, flags: UInt8) {
        writer.u8(family)
        writer.u8(0)
        writer.u16(0)
        writer.i32(link)
        writer.u16(permanent)
        writer.u8(flags)
        writer.u8(0)
    }

    /// From the body of an RTM_NEWNEIGH message; nil for entries that are learned or of another kind.
    init?(_ body: [UInt8]) throws(NetlinkError) {
        guard body.count >= 12 else { throw .malformed("neighbour") }
        let attributes = try Attributes(body.dropFirst(12))
        link = body[...].number(at: 4, as: Int32.self)!
        guard body[...].number(at: 8, as: UInt16.self)! & Self.permanent != 0,
            let mac = attributes[2].flatMap({ MACAddress(bytes: $0) }),
            let address = attributes[1].flatMap({ IPAddress(bytes: $0) })
        else { return nil }
        if body[0] == Self.bridgeFamily {
            guard body[10] & Self.ownFlag != 0 else { return nil }
            kind = .forwarding(mac, to: address)
        } else {
            kind = .address(address, mac)
        }
    }
}

/// An address of an interface (RTM_NEWADDR).
public struct AddressEntry: Hashable, Sendable {
    public var link: Int32
    public var address: CIDR

    public init(link: Int32, _ address: CIDR) {
        self.link = link
        self.address = address
    }

    /// struct ifaddrmsg and attributes.
    var body: [UInt8] {
        MessageWriter.build { writer in
            writer.u8(address.address.isV4 ? 2 : 10)
            writer.u8(UInt8(address.prefixLength))
            // IPv6 without duplicate address detection (IFA_F_NODAD): who assigns them keeps them apart.
            writer.u8(address.address.isV4 ? 0 : 2)
            writer.u8(0)
            writer.i32(link)
            writer.attribute(2, address.address.bytes)
            writer.attribute(1, address.address.bytes)
            if address.address.isV4, address.prefixLength < 31 { writer.attribute(4, address.last.bytes) }
        }
    }

    /// From the body of an RTM_NEWADDR message.
    init?(_ body: [UInt8]) throws(NetlinkError) {
        guard body.count >= 8 else { throw .malformed("address") }
        let attributes = try Attributes(body.dropFirst(8))
        link = body[...].number(at: 4, as: Int32.self)!
        guard let found = (attributes[2] ?? attributes[1]).flatMap({ IPAddress(bytes: $0) }),
            Int(body[1]) <= found.bitWidth
        else { return nil }
        address = CIDR(found, prefixLength: Int(body[1]))
    }
}

/// A unicast route (RTM_NEWROUTE).
public struct RouteEntry: Hashable, Sendable {
    /// nil for the default route.
    public var destination: CIDR?
    public var gateway: IPAddress?
    public var link: Int32
    public var table: UInt32
    /// The gateway is reached through the link whatever its address (RTNH_F_ONLINK).
    public var isOnLink: Bool

    /// The main table.
    public static let mainTable: UInt32 = 254
    /// Marks the routes and rules that are ours (rtm_protocol).
    public static let ownProtocol: UInt8 = 77

    public init(
        to destination: CIDR?, via gateway: IPAddress?, link: Int32, table: UInt32 = mainTable, isOnLink: Bool = false
    ) {
        self.destination = destination?.network
        self.gateway = gateway
        self.link = link
        self.table = table
        self.isOnLink = isOnLink
    }

    /// struct rtmsg and attributes.
    var body: [UInt8] {
        MessageWriter.build { writer in
            let isV4 = (gateway ?? destination?.address)?.isV4 ?? true
            writer.u8(isV4 ? 2 : 10)
            writer.u8(UInt8(destination?.prefixLength ?? 0))
            writer.u8(0)
            writer.u8(0)
            writer.u8(table < 256 ? UInt8(table) : 0)
            writer.u8(Self.ownProtocol)
            writer.u8(gateway == nil ? 253 : 0)
            writer.u8(1)
            writer.u32(isOnLink ? 4 : 0)
            if let destination { writer.attribute(1, destination.address.bytes) }
            if let gateway { writer.attribute(5, gateway.bytes) }
            writer.attribute(4, u32: UInt32(link))
            writer.attribute(15, u32: table)
        }
    }

    /// From the body of an RTM_NEWROUTE message; nil for routes that are not ours.
    init?(_ body: [UInt8]) throws(NetlinkError) {
        guard body.count >= 12 else { throw .malformed("route") }
        let attributes = try Attributes(body.dropFirst(12))
        guard body[5] == Self.ownProtocol, body[7] == 1, let link = attributes.u32(4) else { return nil }
        let address = attributes[1].flatMap { IPAddress(bytes: $0) }
        if let address {
            guard Int(body[1]) <= address.bitWidth else { return nil }
            destination = CIDR(address, prefixLength: Int(body[1]))
        }
        gateway = attributes[5].flatMap { IPAddress(bytes: $0) }
        self.link = Int32(truncatingIfNeeded: link)
        table = attributes.u32(15) ?? UInt32(body[4])
        isOnLink = body[...].number(at: 8, as: UInt32.self)! & 4 != 0
    }
}

/// A rule that sends packets with a mark to a routing table of their own (RTM_NEWRULE).
public struct MarkRule: Hashable, Sendable {
    public var priority: UInt32
    public var mark: UInt32
    public var mask: UInt32
    public var table: UInt32

    public init(priority: UInt32, mark: UInt32, mask: UInt32, table: UInt32) {
        self.priority = priority
        self.mark = mark
        self.mask = mask
        self.table = table
    }

    /// struct fib_rule_hdr and attributes.
    var body: [UInt8] {
        MessageWriter.build { writer in
            writer.raw([2, 0, 0, 0, table < 256 ? UInt8(table) : 0, 0, 0, 1])
            writer.u32(0)
            writer.attribute(6, u32: priority)
            writer.attribute(10, u32: mark)
            writer.attribute(16, u32: mask)
            writer.attribute(15, u32: table)
            writer.attribute(21, u8: RouteEntry.ownProtocol)
        }
    }

    /// From the body of an RTM_NEWRULE message; nil for rules that are not ours.
    init?(_ body: [UInt8]) throws(NetlinkError) {
        guard body.count >= 12 else { throw .malformed("rule") }
        let attributes = try Attributes(body.dropFirst(12))
        guard attributes.u8(21) == RouteEntry.ownProtocol, let priority = attributes.u32(6) else { return nil }
        self.priority = priority
        mark = attributes.u32(10) ?? 0
        mask = attributes.u32(16) ?? .max
        table = attributes.u32(15) ?? UInt32(body[4])
    }
}
