import RaftCore

/// Why the group did not do what was asked.
public enum RaftError: Error, Sendable, Hashable {
    /// Only the leader does this; ask it, where it is known.
    case notLeader(leader: RaftMember?)
    /// The leadership ended while the proposal was on its way: it may be applied later, or never.
    case leadershipLost
    /// No answer in time. A proposal may be applied later, or never.
    case timedOut
    /// More than `RaftNode.commandByteLimit` bytes.
    case commandTooLarge(bytes: Int)
    /// Too many proposals wait to be committed; nothing was proposed.
    case tooManyProposals
    /// The log has come to the index that the proposal was not to come after; nothing was proposed.
    case tooLate(UInt64)
    /// `bootstrap` or `join` comes first.
    case notAMember
    /// `bootstrap` or `join` was called on a node that has a log already.
    case alreadyAMember
    case unknownMember(UInt64)
    /// The change of members is not possible; the text says why.
    case membershipRefused(String)
    /// The learner did not catch up in time to be promoted.
    case memberTooFarBehind(UInt64)
    /// The node has been stopped, or stopped itself; the text says why.
    case stopped(String)
    /// `raft.sqlite` or a snapshot could not be read or written.
    case storage(String)
    /// There is no room for what had to be written; nothing was.
    case diskFull(String)
    /// What this member has promised cannot be proven any more: the text says what is damaged. It must not take part
    /// under its identity again.
    case damaged(String, directory: String)

    var isDiskFull: Bool { if case .diskFull = self { true } else { false } }
}

extension RaftError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notLeader(let leader):
            if let leader { "this manager is not the leader, \(leader.nodeID) is" } else { "the group has no leader" }
        case .leadershipLost: "the leadership ended before the proposal was committed"
        case .timedOut: "the group did not answer in time: a majority of the managers may be unreachable"
        case .commandTooLarge(let bytes): "the change has \(bytes) bytes, more than \(RaftNode.commandByteLimit)"
        case .tooManyProposals: "too many changes wait to be committed"
        case .tooLate(let index): "the log has come to entry \(index) already"
        case .notAMember: "this host has not joined a Raft group"
        case .alreadyAMember: "this host belongs to a Raft group already"
        case .unknownMember(let id): "no member has the identity \(id)"
        case .membershipRefused(let reason): reason
        case .memberTooFarBehind(let id): "member \(id) has not caught up with the log yet"
        case .stopped(let reason): "the Raft node has stopped: \(reason)"
        case .storage(let reason): "Raft storage: \(reason)"
        case .diskFull(let reason): "the disk is full: \(reason)"
        case .damaged(let what, let directory):
            """
            this manager's Raft storage is damaged: \(what). Its vote and its log cannot be proven any more, so it \
            does not take part again under its identity; the other managers have the log. Demote this manager on one of \
            them, stop martletd here, move \(directory) away, start martletd and let the host join as a manager \
            again. Where there is no other manager, restore a backup
            """
        }
    }
}
