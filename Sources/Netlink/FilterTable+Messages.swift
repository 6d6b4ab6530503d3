/// The wire form of tables (nf_tables, NFNL_SUBSYS_NFTABLES).
extension FilterTable {
    enum Message {
        static let newTable: UInt16 = 0
        static let deleteTable: UInt16 = 2
        static let newChain: UInt16 = 3
        static let getChain: UInt16 = 4
        static let deleteChain: UInt16 = 5
        static let newRule: UInt16 = 6
        static let getRule: UInt16 = 7
        static let deleteRule: UInt16 = 8
        static let newSet: UInt16 = 9
        static let getSet: UInt16 = 10
        static let deleteSet: UInt16 = 11
        static let newElements: UInt16 = 12
        static let getElements: UInt16 = 13
        static let deleteElements: UInt16 = 14
        static let getGeneration: UInt16 = 16
        static let getTable: UInt16 = 1
    }

    /// Elements in one message: its list of elements may have at most 65,535 bytes.
    static let elementsPerMessage = 250

    private typealias Flags = NetlinkSocket.Flags

    /// The messages of a transaction that carries out `changes`.
    func messages(for changes: [FilterChange], firstSetID: UInt32 = 1) -> [NetlinkSocket.Message] {
        var messages: [NetlinkSocket.Message] = []
        var index = 0
        var setID = firstSetID
        while index < changes.count {
            switch changes[index] {
            case .addElement(let set, _, _):
                let run = Self.run(of: changes[index...]) {
                    if case .addElement(set, _, _) = $0 { true } else { false }
                }
                messages.append(elements(Message.newElements, set, run))
                index += run.count
                continue
            case .removeElement(let set, _):
                let run = Self.run(of: changes[index...]) {
                    if case .removeElement(set, _) = $0 { true } else { false }
                }
                messages.append(elements(Message.deleteElements, set, run))
                index += run.count
                continue
            case .removeTable: messages.append(message(Message.deleteTable, 0) { $0.attribute(1, text: name) })
            case .addTable: messages.append(message(Message.newTable, Flags.create) { $0.attribute(1, text: name) })
            case .addSet(let set):
                messages.append(newSet(set, id: setID))
                setID += 1
            case .removeSet(let set):
                messages.append(
                    message(Message.deleteSet, 0) { writer in
                        writer.attribute(1, text: name)
                        writer.attribute(2, text: set)
                    })
            case .addChain(let chain): messages.append(newChain(chain))
            case .removeChain(let chain):
                messages.append(
                    message(Message.deleteChain, 0) { writer in
                        writer.attribute(1, text: name)
                        writer.attribute(3, text: chain)
                    })
            case .replaceRules(let chain): messages += replaceRules(chain)
            }
            index += 1
        }
        return messages
    }

    private static func run(
        of changes: ArraySlice<FilterChange>, while isSame: (FilterChange) -> Bool
    ) -> ArraySlice<FilterChange> {
        changes.prefix(elementsPerMessage).prefix(while: isSame)
    }

    private func message(
        _ kind: UInt16, _ flags: UInt16, _ body: (inout MessageWriter) -> Void
    ) -> NetlinkSocket.Message {
        FilterSocket.message(kind, flags: Flags.request | flags, family: family.rawValue, body)
    }

    private func newSet(_ set: String, id: UInt32) -> NetlinkSocket.Message {
        let definition = sets[set]!
        return message(Message.newSet, Flags.create) { writer in
            writer.attribute(1, text: name)
            writer.attribute(2, text: set)
            writer.attribute(3, be32: definition.content == .keys ? 0 : 8)
            writer.attribute(4, be32: definition.keyType)
            writer.attribute(5, be32: UInt32(definition.keyLength))
            switch definition.content {
            case .keys: break
            case .values(let type, let length):
                writer.attribute(6, be32: type)
                writer.attribute(7, be32: UInt32(length))
            case .verdicts:
                writer.attribute(6, be32: 0xffff_ff00)
                writer.attribute(7, be32: 0)
            }
            writer.attribute(10, be32: id)
            writer.attribute(13, Self.byteOrders(definition))
        }
    }

    /// nft's user data about a set: the byte order of its keys (0) and values (1), without which it prints names and
    /// marks backwards.
    private static func byteOrders(_ set: FilterSet) -> [UInt8] {
        func entry(_ tag: UInt8, _ type: UInt32) -> [UInt8] { [tag, 4, hostOrdered.contains(type) ? 1 : 2, 0, 0, 0] }
        guard case .values(let type, _) = set.content else { return entry(0, set.keyType) }
        return entry(0, set.keyType) + entry(1, type)
    }

    /// nft's types in the machine's order: mark, interface's name.
    private static let hostOrdered: Set<UInt32> = [19, 41]

    private func newChain(_ chain: String) -> NetlinkSocket.Message {
        message(Message.newChain, Flags.create) { writer in
            writer.attribute(1, text: name)
            writer.attribute(3, text: chain)
            guard let hook = chains[chain]!.hook else { return }
            writer.nested(4) { inner in
                inner.attribute(1, be32: hook.number)
                inner.attribute(2, be32: UInt32(bitPattern: hook.priority))
                if let device = hook.device { inner.attribute(3, text: device) }
            }
            writer.attribute(5, be32: 1)
            writer.attribute(7, text: hook.type)
        }
    }

    private func replaceRules(_ chain: String) -> [NetlinkSocket.Message] {
        let flush = message(Message.deleteRule, 0) { writer in
            writer.attribute(1, text: name)
            writer.attribute(2, text: chain)
        }
        return [flush]
            + chains[chain]!.rules.map { rule in
                message(Message.newRule, Flags.create | Flags.append) { writer in
                    writer.attribute(1, text: name)
                    writer.attribute(2, text: chain)
                    writer.nested(4) { list in
                        for expression in rule.expressions { list.nested(1) { expression.encode(&$0) } }
                    }
                    writer.attribute(7, Self.comment(rule.tag))
                }
            }
    }

    private func elements(
        _ kind: UInt16, _ set: String, _ changes: ArraySlice<FilterChange>
    ) -> NetlinkSocket.Message {
        message(kind, kind == Message.newElements ? Flags.create : 0) { writer in
            writer.attribute(1, text: name)
            writer.attribute(2, text: set)
            writer.nested(3) { list in
                for change in changes {
                    switch change {
                    case .removeElement(_, let key): list.nested(1) { $0.nested(1) { $0.attribute(1, key) } }
                    case .addElement(_, let key, let element): list.nested(1) { Self.encode(key, element, &$0) }
                    default: break
                    }
                }
            }
        }
    }

    private static func encode(_ key: [UInt8], _ element: FilterSet.Element, _ writer: inout MessageWriter) {
        writer.nested(1) { $0.attribute(1, key) }
        switch element.value {
        case .none: break
        case .bytes(let bytes): writer.nested(2) { $0.attribute(1, bytes) }
        case .verdict(let verdict): writer.nested(2) { data in data.nested(2) { verdict.encode(&$0) } }
        }
        if let comment = element.comment { writer.attribute(6, Self.comment(comment)) }
    }

    /// nft's user data: type 0, length, text with its closing zero.
    static func comment(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8.prefix(250)) + [0]
        return [0, UInt8(bytes.count)] + bytes
    }

    static func comment(in data: ArraySlice<UInt8>?) -> String? {
        guard let data, data.count > 2, data.first == 0 else { return nil }
        return String(
            decoding: data.dropFirst(2).prefix(Int(data[data.startIndex + 1])).prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension FilterSet.Element {
    /// What a listing of a set holds; nil where it may lack elements. The kernel counts its way through a hash table
    /// from message to message. One that is resized meanwhile has another order then: for each element that is left
    /// out another comes twice, as long as nobody changes the set (nft_rhash_walk).
    static func whole(_ listing: [Attributes]) throws(NetlinkError) -> [[UInt8]: FilterSet.Element]? {
        var elements: [[UInt8]: FilterSet.Element] = [:]
        var seen: Set<ArraySlice<UInt8>> = []
        for attributes in listing {
            for (_, bytes) in try Attributes.list(attributes[3] ?? []) {
                // All of its bytes: where a range ends and the next one begins an interval set has one key twice.
                guard seen.insert(bytes).inserted else { return nil }
                let (key, element) = try decode(bytes)
                elements[key] = element
            }
        }
        return elements
    }

    /// The key and the element in the kernel's answer.
    static func decode(_ bytes: ArraySlice<UInt8>) throws(NetlinkError) -> ([UInt8], FilterSet.Element) {
        let attributes = try Attributes(bytes)
        guard let key = try attributes.nested(1)?[1] else { throw .malformed("element without key") }
        let comment = FilterTable.comment(in: attributes[6])
        guard let data = try attributes.nested(2) else { return (Array(key), FilterSet.Element(comment: comment)) }
        if let bytes = data[1] { return (Array(key), FilterSet.Element(.bytes(Array(bytes)), comment: comment)) }
        guard let verdict = try data.nested(2).flatMap({ FilterVerdict($0) }) else {
            throw .malformed("element without value")
        }
        return (Array(key), FilterSet.Element(.verdict(verdict), comment: comment))
    }
}
