/// Changes of members (Raft section 6, one at a time) and the hand-over of leadership (dissertation, section 3.10).
extension Raft {
    /// A change takes effect when it is committed. The leader proposes none before the last one was, and a member that
    /// has a change in its log has been told that the one before it is committed, so the members that act on different
    /// memberships are at most one change apart and their majorities overlap.
    mutating func applyChange(_ change: MembershipChange) {
        if role == .leader, case .remove(let removed) = change, removed != id {
            // Its last message tells it that its removal is committed.
            sendAppend(to: removed, evenIfEmpty: true)
        }
        membership.apply(change)
        // The next majority is another one.
        lease.end()
        if change == .remove(id) { isRemoved = true }
        guard role == .leader else { return }
        for other in others where progress[other] == nil {
            var member = Progress(next: log.lastIndex + 1)
            // It counts as heard from until the next check, so that a snapshot may be sent to it.
            member.isActive = true
            progress[other] = member
        }
        for known in progress.keys where membership[known] == nil { progress[known] = nil }
        if membership[transferTarget] == nil { transferTarget = 0 }
    }

    /// A leader that has removed itself leads until that is committed, and has just told the others so.
    mutating func stepDownIfRemoved() {
        if role == .leader, !membership.isVoter(id) { becomeFollower(term: term, leader: 0) }
    }

    /// Begins to hand the leadership over; it takes no proposals until it is done, or an election timeout has passed.
    public mutating func transferLeadership(to target: UInt64) throws(Refusal) {
        guard role == .leader, fault == nil else { throw .notLeader }
        guard target != id else { return }
        guard membership.isVoter(target), let member = progress[target] else {
            throw .impossibleChange("\(target) is no voter")
        }
        guard transferTarget == 0 else { throw .transferring }
        transferTarget = target
        electionElapsed = 0
        if member.matched == log.lastIndex {
            handOver(to: target)
        } else {
            sendAppend(to: target, evenIfEmpty: true)
        }
    }

    /// Whoever is told so may be elected although a majority has just confirmed this leader, also when the message
    /// comes late: so there is no lease any more in this term.
    mutating func handOver(to target: UInt64) {
        lease.giveUp()
        send(.timeoutNow, to: target)
    }

    /// The voter to hand the leadership to: active and furthest along.
    public var bestSuccessor: UInt64? {
        membership.voters
            .filter { $0 != id && progress[$0]?.isActive == true }
            .max { progress[$0]?.matched ?? 0 < progress[$1]?.matched ?? 0 }
    }
}
