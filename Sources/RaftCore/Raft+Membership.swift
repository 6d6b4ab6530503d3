/// Changes of members (Raft section 6, one at a time or jointly) and the hand-over of leadership (dissertation, section
/// 3.10).
extension Raft {
    /// Whether this member has no state and only votes.
    public var isWitness: Bool { membership[id]?.member.isWitness ?? false }

    /// A change takes effect when it is committed. The leader proposes none before the last one was, and a member that
    /// has a change in its log has been told that the one before it is committed, so the members that act on different
    /// memberships are at most one change apart and their majorities overlap: one simple change moves one vote, and a
    /// joint membership needs the majorities of its neighbours on both sides.
    mutating func applyChange(_ change: MembershipChange) {
        var after = membership
        after.apply(change)
        if role == .leader {
            // Its last message tells a removed member that its removal is committed.
            for other in others where after[other] == nil { sendAppend(to: other, evenIfEmpty: true) }
        }
        if membership[id] != nil, after[id] == nil { isRemoved = true }
        membership = after
        // The next majority is another one.
        lease.end()
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

    /// Ends a joint membership once it is committed (dissertation, section 4.3), also one of an earlier leader's.
    mutating func leaveJoint() {
        guard role == .leader, membership.electorate.isJoint, log.committed >= lastChangeIndex else { return }
        log.append([.membership(.leaveJoint)], term: term)
        lastChangeIndex = log.lastIndex
        broadcastAppend()
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

    /// The voter to hand the leadership to: active, of the highest priority and furthest along; a witness where nobody
    /// else is there.
    public var bestSuccessor: UInt64? { successor(among: membership.standings.filter(\.isVoter)) }

    private func successor(among candidates: [Membership.Standing]) -> UInt64? {
        func rank(_ member: RaftMember) -> (Int, UInt8, UInt64) {
            (member.isWitness ? 0 : 1, member.priority, progress[member.id]?.matched ?? 0)
        }
        return candidates.map(\.member)
            .filter { $0.id != id && (progress[$0.id]?.isActive == true || progress[$0.id]?.wasActive == true) }
            .max { rank($0) < rank($1) }?.id
    }

    /// Hands over to a voter that had better lead and has all that is committed.
    mutating func yieldToPreferred() {
        guard transferTarget == 0, hasCommittedInTerm, let own = membership[id]?.member else { return }
        let preferred = membership.standings.filter { standing in
            standing.isVoter && !standing.member.isWitness
                && (own.isWitness || standing.member.priority > own.priority)
                && progress[standing.member.id]?.matched ?? 0 >= log.committed
        }
        guard let target = successor(among: preferred) else { return }
        try? transferLeadership(to: target)
    }
}
