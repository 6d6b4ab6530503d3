/// Changes of members (Raft section 6, one at a time or jointly) and the hand-over of leadership (dissertation, section
/// 3.10).
extension Raft {
    /// Whether this member has no state and only votes.
    public var isWitness: Bool { (latestMembership[id] ?? membership[id])?.member.isWitness ?? false }

    /// Whether this member may be elected: where it votes, and also where its last vote is gone by a change that may be
    /// in no other log, since nobody with a shorter one gets its vote (dissertation, section 4.2.2).
    var mayStand: Bool { latestMembership.isVoter(id) || membership.isVoter(id) }

    /// Appends a change to the leader's log. It holds from now on (Raft section 6): were it to hold from when it is
    /// committed, its last voters could be gone before those that come have heard of that. The leader appends none
    /// before the last one is committed, so the members that act on different memberships and can be elected are at
    /// most one change apart and their majorities overlap: one simple change moves one vote, and a joint membership
    /// needs the majorities of its neighbours on both sides.
    mutating func append(_ change: MembershipChange) {
        log.append([.membership(change)], term: term)
        lastChangeIndex = log.lastIndex
        latestMembership.apply(change)
        // The next majority is another one.
        lease.end()
        for other in others where progress[other] == nil {
            var member = Progress(next: log.lastIndex)
            // It counts as heard from until the next check, so that a snapshot may be sent to it.
            member.isActive = true
            progress[other] = member
        }
        if latestMembership[transferTarget] == nil { transferTarget = 0 }
        broadcastAppend()
    }

    /// A change is committed: whoever is gone by it may go.
    mutating func applyChange(_ change: MembershipChange) {
        var after = membership
        after.apply(change)
        if role == .leader {
            // Its last message tells a removed member that its removal is committed.
            for other in membership.ids where after[other] == nil && latestMembership[other] == nil {
                sendAppend(to: other, evenIfEmpty: true)
                progress[other] = nil
            }
        }
        if membership[id] != nil, after[id] == nil { isRemoved = true }
        membership = after
    }

    /// Ends a joint membership once it is committed (dissertation, section 4.3), also one of an earlier leader's.
    mutating func leaveJoint() {
        guard role == .leader, latestMembership.electorate.isJoint, log.committed >= lastChangeIndex else { return }
        append(.leaveJoint)
    }

    /// A leader that has removed itself leads until that is committed, and has just told the others so.
    mutating func stepDownIfRemoved() {
        if role == .leader, !mayStand { becomeFollower(term: term, leader: 0) }
    }

    /// Begins to hand the leadership over; it takes no proposals until it is done, or an election timeout has passed.
    public mutating func transferLeadership(to target: UInt64) throws(Refusal) {
        guard role == .leader, fault == nil else { throw .notLeader }
        guard target != id else { return }
        guard latestMembership.isVoter(target), let member = progress[target] else {
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
    public var bestSuccessor: UInt64? { successor(among: latestMembership.standings.filter(\.isVoter)) }

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
        guard transferTarget == 0, hasCommittedInTerm, let own = latestMembership[id]?.member else { return }
        let preferred = latestMembership.standings.filter { standing in
            standing.isVoter && !standing.member.isWitness
                && (own.isWitness || standing.member.priority > own.priority)
                && progress[standing.member.id]?.matched ?? 0 >= log.committed
        }
        guard let target = successor(among: preferred) else { return }
        try? transferLeadership(to: target)
    }
}
