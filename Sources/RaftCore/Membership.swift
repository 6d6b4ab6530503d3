/// One change of the members. Only one is under way at a time, so that majorities before and after it overlap (Raft
/// section 6; Ongaro's dissertation, section 4.1).
public enum MembershipChange: Hashable, Sendable {
    /// The first entry of a new group: its only voter.
    case found(RaftMember)
    /// A new member without a vote, or a new address of a known one.
    case addLearner(RaftMember)
    /// A learner gets its vote.
    case promote(UInt64)
    case remove(UInt64)
}

/// The members of a group in the order of their identities.
public struct Membership: Hashable, Sendable {
    /// A member and whether it votes.
    public struct Standing: Hashable, Sendable {
        public var member: RaftMember
        public var isVoter: Bool

        public init(member: RaftMember, isVoter: Bool) {
            self.member = member
            self.isVoter = isVoter
        }
    }

    /// Members of one group at most.
    public static let limit = 64

    public private(set) var standings: [Standing]

    public init(_ standings: [Standing] = []) { self.standings = standings.sorted { $0.member.id < $1.member.id } }

    public var ids: [UInt64] { standings.map(\.member.id) }
    public var voters: [UInt64] { standings.filter(\.isVoter).map(\.member.id) }

    public subscript(_ id: UInt64) -> Standing? { standings.first { $0.member.id == id } }

    public func isVoter(_ id: UInt64) -> Bool { self[id]?.isVoter ?? false }

    /// Why a change makes no sense now; nil where it does.
    public func refusal(of change: MembershipChange) -> String? {
        switch change {
        case .found: return standings.isEmpty ? nil : "the group has been founded already"
        case .addLearner(let member):
            if let known = self[member.id] {
                return known.member.nodeID == member.nodeID
                    ? nil : "the identity \(member.id) belongs to host \(known.member.nodeID)"
            }
            if let other = standings.first(where: { $0.member.nodeID == member.nodeID }) {
                return "host \(member.nodeID) is a member already, as \(other.member.id): remove that one first"
            }
            return standings.count < Self.limit ? nil : "a group has at most \(Self.limit) members"
        case .promote(let id):
            return self[id] == nil ? "no member has the identity \(id)" : nil
        case .remove(let id):
            guard self[id] != nil else { return "no member has the identity \(id)" }
            return voters == [id] ? "the last voter cannot be removed" : nil
        }
    }

    /// Carries a committed change out, on every member alike: one that makes no sense changes nothing.
    public mutating func apply(_ change: MembershipChange) {
        guard refusal(of: change) == nil else { return }
        switch change {
        case .found(let member): standings = [Standing(member: member, isVoter: true)]
        case .addLearner(let member):
            if let position = position(of: member.id) {
                standings[position].member.address = member.address
            } else {
                let place = standings.firstIndex { $0.member.id > member.id } ?? standings.count
                standings.insert(Standing(member: member, isVoter: false), at: place)
            }
        case .promote(let id): if let position = position(of: id) { standings[position].isVoter = true }
        case .remove(let id): standings.removeAll { $0.member.id == id }
        }
    }

    private func position(of id: UInt64) -> Int? { standings.firstIndex { $0.member.id == id } }
}
