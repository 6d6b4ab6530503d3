import Glibc
import Values

/// Links, addresses, routes, rules and neighbours of one namespace (rtnetlink(7)).
public final class RouteSocket {
    private typealias Flags = NetlinkSocket.Flags

    private enum Kind {
        static let newLink: UInt16 = 16
        static let deleteLink: UInt16 = 17
        static let getLink: UInt16 = 18
        static let newAddress: UInt16 = 20
        static let deleteAddress: UInt16 = 21
        static let getAddress: UInt16 = 22
        static let newRoute: UInt16 = 24
        static let deleteRoute: UInt16 = 25
        static let getRoute: UInt16 = 26
        static let newNeighbour: UInt16 = 28
        static let deleteNeighbour: UInt16 = 29
        static let getNeighbour: UInt16 = 30
        static let newRule: UInt16 = 32
        static let deleteRule: UInt16 = 33
        static let getRule: UInt16 = 34
    }

    /// The most requests that go to the kernel in one piece.
    static let batchLimit = 1000

    private let socket: NetlinkSocket

    init(_ socket: NetlinkSocket) { self.socket = socket }

    private func ask(
        _ type: UInt16, _ flags: UInt16, _ bodies: [[UInt8]], _ operation: @autoclosure () -> String,
        ignoring ignored: [Int32] = []
    ) throws(NetlinkError) {
        for start in stride(from: 0, to: bodies.count, by: Self.batchLimit) {
            let piece = bodies[start..<min(start + Self.batchLimit, bodies.count)]
            let messages = piece.map {
                NetlinkSocket.Message(type: type, flags: Flags.request | Flags.acknowledge | flags, body: $0)
            }
            if ignored.isEmpty {
                try socket.send(messages, operation())
                continue
            }
            for message in messages {
                do { try socket.send([message], operation()) } catch {
                    if !ignored.contains(error.errno) { throw error }
                }
            }
        }
    }

    // MARK: Links

    /// Makes a link; EEXIST where there is one of that name.
    public func create(_ link: LinkRequest) throws(NetlinkError) {
        try ask(Kind.newLink, Flags.create | Flags.exclusive, [link.body], "create link \(link.name)")
    }

    /// Changes what is given of a link.
    public func change(
        _ index: Int32, isUp: Bool? = nil, mtu: Int? = nil, mac: MACAddress? = nil, master: Int32? = nil,
        alias: String? = nil
    ) throws(NetlinkError) {
        let body = MessageWriter.build { writer in
            LinkRequest.header(&writer, index: index, isUp: isUp)
            if let mtu { writer.attribute(4, u32: UInt32(mtu)) }
            if let mac { writer.attribute(1, mac.bytes) }
            if let master { writer.attribute(10, u32: UInt32(master)) }
            if let alias { writer.attribute(20, Array(alias.utf8)) }
        }
        try ask(Kind.newLink, 0, [body], "change link \(index)")
    }

    /// Removes a link; one that is gone is fine.
    public func delete(link index: Int32) throws(NetlinkError) {
        let body = MessageWriter.build { LinkRequest.header(&$0, index: index, isUp: nil) }
        try ask(Kind.deleteLink, 0, [body], "delete link \(index)", ignoring: [ENODEV])
    }

    /// All links.
    public func links() throws(NetlinkError) -> [Link] {
        let body = MessageWriter.build { LinkRequest.header(&$0, index: 0, isUp: nil) }
        return try socket.dump(type: Kind.getLink, body: body, "list links").map { message throws(NetlinkError) in
            try Link(message.body)
        }
    }

    /// The link of that name; nil where there is none.
    public func link(named name: String) throws(NetlinkError) -> Link? {
        let body = MessageWriter.build { writer in
            LinkRequest.header(&writer, index: 0, isUp: nil)
            writer.attribute(3, text: name)
        }
        let message = NetlinkSocket.Message(type: Kind.getLink, flags: Flags.request, body: body)
        do {
            guard let answer = try socket.send([message], "find link \(name)").first else { return nil }
            return try Link(answer.body)
        } catch {
            if error.errno == ENODEV { return nil }
            throw error
        }
    }

    // MARK: Addresses

    public func add(_ addresses: [AddressEntry]) throws(NetlinkError) {
        let flags = Flags.create | Flags.replace
        try ask(Kind.newAddress, flags, addresses.map(\.body), "add addresses")
    }

    public func delete(_ addresses: [AddressEntry]) throws(NetlinkError) {
        try ask(Kind.deleteAddress, 0, addresses.map(\.body), "delete addresses", ignoring: [EADDRNOTAVAIL, ENODEV])
    }

    /// All addresses.
    public func addresses() throws(NetlinkError) -> [AddressEntry] {
        let body: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        var entries: [AddressEntry] = []
        for message in try socket.dump(type: Kind.getAddress, body: body, "list addresses") {
            if let entry = try AddressEntry(message.body) { entries.append(entry) }
        }
        return entries
    }

    // MARK: Routes and rules

    public func add(_ routes: [RouteEntry]) throws(NetlinkError) {
        try ask(Kind.newRoute, Flags.create | Flags.replace, routes.map(\.body), "add routes")
    }

    public func delete(_ routes: [RouteEntry]) throws(NetlinkError) {
        try ask(Kind.deleteRoute, 0, routes.map(\.body), "delete routes", ignoring: [ESRCH, ENODEV])
    }

    /// The routes that are ours, of all tables.
    public func routes() throws(NetlinkError) -> [RouteEntry] {
        let body = [UInt8](repeating: 0, count: 12)
        var entries: [RouteEntry] = []
        for message in try socket.dump(type: Kind.getRoute, body: body, "list routes") {
            if let entry = try RouteEntry(message.body) { entries.append(entry) }
        }
        return entries
    }

    public func add(_ rules: [MarkRule]) throws(NetlinkError) {
        try ask(Kind.newRule, Flags.create | Flags.exclusive, rules.map(\.body), "add rules", ignoring: [EEXIST])
    }

    public func delete(_ rules: [MarkRule]) throws(NetlinkError) {
        try ask(Kind.deleteRule, 0, rules.map(\.body), "delete rules", ignoring: [ENOENT])
    }

    /// The rules that are ours.
    public func rules() throws(NetlinkError) -> [MarkRule] {
        let body: [UInt8] = [2] + [UInt8](repeating: 0, count: 11)
        var entries: [MarkRule] = []
        for message in try socket.dump(type: Kind.getRule, body: body, "list rules") {
            if let entry = try MarkRule(message.body) { entries.append(entry) }
        }
        return entries
    }

    // MARK: Neighbours and forwarding entries

    public func add(_ entries: [NeighbourEntry]) throws(NetlinkError) {
        try ask(Kind.newNeighbour, Flags.create | Flags.replace, entries.map(\.body), "add neighbours")
    }

    public func delete(_ entries: [NeighbourEntry]) throws(NetlinkError) {
        try ask(Kind.deleteNeighbour, 0, entries.map(\.body), "delete neighbours", ignoring: [ENOENT, ENODEV])
    }

    /// The permanent entries: IP neighbours and VXLANs' forwarding entries.
    public func neighbours() throws(NetlinkError) -> [NeighbourEntry] {
        var entries: [NeighbourEntry] = []
        for family in [UInt8(2), 7] {
            let body = MessageWriter.build { NeighbourEntry.header(&$0, family: family, link: 0, flags: 0) }
            for message in try socket.dump(type: Kind.getNeighbour, body: body, "list neighbours") {
                if let entry = try NeighbourEntry(message.body) { entries.append(entry) }
            }
        }
        return entries
    }
}
