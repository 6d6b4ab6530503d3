import Glibc

/// The packet filter of one namespace: tables read back whole, changed by transactions.
public final class FilterSocket {
    static let subsystem: UInt16 = 10
    /// How often a transaction is planned, or a set listed, again because something changed meanwhile.
    static let attempts = 10

    private let socket: NetlinkSocket

    init(_ socket: NetlinkSocket) { self.socket = socket }

    private typealias Flags = NetlinkSocket.Flags
    private typealias Kind = FilterTable.Message

    /// struct nfgenmsg and attributes.
    static func message(
        _ kind: UInt16, flags: UInt16, family: UInt8, _ body: (inout MessageWriter) -> Void = { _ in }
    ) -> NetlinkSocket.Message {
        NetlinkSocket.Message(
            type: subsystem << 8 | kind, flags: flags,
            body: MessageWriter.build { writer in
                writer.raw([family, 0, 0, 0])
                body(&writer)
            })
    }

    /// A batch around `messages` that the kernel refuses if its rules are no longer those of `generation`.
    static func transaction(_ messages: [NetlinkSocket.Message], generation: UInt32?) -> [NetlinkSocket.Message] {
        func edge(_ type: UInt16, _ attributes: [UInt8]) -> NetlinkSocket.Message {
            let body = [0, 0] + [UInt8(subsystem >> 8), UInt8(subsystem & 0xff)] + attributes
            return NetlinkSocket.Message(type: type, flags: Flags.request, body: body)
        }
        let check = MessageWriter.build { writer in if let generation { writer.attribute(1, be32: generation) } }
        return [edge(16, check)] + messages + [edge(17, [])]
    }

    /// The number of the current rules; any change counts it up.
    public func generation() throws(NetlinkError) -> UInt32 {
        let answers = try socket.send(
            [Self.message(Kind.getGeneration, flags: Flags.request, family: 0)], "read the generation of the rules")
        for answer in answers {
            if let number = try Attributes(answer.body.dropFirst(4)).be32(1) { return number }
        }
        throw .malformed("generation of the rules")
    }

    /// The table as the kernel holds it; nil where there is none.
    public func table(_ name: String, family: FilterTable.Family) throws(NetlinkError) -> FilterTable? {
        guard try tables(family: family).contains(name) else { return nil }
        var table = FilterTable(family: family, name: name)
        try readChains(&table)
        try readSets(&table)
        return table
    }

    /// Names of tables of a family.
    public func tables(family: FilterTable.Family) throws(NetlinkError) -> Set<String> {
        var names: Set<String> = []
        for attributes in try dump(Kind.getTable, family, "list tables") {
            if let name = attributes.text(1) { names.insert(name) }
        }
        return names
    }

    private func dump(
        _ kind: UInt16, _ family: FilterTable.Family, _ operation: String,
        _ body: (inout MessageWriter) -> Void = { _ in }
    ) throws(NetlinkError) -> [Attributes] {
        let request = Self.message(kind, flags: 0, family: family.rawValue, body)
        return try socket.dump(type: request.type, body: request.body, operation).map { message throws(NetlinkError) in
            guard message.body.count >= 4 else { throw .malformed(operation) }
            return try Attributes(message.body.dropFirst(4))
        }
    }

    private func readChains(_ table: inout FilterTable) throws(NetlinkError) {
        for attributes in try dump(Kind.getChain, table.family, "list chains") where attributes.text(1) == table.name {
            guard let name = attributes.text(3) else { continue }
            var chain = FilterChain()
            if let hook = try attributes.nested(4), let number = hook.be32(1), let priority = hook.be32(2) {
                var device = hook.text(3)
                if device == nil, let list = try hook.nested(4) { device = list.text(1) }
                chain.hook = FilterChain.Hook(
                    type: attributes.text(7) ?? "", number: number, priority: Int32(bitPattern: priority),
                    device: device)
            }
            table.chains[name] = chain
        }
        let name = table.name
        let rules = try dump(Kind.getRule, table.family, "list rules") { $0.attribute(1, text: name) }
        for attributes in rules where attributes.text(1) == name {
            guard let chain = attributes.text(2) else { continue }
            let steps = try Attributes.list(attributes[4] ?? []).count
            var tag = FilterTable.comment(in: attributes[7]) ?? ""
            // A rule whose steps were changed in place is another rule.
            if !tag.hasSuffix(".\(steps)") { tag = "foreign" }
            table.chains[chain]?.rules.append(FilterRule(tag: tag))
        }
    }

    private func readSets(_ table: inout FilterTable) throws(NetlinkError) {
        let name = table.name
        let sets = try dump(Kind.getSet, table.family, "list sets") { $0.attribute(1, text: name) }
        for attributes in sets where attributes.text(1) == name {
            // The kernel leaves flags out where there are none. Anonymous sets belong to rules.
            let flags = attributes.be32(3) ?? 0
            guard let set = attributes.text(2), flags & 1 == 0 else { continue }
            var content = FilterSet.Content.keys
            if flags & 8 != 0 {
                let type = attributes.be32(6) ?? 0
                content =
                    type == 0xffff_ff00 ? .verdicts : .values(type: type, length: Int(attributes.be32(7) ?? 0))
            }
            table.sets[set] = FilterSet(
                keyType: attributes.be32(4) ?? 0, keyLength: Int(attributes.be32(5) ?? 0), content: content,
                elements: try elements(of: set, in: table))
        }
    }

    private func elements(
        of set: String, in table: FilterTable
    ) throws(NetlinkError) -> [[UInt8]: FilterSet.Element] {
        let operation = "list elements of \(set)"
        for _ in 0..<Self.attempts {
            let answers = try dump(Kind.getElements, table.family, operation) { writer in
                writer.attribute(1, text: table.name)
                writer.attribute(2, text: set)
            }
            if let elements = try FilterSet.Element.whole(answers) { return elements }
        }
        throw NetlinkError(operation, errno: EAGAIN, detail: "the set kept changing its size")
    }

    /// What leads from the kernel's table to the wanted one.
    public func changes(to wanted: FilterTable) throws(NetlinkError) -> [FilterChange] {
        wanted.changes(from: try table(wanted.name, family: wanted.family))
    }

    /// Makes the kernel hold the wanted table, in one transaction that is planned and carried out in one generation of
    /// the rules: the steps it took.
    @discardableResult
    public func apply(_ wanted: FilterTable) throws(NetlinkError) -> [FilterChange] {
        for _ in 0..<Self.attempts {
            let generation = try generation()
            let changes = try changes(to: wanted)
            if changes.isEmpty { return [] }
            var messages = wanted.messages(for: changes)
            if let last = messages.indices.last { messages[last].flags |= Flags.acknowledge }
            do {
                try socket.send(Self.transaction(messages, generation: generation), "change table \(wanted.name)")
                return changes
            } catch {
                guard error.errno == ERESTART else { throw error }
            }
        }
        throw NetlinkError("change table \(wanted.name)", errno: EAGAIN, detail: "the rules kept changing")
    }

    /// Removes a table; nothing there is fine.
    public func remove(_ name: String, family: FilterTable.Family) throws(NetlinkError) {
        let message = Self.message(
            Kind.deleteTable, flags: Flags.request | Flags.acknowledge, family: family.rawValue
        ) { $0.attribute(1, text: name) }
        do {
            try socket.send(Self.transaction([message], generation: nil), "remove table \(name)")
        } catch {
            if error.errno != ENOENT { throw error }
        }
    }
}
