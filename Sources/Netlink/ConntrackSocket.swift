import Glibc
import Values

/// A flow that connection tracking knows (ctnetlink).
public struct ConntrackFlow: Hashable, Sendable {
    /// One direction of a flow.
    public struct Tuple: Hashable, Sendable {
        public var source: IPAddress
        public var destination: IPAddress
        /// 6 for TCP, 17 for UDP.
        public var transport: UInt8
        public var sourcePort: UInt16
        public var destinationPort: UInt16
    }

    /// As the first packet came, before any translation.
    public var original: Tuple
    /// As answers come: its source is the endpoint that the flow was sent to.
    public var reply: Tuple
    public var mark: UInt32
    /// Something has come back.
    public var isAnswered: Bool
    /// TCP's state: 3 is established (enum tcp_conntrack).
    public var tcpState: UInt8?
    /// The attributes that name the flow to the kernel: the original tuple, the zone, the identifier.
    let identity: [UInt8]

    /// Neither side will send any more: TCP in TIME_WAIT or CLOSE.
    public var isOver: Bool { tcpState == 7 || tcpState == 8 }

    /// From the body of an IPCTNL_MSG_CT_NEW message; nil for flows without IP addresses.
    init?(_ body: [UInt8]) throws(NetlinkError) {
        guard body.count >= 4 else { throw .malformed("flow") }
        let attributes = try Attributes(body.dropFirst(4))
        guard let original = try attributes.nested(1).flatMap(Self.tuple),
            let reply = try attributes.nested(2).flatMap(Self.tuple)
        else { return nil }
        self.original = original
        self.reply = reply
        mark = attributes.be32(8) ?? 0
        let seenReply: UInt32 = 2
        isAnswered = (attributes.be32(3) ?? 0) & seenReply != 0
        tcpState = try attributes.nested(4)?.nested(1)?.u8(1)
        identity = MessageWriter.build { writer in
            writer.raw([body[0], 0, 0, 0])
            writer.attribute(1 | 0x8000, attributes[1]!)
            if let zone = attributes[18] { writer.attribute(18, zone) }
            if let identifier = attributes[12] { writer.attribute(12, identifier) }
        }
    }

    private static func tuple(_ attributes: Attributes) throws(NetlinkError) -> Tuple? {
        guard let ip = try attributes.nested(1), let transport = try attributes.nested(2),
            let source = (ip[1] ?? ip[3]).flatMap({ IPAddress(bytes: $0) }),
            let destination = (ip[2] ?? ip[4]).flatMap({ IPAddress(bytes: $0) }), let number = transport.u8(1)
        else { return nil }
        return Tuple(
            source: source, destination: destination, transport: number, sourcePort: transport.be16(2) ?? 0,
            destinationPort: transport.be16(3) ?? 0)
    }
}

/// Connection tracking of one namespace.
public final class ConntrackSocket {
    private static let subsystem: UInt16 = 1

    private let socket: NetlinkSocket

    init(_ socket: NetlinkSocket) { self.socket = socket }

    /// All IPv4 flows.
    public func flows() throws(NetlinkError) -> [ConntrackFlow] {
        var flows: [ConntrackFlow] = []
        for message in try socket.dump(type: Self.subsystem << 8 | 1, body: [2, 0, 0, 0], "list flows") {
            if let flow = try ConntrackFlow(message.body) { flows.append(flow) }
        }
        return flows
    }

    /// Forgets a flow; false where it was gone already.
    @discardableResult
    public func delete(_ flow: ConntrackFlow) throws(NetlinkError) -> Bool {
        let flags = NetlinkSocket.Flags.request | NetlinkSocket.Flags.acknowledge
        let message = NetlinkSocket.Message(type: Self.subsystem << 8 | 2, flags: flags, body: flow.identity)
        do {
            try socket.send([message], "delete a flow")
            return true
        } catch {
            if error.errno == ENOENT { return false }
            throw error
        }
    }

    /// Forgets the flows that were sent to one of these addresses and that `isMeant` is true of: how many there were.
    @discardableResult
    public func deleteFlows(
        to addresses: Set<IPAddress>, where isMeant: (ConntrackFlow) -> Bool = { _ in true }
    ) throws(NetlinkError) -> Int {
        var count = 0
        for flow in try flows() where addresses.contains(flow.reply.source) && isMeant(flow) {
            if try delete(flow) { count += 1 }
        }
        return count
    }
}
