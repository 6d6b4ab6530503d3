import RaftCore

struct MemberRequest {
    let change: MembershipChange
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
        guard let raft, isLeading else { return }
        if case .promote(let id) = request.change {
            if raft.membership.isVoter(id) { return answer(position, .success(())) }
            if raft.membership[id] == nil { return answer(position, .failure(.unknownMember(id))) }
            guard let progress = raft.progress(of: id), progress.isActive,
                progress.matched + RaftNode.promotionLag >= raft.lastIndex
            else { return }
        }
        if case .addLearner(let member) = request.change, raft.membership[member.id]?.member == member {
            return answer(position, .success(()))
        }
        if case .remove(let id) = request.change, raft.membership[id] == nil {
            return answer(position, .failure(.unknownMember(id)))
        }
        do {
            let index = try self.raft!.propose(request.change)
            memberRequests[position].proposed = (index, raft.currentTerm)
        } catch .changePending, .transferring {
            // Its turn comes.
        } catch {
            answer(position, .failure(refusal(error)))
        }
    }

    private func answer(_ position: Int, _ result: Result<Void, RaftError>) {
        let reply = memberRequests[position].reply
        answers.append { reply.continuation.resume(returning: result) }
        memberRequests[position].proposed = MemberRequest.answered
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
