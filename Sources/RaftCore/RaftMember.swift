/// A member of a Raft group: an identity that votes, on a host, at an address.
///
/// The identity is new at every promotion of a host and never comes back (Raft section 6, and a host that lost its log
/// must not vote again under the identity that did).
public struct RaftMember: Hashable, Sendable {
    /// Never 0, which stands for nobody.
    public let id: UInt64
    /// The host's node identifier, as in its certificate.
    public let nodeID: String
    /// Where the host's cluster port answers: `host:port`.
    public var address: String
    /// It votes and keeps the end of the log, but has no state: it never serves, and leads only until another voter has
    /// what it has.
    public let isWitness: Bool
    /// Among voters those of the highest priority are elected first, and take over where they have caught up.
    public var priority: UInt8

    /// The longest node identifier and address, in bytes of UTF-8.
    public static let textLimit = 1_024

    public init(id: UInt64, nodeID: String, address: String, isWitness: Bool = false, priority: UInt8 = 0) {
        precondition(id != 0, "0 stands for no member")
        precondition(nodeID.utf8.count <= Self.textLimit && address.utf8.count <= Self.textLimit, "member too long")
        self.id = id
        self.nodeID = nodeID
        self.address = address
        self.isWitness = isWitness
        self.priority = priority
    }

    /// A fresh identity.
    public static func newID(using generator: inout some RandomNumberGenerator) -> UInt64 {
        // 63 bits, so that it reads the same in SQLite's signed integers and in JSON.
        UInt64.random(in: 1...UInt64(Int64.max), using: &generator)
    }
}
