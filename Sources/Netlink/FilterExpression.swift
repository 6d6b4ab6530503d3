import Values

/// One step of a rule, as the kernel's virtual machine runs it (nf_tables: NFTA_EXPR_NAME and NFTA_EXPR_DATA).
///
/// Registers are 4 bytes wide, numbered from 0; a longer value takes as many as it needs.
public struct FilterExpression: Hashable, Sendable {
    public let name: String
    /// The attributes of NFTA_EXPR_DATA.
    public let data: [UInt8]

    init(_ name: String, _ body: (inout MessageWriter) -> Void = { _ in }) {
        self.name = name
        data = MessageWriter.build(body)
    }

    /// Fields of a packet's surroundings (enum nft_meta_keys).
    public enum Meta: UInt32, Sendable {
        case mark = 3
        case inputName = 6
        case outputName = 7
        case transport = 16
    }

    /// Fields of connection tracking (enum nft_ct_keys).
    public enum Connection: UInt32, Sendable {
        case state = 0
        case status = 2
        case mark = 3
        case zone = 17
    }

    /// Where a packet's bytes are counted from (enum nft_payload_bases).
    public enum Base: UInt32, Sendable {
        case link = 0
        case network = 1
        case transport = 2
    }

    /// NFT_REG32_00 and on.
    private static func register(_ number: Int) -> UInt32 { UInt32(8 + number) }

    public static func load(_ field: Meta, _ register: Int = 0) -> FilterExpression {
        FilterExpression("meta") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.attribute(2, be32: field.rawValue)
        }
    }

    public static func setMark(from register: Int = 0) -> FilterExpression {
        FilterExpression("meta") { writer in
            writer.attribute(2, be32: Meta.mark.rawValue)
            writer.attribute(3, be32: Self.register(register))
        }
    }

    public static func load(_ field: Connection, _ register: Int = 0) -> FilterExpression {
        FilterExpression("ct") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.attribute(2, be32: field.rawValue)
        }
    }

    /// - Parameter isOriginalOnly: for a zone: of the direction of a flow's first packet only.
    public static func set(_ field: Connection, from register: Int = 0, isOriginalOnly: Bool = false)
        -> FilterExpression
    {
        FilterExpression("ct") { writer in
            writer.attribute(2, be32: field.rawValue)
            writer.attribute(4, be32: Self.register(register))
            if isOriginalOnly { writer.attribute(3, u8: 0) }
        }
    }

    public static func load(_ base: Base, offset: Int, length: Int, _ register: Int = 0) -> FilterExpression {
        FilterExpression("payload") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.attribute(2, be32: base.rawValue)
            writer.attribute(3, be32: UInt32(offset))
            writer.attribute(4, be32: UInt32(length))
        }
    }

    /// Writes into the packet, without mending checksums.
    public static func write(_ base: Base, offset: Int, length: Int, from register: Int = 0) -> FilterExpression {
        FilterExpression("payload") { writer in
            writer.attribute(5, be32: Self.register(register))
            writer.attribute(2, be32: base.rawValue)
            writer.attribute(3, be32: UInt32(offset))
            writer.attribute(4, be32: UInt32(length))
            writer.attribute(6, be32: 0)
            writer.attribute(7, be32: 0)
            writer.attribute(8, be32: 0)
        }
    }

    /// Goes on where the register equals the bytes, or differs.
    public static func compare(_ bytes: [UInt8], isEqual: Bool = true, _ register: Int = 0) -> FilterExpression {
        FilterExpression("cmp") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.attribute(2, be32: isEqual ? 0 : 1)
            writer.nested(3) { $0.attribute(1, bytes) }
        }
    }

    /// Keeps the bits of `mask`.
    public static func mask(_ mask: UInt32, _ register: Int = 0) -> FilterExpression {
        FilterExpression("bitwise") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.attribute(2, be32: Self.register(register))
            writer.attribute(3, be32: 4)
            writer.nested(4) { $0.attribute(1, u32: mask) }
            writer.nested(5) { $0.attribute(1, u32: 0) }
        }
    }

    public static func verdict(_ verdict: FilterVerdict) -> FilterExpression {
        FilterExpression("immediate") { writer in
            writer.attribute(1, be32: 0)
            writer.nested(2) { data in data.nested(2) { verdict.encode(&$0) } }
        }
    }

    /// Puts bytes into a register.
    public static func value(_ bytes: [UInt8], _ register: Int = 0) -> FilterExpression {
        FilterExpression("immediate") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.nested(2) { $0.attribute(1, bytes) }
        }
    }

    /// Goes on where the set has the key (or, inverted, has not); what a map holds is put into `result`.
    public static func look(
        up set: String, key register: Int = 0, into result: Int? = nil, isInverted: Bool = false
    ) -> FilterExpression {
        FilterExpression("lookup") { writer in
            writer.attribute(1, text: set)
            writer.attribute(2, be32: Self.register(register))
            if let result { writer.attribute(3, be32: Self.register(result)) }
            if isInverted { writer.attribute(5, be32: 1) }
        }
    }

    /// Follows the verdict that a verdict map holds for the key.
    public static func follow(_ set: String, key register: Int = 0) -> FilterExpression {
        FilterExpression("lookup") { writer in
            writer.attribute(1, text: set)
            writer.attribute(2, be32: Self.register(register))
            writer.attribute(3, be32: 0)
        }
    }

    /// A random number below `modulus`.
    public static func random(below modulus: Int, _ register: Int) -> FilterExpression {
        FilterExpression("numgen") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.attribute(2, be32: UInt32(modulus))
            writer.attribute(3, be32: 1)
            writer.attribute(4, be32: 0)
        }
    }

    /// Changes the destination (or source) to the IPv4 address and the port in registers; decided once for each flow.
    public static func translate(destination: Bool, address: Int, port: Int? = nil) -> FilterExpression {
        FilterExpression("nat") { writer in
            writer.attribute(1, be32: destination ? 1 : 0)
            writer.attribute(2, be32: 2)
            writer.attribute(3, be32: Self.register(address))
            if let port { writer.attribute(5, be32: Self.register(port)) }
        }
    }

    /// The source becomes the outgoing interface's address.
    public static let masquerade = FilterExpression("masq")
    /// Connection tracking leaves the packet alone.
    public static let untracked = FilterExpression("notrack")

    /// The kind of an address, RTN_* (2 is the host's own).
    public static func addressKind(ofSource: Bool, _ register: Int = 0) -> FilterExpression {
        FilterExpression("fib") { writer in
            writer.attribute(1, be32: Self.register(register))
            writer.attribute(2, be32: 3)
            writer.attribute(3, be32: ofSource ? 1 : 2)
        }
    }

    public static let rejectWithReset = FilterExpression("reject") { writer in
        writer.attribute(1, be32: 1)
        writer.attribute(2, u8: 0)
    }

    /// ICMP: port unreachable.
    public static let rejectUnreachable = FilterExpression("reject") { writer in
        writer.attribute(1, be32: 0)
        writer.attribute(2, u8: 3)
    }

    /// The TCP segment size that the packet's route allows, in the network's order.
    public static func routeSegmentSize(_ register: Int = 0) -> [FilterExpression] {
        [
            FilterExpression("rt") { writer in
                writer.attribute(1, be32: Self.register(register))
                writer.attribute(2, be32: 3)
            },
            FilterExpression("byteorder") { writer in
                writer.attribute(1, be32: Self.register(register))
                writer.attribute(2, be32: Self.register(register))
                writer.attribute(3, be32: 1)
                writer.attribute(4, be32: 2)
                writer.attribute(5, be32: 2)
            },
        ]
    }

    /// Lowers the segment size in a TCP packet's options (RFC 9293 section 3.7.1).
    public static func setSegmentSize(from register: Int = 0) -> FilterExpression {
        FilterExpression("exthdr") { writer in
            writer.attribute(7, be32: Self.register(register))
            writer.attribute(2, u8: 2)
            writer.attribute(3, be32: 2)
            writer.attribute(4, be32: 2)
            writer.attribute(6, be32: 1)
        }
    }

    func encode(_ writer: inout MessageWriter) {
        writer.attribute(1, text: name)
        writer.nested(2) { $0.raw(data) }
    }
}

/// What becomes of a packet (NFTA_VERDICT_CODE).
public enum FilterVerdict: Hashable, Sendable {
    case drop
    case accept
    case jump(String)
    case goto(String)
    case `return`

    private var code: (Int32, String?) {
        switch self {
        case .drop: (0, nil)
        case .accept: (1, nil)
        case .jump(let chain): (-3, chain)
        case .goto(let chain): (-4, chain)
        case .return: (-5, nil)
        }
    }

    func encode(_ writer: inout MessageWriter) {
        let (number, chain) = code
        writer.attribute(1, be32: UInt32(bitPattern: number))
        if let chain { writer.attribute(2, text: chain) }
    }

    init?(_ attributes: Attributes) {
        guard let number = attributes.be32(1).map({ Int32(bitPattern: $0) }) else { return nil }
        switch number {
        case 0: self = .drop
        case 1: self = .accept
        case -3: self = .jump(attributes.text(2) ?? "")
        case -4: self = .goto(attributes.text(2) ?? "")
        case -5: self = .return
        default: return nil
        }
    }
}
