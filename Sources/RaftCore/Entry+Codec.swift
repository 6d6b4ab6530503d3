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

    /// What older versions do not know of a member; they never see it of one that has nothing of it.
    mutating func traits(_ member: RaftMember) {
        flag(member.isWitness)
        byte(member.priority)
    }

    mutating func change(_ change: MembershipChange) {
        switch change {
        case .found(let member):
            byte(member.hasTraits ? 5 : 1)
            self.member(member)
            if member.hasTraits { traits(member) }
        case .addLearner(let member):
            byte(member.hasTraits ? 6 : 2)
            self.member(member)
            if member.hasTraits { traits(member) }
        case .promote(let id):
            byte(3)
            number(id)
        case .remove(let id):
            byte(4)
            number(id)
        case .demote(let id):
            byte(7)
            number(id)
        case .joint(let changes):
            byte(8)
            number(UInt64(changes.count))
            for change in changes { self.change(change) }
        case .leaveJoint: byte(9)
        }
    }

    mutating func membership(_ membership: Membership) {
        number(UInt64(membership.standings.count))
        for standing in membership.standings {
            member(standing.member)
            byte(standing.marks.rawValue)
            if standing.member.hasTraits { traits(standing.member) }
        }
    }
}

extension RaftMember {
    fileprivate var hasTraits: Bool { isWitness || priority != 0 }
}

extension Membership.Standing {
    /// What a member is, as one byte.
    fileprivate struct Marks: OptionSet {
        let rawValue: UInt8
        static let voter = Marks(rawValue: 1)
        static let outgoing = Marks(rawValue: 2)
        static let leaving = Marks(rawValue: 4)
        /// Its traits follow.
        static let traits = Marks(rawValue: 8)
        static let all: Marks = [.voter, .outgoing, .leaving, .traits]
    }

    fileprivate var marks: Marks {
        var marks: Marks = isVoter ? .voter : []
        if isOutgoing { marks.insert(.outgoing) }
        if isLeaving { marks.insert(.leaving) }
        if member.hasTraits { marks.insert(.traits) }
        return marks
    }
}

extension ByteReader {
    mutating func member() throws(RaftCodecError) -> RaftMember {
        let id = try number()
        guard id != 0 else { throw .malformed }
        let nodeID = try text(limit: RaftMember.textLimit)
        return RaftMember(id: id, nodeID: nodeID, address: try text(limit: RaftMember.textLimit))
    }

    mutating func traits(of member: RaftMember) throws(RaftCodecError) -> RaftMember {
        RaftMember(
            id: member.id, nodeID: member.nodeID, address: member.address, isWitness: try flag(), priority: try byte())
    }

    mutating func change() throws(RaftCodecError) -> MembershipChange {
        let kind = try byte()
        guard kind == 8 else { return try change(kind) }
        var changes: [MembershipChange] = []
        for _ in 0..<(try count(limit: MembershipChange.jointLimit)) { changes.append(try change(try byte())) }
        return .joint(changes)
    }

    private mutating func change(_ kind: UInt8) throws(RaftCodecError) -> MembershipChange {
        switch kind {
        case 1: .found(try member())
        case 2: .addLearner(try member())
        case 3: .promote(try number())
        case 4: .remove(try number())
        case 5: .found(try traits(of: try member()))
        case 6: .addLearner(try traits(of: try member()))
        case 7: .demote(try number())
        case 9: .leaveJoint
        default: throw .unknownKind(kind)
        }
    }

    mutating func membership() throws(RaftCodecError) -> Membership {
        var standings: [Membership.Standing] = []
        for _ in 0..<(try count(limit: Membership.limit)) {
            var member = try member()
            guard standings.last.map({ $0.member.id < member.id }) ?? true else { throw .malformed }
            let marks = Membership.Standing.Marks(rawValue: try byte())
            guard marks.isSubset(of: .all) else { throw .malformed }
            if marks.contains(.traits) { member = try traits(of: member) }
            standings.append(
                Membership.Standing(
                    member: member, isVoter: marks.contains(.voter), isOutgoing: marks.contains(.outgoing),
                    isLeaving: marks.contains(.leaving)))
        }
        return Membership(standings)
    }
}
