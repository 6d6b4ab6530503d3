import RaftCore

/// What a node knows of itself and its group at one moment.
public struct RaftStatus: Sendable, Hashable {
    /// What the node does in the group.
    public enum Role: String, Sendable, Hashable {
        /// Neither bootstrapped nor joined.
        case idle
        case learner, follower, candidate, leader
        /// The group has removed it; it does nothing any more.
        case removed
        /// It stopped, or stopped itself; `failure` says why.
        case stopped
    }

    /// A member as the group has it.
    public struct Member: Sendable, Hashable {
        public let member: RaftMember
        /// False for a learner, which receives the log and has no vote; during a joint change, what it will be.
        public let isVoter: Bool
        /// It voted before the joint change that is under way, whose majority is still needed.
        public let isOutgoing: Bool
        /// The last entry that the member is known to have on its disk; only the leader knows.
        public let matchedIndex: UInt64?
        /// Whether it was heard from within the last election timeout; only the leader knows.
        public let isActive: Bool?
    }

    /// All that take part: the members, and those of a change that is not committed yet.
    public internal(set) var peers: [RaftMember] = []
    /// This node, once it is a member.
    public internal(set) var member: RaftMember?
    public internal(set) var role: Role = .idle
    public internal(set) var term: UInt64 = 0
    /// The leader of the term, where one is known.
    public internal(set) var leader: RaftMember?
    /// The node leads and has applied everything that was committed before it did: its state is the group's.
    public internal(set) var isLeading = false
    public internal(set) var committedIndex: UInt64 = 0
    public internal(set) var appliedIndex: UInt64 = 0
    public internal(set) var lastIndex: UInt64 = 0
    /// The oldest entry still in the log.
    public internal(set) var firstIndex: UInt64 = 1
    /// The newest durable snapshot; 0 where there is none.
    public internal(set) var snapshotIndex: UInt64 = 0
    /// Voters and learners, by identity.
    public internal(set) var members: [Member] = []
    /// Several members are being exchanged: majorities of the voters before and after it are needed until that ends.
    public var isJoint: Bool { members.contains(where: \.isOutgoing) }
    /// The disk is full: the node does not lead, votes for nobody and acknowledges nothing until there is room. It
    /// tries again by itself.
    public internal(set) var isDiskFull = false
    /// Why the node stopped itself.
    public internal(set) var failure: String?
    /// What keeps this node from taking part, in words for those who run it; nil where nothing does.
    public var impediment: String? {
        if let failure { return "this manager has stopped taking part: \(failure)" }
        return isDiskFull ? "the disk of this manager is full: it takes no part until there is room" : nil
    }
}
