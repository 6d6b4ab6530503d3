/// One change of the members. Only one is under way at a time, so that majorities before and after it overlap (Raft
/// section 6; Ongaro's dissertation, section 4.1); several members at once are changed through a joint membership.
public enum MembershipChange: Hashable, Sendable {
    /// The first entry of a new group: its only voter.
    case found(RaftMember)
    /// A new member without a vote, or a new address and priority of a known one.
    case addLearner(RaftMember)
    /// A learner gets its vote.
    case promote(UInt64)
    /// A voter becomes a learner.
    case demote(UInt64)
    case remove(UInt64)
    /// Several changes of the above, in order: from now on majorities of the voters before and of those after it are
    /// needed, until the leader ends that with `leaveJoint` (Raft section 6; dissertation, section 4.3).
    case joint([MembershipChange])
    case leaveJoint

    /// The most changes in a joint one.
    public static let jointLimit = 2 * Membership.limit

    /// Whether it may be part of a joint change.
    var isSimple: Bool {
        switch self {
        case .addLearner, .promote, .demote, .remove: true
        case .found, .joint, .leaveJoint: false
        }
    }
}
