import RaftCore

struct MemberRequest {
    let change: MembershipChange
    /// Who was a member and voted when it was decided; nil for a change that waits for its turn.
    let seen: [UInt64: Bool]?
    let arrived: UInt64
    let deadline: UInt64
    var proposed: (index: UInt64, term: UInt64)?
    let reply: Reply<Void>
}

struct TransferRequest {
    let term: UInt64
    let reply: Reply<Void>
}

extension MemberRequest {
    /// Marks a request that has its answer and only has to leave the list.
    static let answered: (index: UInt64, term: UInt64) = (0, 0)

    var isAnswered: Bool { proposed.map { $0.index == 0 } ?? false }
}

/// Changes of the group's members and the hand-over of leadership.
extension NodeLoop {
    /// Proposes the changes whose turn has come.
    func proposeMemberChanges() {
        guard !memberRequests.isEmpty else { return }
        guard raft?.role == .leader else {
            return failMemberRequests(
                .notLeader(leader: member(raft?.leader ?? 0)), where: { $0.proposed == nil })
        }
        for position in memberRequests.indices where memberRequests[position].proposed == nil {
            proposeMemberChange(at: position)
        }
        memberRequests.removeAll { $0.isAnswered }
    }

    private func proposeMemberChange(at position: Int) {
        let request = memberRequests[position]
        guard let raft else { return }
        /// What passes is waited for; what is for now or never waits for so many ticks.
        func hold(_ error: RaftError, for ticks: Int = 0) {
            if request.seen != nil, now >= request.arrived + UInt64(ticks) { answer(position, .failure(error)) }
        }

        guard isLeading else { return hold(.notLeader(leader: nil)) }
        if let seen = request.seen, !raft.membership.isAsSeen(seen) {
            return answer(position, .failure(.membershipRefused("the members are others by now")))
        }
        if let result = request.change.known(to: raft.membership) { return answer(position, result) }
        if let id = learnerBehind(in: request.change) {
            return hold(.memberTooFarBehind(id), for: timing.catchUpTicks)
        }
        do {
            let index = try self.raft!.propose(request.change)
            memberRequests[position].proposed = (index, raft.currentTerm)
        } catch {
            switch error {
            case .changePending, .transferring: hold(refusal(error))
            default: answer(position, .failure(refusal(error)))
            }
        }
    }

    /// Who would get a vote and has not caught up with the log yet, or is not heard.
    func learnerBehind(in change: MembershipChange) -> UInt64? {
        change.promoted.first { id in
            guard let raft, let progress = raft.progress(of: id), progress.isActive else { return true }
            return progress.matched + RaftNode.promotionLag < raft.lastIndex
        }
    }

    private func answer(_ position: Int, _ result: Result<Void, RaftError>) {
        let reply = memberRequests[position].reply
        answers.append { reply.continuation.resume(returning: result) }
        memberRequests[position].proposed = MemberRequest.answered
    }

    /// Answers the changes that an applied entry carries out, and joint ones when they end; a change whose place in the
    /// log another entry has taken was lost.
    func settleMemberRequests(_ entry: Entry) {
        memberRequests.removeAll { request in
            guard let proposed = request.proposed, !request.isAnswered else { return false }
            if proposed.index == entry.index {
                guard proposed.term == entry.term else {
                    request.reply.fail(.leadershipLost)
                    return true
                }
                if raft?.membership(at: entry.index).electorate.isJoint == true { return false }
            } else if proposed.index > entry.index || entry.payload != .membership(.leaveJoint) {
                return false
            }
            later(request.reply, ())
            return true
        }
    }

    func failMemberRequests(_ error: RaftError, where isMeant: (MemberRequest) -> Bool) {
        for request in memberRequests where isMeant(request) { request.reply.fail(error) }
        memberRequests.removeAll(where: isMeant)
    }

    func transfer(to target: UInt64?, _ reply: Reply<Void>) {
        guard let raft else { return reply.fail(.notAMember) }
        guard raft.role == .leader else { return reply.fail(.notLeader(leader: member(raft.leader))) }
        guard let target = target ?? raft.bestSuccessor else {
            return reply.fail(.membershipRefused("no other voter answers"))
        }
        if target == raft.id { return reply.succeed(()) }
        do {
            try self.raft!.transferLeadership(to: target)
            transfers.append(TransferRequest(term: raft.currentTerm, reply: reply))
        } catch {
            reply.fail(refusal(error))
        }
    }
}

extension Membership {
    /// Whether the members are those that somebody has seen, with the same votes, and no joint change is under way.
    fileprivate func isAsSeen(_ votes: [UInt64: Bool]) -> Bool {
        !electorate.isJoint && standings.count == votes.count
            && standings.allSatisfy { votes[$0.member.id] == $0.isVoter }
    }
}

extension MembershipChange {
    /// Whom it gives a vote.
    var promoted: [UInt64] {
        switch self {
        case .promote(let id): [id]
        case .joint(let changes): changes.flatMap(\.promoted)
        case .found, .addLearner, .demote, .remove, .leaveJoint: []
        }
    }

    /// The answer where nothing has to be proposed: what is asked for is so already, or is about a member that there is
    /// not.
    fileprivate func known(to membership: Membership) -> Result<Void, RaftError>? {
        switch self {
        case .addLearner(let member): membership[member.id]?.member == member ? .success(()) : nil
        case .promote(let id): Self.known(membership[id], id) { $0.isVoter }
        case .demote(let id): Self.known(membership[id], id) { !$0.isVoter && !$0.isOutgoing }
        case .remove(let id): Self.known(membership[id], id) { _ in false }
        case .joint:
            promoted.first { membership[$0] == nil }.map { .failure(.unknownMember($0)) }
        case .found, .leaveJoint: nil
        }
    }

    private static func known(
        _ standing: Membership.Standing?, _ id: UInt64, _ isSo: (Membership.Standing) -> Bool
    ) -> Result<Void, RaftError>? {
        guard let standing else { return .failure(.unknownMember(id)) }
        return isSo(standing) ? .success(()) : nil
    }
}
