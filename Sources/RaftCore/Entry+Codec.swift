/// How payloads, changes and memberships are written, in messages and on the disk. Kinds are never used again.
extension Entry.Payload {
    /// The kind as a number, for a column or a byte of its own.
    public var kind: UInt8 {
        switch self {
        case .nothing: 0
        case .command: 1
        case .membership: 2
        }
    }

    /// What follows the kind.
    public var encoded: [UInt8] {
        switch self {
        case .nothing: return []
        case .command(let bytes): return bytes
        case .membership(let change):
            var writer = ByteWriter()
            writer.change(change)
            return writer.bytes
        }
    }

    public init(kind: UInt8, encoded bytes: [UInt8]) throws(RaftCodecError) {
        var reader = ByteReader(bytes)
        switch kind {
        case 0: self = .nothing
        case 1:
            guard bytes.count <= Entry.commandByteLimit else { throw .tooLarge }
            self = .command(bytes)
            return
        case 2: self = .membership(try reader.change())
        default: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension Membership {
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.membership(self)
        return writer.bytes
    }

    public init(encoded bytes: [UInt8]) throws(RaftCodecError) {
        var reader = ByteReader(bytes)
        self = try reader.membership()
        try reader.finish()
    }
}

extension ByteWriter {
    mutating func member(_ member: RaftMember) {
        number(member.id)
        text(member.nodeID)
        text(member.address)
    }

    mutating func change(_ change: MembershipChange) {
        switch change {
        case .found(let member):
            byte(1)
            self.member(member)
        case .addLearner(let member):
            byte(2)
            self.member(member)
        case .promote(let id):
            byte(3)
            number(id)
        case .remove(let id):
            byte(4)
            number(id)
        }
    }

    mutating func membership(_ membership: Membership) {
        number(UInt64(membership.standings.count))
        for standing in membership.standings {
            member(standing.member)
            flag(standing.isVoter)
        }
    }
}

extension ByteReader {
    mutating func member() throws(RaftCodecError) -> RaftMember {
        let id = try number()
        guard id != 0 else { throw .malformed }
        let nodeID = try text(limit: RaftMember.textLimit)
        return RaftMember(id: id, nodeID: nodeID, address: try text(limit: RaftMember.textLimit))
    }

    mutating func change() throws(RaftCodecError) -> MembershipChange {
        switch try byte() {
        case 1: .found(try member())
        case 2: .addLearner(try member())
        case 3: .promote(try number())
        case 4: .remove(try number())
        case let kind: throw .unknownKind(kind)
        }
    }

    mutating func membership() throws(RaftCodecError) -> Membership {
        var standings: [Membership.Standing] = []
        for _ in 0..<(try count(limit: Membership.limit)) {
            let member = try member()
            guard standings.last.map({ $0.member.id < member.id }) ?? true else { throw .malformed }
            standings.append(Membership.Standing(member: member, isVoter: try flag()))
        }
        return Membership(standings)
    }
}
