/// The members of a group in the order of their identities.
public struct Membership: Hashable, Sendable {
    /// A member and what it is in the group.
    public struct Standing: Hashable, Sendable {
        public var member: RaftMember
        /// Whether it votes; during a joint change, whether it will.
        public var isVoter: Bool
        /// It voted before a joint change, whose majority is still needed.
        public internal(set) var isOutgoing: Bool
        /// It goes when the joint change ends.
        public internal(set) var isLeaving: Bool

        public init(member: RaftMember, isVoter: Bool) {
            self.init(member: member, isVoter: isVoter, isOutgoing: false, isLeaving: false)
        }

        init(member: RaftMember, isVoter: Bool, isOutgoing: Bool, isLeaving: Bool) {
            self.member = member
            self.isVoter = isVoter
            self.isOutgoing = isOutgoing
            self.isLeaving = isLeaving
        }
    }

    /// Members of one group at most.
    public static let limit = 64

    public private(set) var standings: [Standing]
    /// Whose majorities decide.
    public private(set) var electorate: Electorate

    public init(_ standings: [Standing] = []) {
        self.standings = standings.sorted { $0.member.id < $1.member.id }
        electorate = Electorate(self.standings)
    }

    public var ids: [UInt64] { standings.map(\.member.id) }
    /// Whoever votes now.
    public var voters: [UInt64] { electorate.all }

    public subscript(_ id: UInt64) -> Standing? { standings.first { $0.member.id == id } }

    public func isVoter(_ id: UInt64) -> Bool { electorate.contains(id) }

    /// Why a change makes no sense now; nil where it does.
    public func refusal(of change: MembershipChange) -> String? {
        var after = self
        do throws(Impossible) {
            try after.carryOut(change)
            return nil
        } catch {
            return error.reason
        }
    }

    /// Carries a committed change out, on every member alike: one that makes no sense changes nothing.
    public mutating func apply(_ change: MembershipChange) {
        var after = self
        do throws(Impossible) {
            try after.carryOut(change)
            self = after
        } catch {}
    }

    private struct Impossible: Error {
        var reason: String
    }

    private mutating func carryOut(_ change: MembershipChange) throws(Impossible) {
        switch change {
        case .leaveJoint:
            guard electorate.isJoint else { throw Impossible(reason: "no joint change is under way") }
            standings.removeAll(where: \.isLeaving)
            for position in standings.indices { standings[position].isOutgoing = false }
        case _ where electorate.isJoint: throw Impossible(reason: "a joint change is under way")
        case .found(let member):
            guard standings.isEmpty else { throw Impossible(reason: "the group has been founded already") }
            standings = [Standing(member: member, isVoter: true)]
        case .joint(let changes):
            guard changes.allSatisfy(\.isSimple), changes.count <= MembershipChange.jointLimit else {
                throw Impossible(reason: "a joint change is of simple ones, at most \(MembershipChange.jointLimit)")
            }
            for position in standings.indices { standings[position].isOutgoing = standings[position].isVoter }
            for change in changes { try carryOutSimple(change) }
            endNeedlessJoint()
        default: try carryOutSimple(change)
        }
        electorate = Electorate(standings)
        guard !electorate.incoming.isEmpty else { throw Impossible(reason: "the last voter cannot be removed") }
    }

    private mutating func carryOutSimple(_ change: MembershipChange) throws(Impossible) {
        switch change {
        case .addLearner(let member): try add(member)
        case .promote(let id): standings[try position(of: id)].isVoter = true
        case .demote(let id): standings[try position(of: id)].isVoter = false
        case .remove(let id):
            let place = try position(of: id)
            if standings[place].isOutgoing {
                standings[place].isVoter = false
                standings[place].isLeaving = true
            } else {
                standings.remove(at: place)
            }
        case .found, .joint, .leaveJoint: throw Impossible(reason: "no simple change")
        }
    }

    private mutating func add(_ member: RaftMember) throws(Impossible) {
        if let place = standings.firstIndex(where: { $0.member.id == member.id }) {
            let known = standings[place].member
            guard known.nodeID == member.nodeID, known.isWitness == member.isWitness else {
                let kind = known.isWitness ? ", a witness" : ""
                throw Impossible(reason: "the identity \(member.id) belongs to host \(known.nodeID)\(kind)")
            }
            standings[place].member = member
            return
        }
        if let other = standings.first(where: { $0.member.nodeID == member.nodeID && !$0.isLeaving }) {
            let reason = "host \(member.nodeID) is a member already, as \(other.member.id): remove that one first"
            throw Impossible(reason: reason)
        }
        guard standings.count < Self.limit else {
            throw Impossible(reason: "a group has at most \(Self.limit) members")
        }
        let place = standings.firstIndex { $0.member.id > member.id } ?? standings.count
        standings.insert(Standing(member: member, isVoter: false), at: place)
    }

    /// Where the voters are the same as before there is nothing to agree on.
    private mutating func endNeedlessJoint() {
        guard standings.allSatisfy({ $0.isVoter == $0.isOutgoing }) else { return }
        for position in standings.indices { standings[position].isOutgoing = false }
    }

    private func position(of id: UInt64) throws(Impossible) -> Int {
        guard let place = standings.firstIndex(where: { $0.member.id == id && !$0.isLeaving }) else {
            throw Impossible(reason: "no member has the identity \(id)")
        }
        return place
    }
}

extension Electorate {
    init(_ standings: [Membership.Standing]) {
        self.init(
            incoming: standings.filter(\.isVoter).map(\.member.id),
            outgoing: standings.filter(\.isOutgoing).map(\.member.id))
    }
}
