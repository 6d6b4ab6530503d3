import Values

/// A network interface to be made (rtnetlink(7), RTM_NEWLINK).
public struct LinkRequest: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case bridge
        /// RFC 7348: its packets leave from `local`; learning is off, ARP is answered from the neighbour table.
        case vxlan(vni: UInt32, local: IPAddress, port: UInt16, answersARP: Bool)
        /// A pair; `peer` is made at once in the namespace that its descriptor names. It is down: the kernel lets it be
        /// brought up only when both are there (veth_open).
        case veth(peer: Peer)
    }

    public struct Peer: Hashable, Sendable {
        public var name: String
        public var mac: MACAddress?
        public var namespace: Int32

        public init(name: String, mac: MACAddress?, namespace: Int32) {
            self.name = name
            self.mac = mac
            self.namespace = namespace
        }
    }

    public var name: String
    public var kind: Kind
    public var mac: MACAddress?
    public var mtu: Int?
    /// The index of the bridge that it is a port of.
    public var master: Int32?
    /// Where it is made, as a descriptor; nil for the socket's own namespace. A VXLAN's packets leave from the latter.
    public var namespace: Int32?
    public var isUp: Bool

    public init(
        name: String, kind: Kind, mac: MACAddress? = nil, mtu: Int? = nil, master: Int32? = nil,
        namespace: Int32? = nil, isUp: Bool = true
    ) {
        self.name = name
        self.kind = kind
        self.mac = mac
        self.mtu = mtu
        self.master = master
        self.namespace = namespace
        self.isUp = isUp
    }

    static let up: UInt32 = 1

    /// struct ifinfomsg and attributes.
    var body: [UInt8] {
        MessageWriter.build { writer in
            Self.header(&writer, index: 0, isUp: isUp)
            writer.attribute(3, text: name)
            if let mac { writer.attribute(1, mac.bytes) }
            if let mtu { writer.attribute(4, u32: UInt32(mtu)) }
            if let master { writer.attribute(10, u32: UInt32(master)) }
            if let namespace { writer.attribute(28, u32: UInt32(namespace)) }
            writer.nested(18) { information in
                switch kind {
                case .bridge: information.attribute(1, text: "bridge")
                case .vxlan(let vni, let local, let port, let answersARP):
                    information.attribute(1, text: "vxlan")
                    information.nested(2) { data in
                        data.attribute(1, u32: vni)
                        data.attribute(local.isV4 ? 4 : 17, local.bytes)
                        data.attribute(7, u8: 0)
                        data.attribute(8, u32: 0)
                        data.attribute(11, u8: answersARP ? 1 : 0)
                        data.attribute(15, be16: port)
                    }
                case .veth(let peer):
                    information.attribute(1, text: "veth")
                    information.nested(2) { data in
                        data.nested(1) { inner in
                            Self.header(&inner, index: 0, isUp: nil)
                            inner.attribute(3, text: peer.name)
                            if let mac = peer.mac { inner.attribute(1, mac.bytes) }
                            if let mtu { inner.attribute(4, u32: UInt32(mtu)) }
                            inner.attribute(28, u32: UInt32(peer.namespace))
                        }
                    }
                }
            }
        }
    }

    static func header(_ writer: inout MessageWriter, index: Int32, isUp: Bool?) {
        writer.u8(0)
        writer.u8(0)
        writer.u16(0)
        writer.i32(index)
        writer.u32(isUp == true ? up : 0)
        writer.u32(isUp == nil ? 0 : up)
    }
}

/// A network interface as the kernel describes it.
public struct Link: Hashable, Sendable {
    public var index: Int32
    public var name: String
    public var isUp: Bool
    public var mtu: Int
    public var mac: MACAddress?
    public var master: Int32?
    /// `bridge`, `vxlan`, `veth`; empty for a device.
    public var kind: String
    /// A VXLAN's parameters.
    public var vni: UInt32?
    public var local: IPAddress?
    public var port: UInt16?
    public var alias: String?

    /// From the body of an RTM_NEWLINK message.
    init(_ body: [UInt8]) throws(NetlinkError) {
        guard body.count >= 16 else { throw .malformed("link") }
        index = body[...].number(at: 4, as: Int32.self)!
        isUp = body[...].number(at: 8, as: UInt32.self)! & LinkRequest.up != 0
        let attributes = try Attributes(body.dropFirst(16))
        name = attributes.text(3) ?? ""
        mac = attributes[1].flatMap { MACAddress(bytes: $0) }
        mtu = Int(attributes.u32(4) ?? 0)
        master = attributes.u32(10).map { Int32(truncatingIfNeeded: $0) }
        alias = attributes.text(20)
        let information = try attributes.nested(18)
        kind = information?.text(1) ?? ""
        if kind == "vxlan", let data = try information?.nested(2) {
            vni = data.u32(1)
            local = (data[4] ?? data[17]).flatMap { IPAddress(bytes: $0) }
            port = data.be16(15)
        }
    }
}
