import Logging
import RaftCore

struct IncomingProposal {
    let bytes: [UInt8]
    /// Not in another one.
    let term: UInt64?
    /// Nowhere behind it.
    let lastIndex: UInt64?
    let reply: Reply<(index: UInt64, result: [UInt8])>
}

struct PendingProposal {
    let term: UInt64
    /// In ticks since the start, as all deadlines here.
    let deadline: UInt64
    let reply: Reply<(index: UInt64, result: [UInt8])>
}

struct PendingRead {
    let deadline: UInt64
    let reply: Reply<UInt64>
}

/// Reads that share one question to the leader.
struct IssuedRead {
    let reads: [PendingRead]
    let leader: UInt64
    let term: UInt64
    let issued: UInt64
}

struct AppliedWaiter {
    let index: UInt64
    let deadline: UInt64
    let reply: Reply<UInt64>
}

/// Calls from outside, from their arrival to their answer.
extension NodeLoop {
    func handle(_ event: Event) {
        if isWaitingForRoom, refusesWithoutRoom(event) { return }
        switch event {
        case .message(let message, let nodeID): receive(message, from: nodeID)
        case .bootstrap(let member, let reply): bootstrap(member, reply)
        case .join(let member, let peers, let reply): join(member, peers, reply)
        case .propose(let proposal): incoming.append(proposal)
        case .read(let reply): unissuedReads.append(PendingRead(deadline: requestDeadline, reply: reply))
        case .waitApplied(let index, let reply): wait(for: index, reply, deadline: requestDeadline)
        case .changeMembers(let change, let seen, let reply):
            guard raft != nil else { return reply.fail(.notAMember) }
            memberRequests.append(
                MemberRequest(
                    change: change, seen: seen, arrived: now, deadline: now + UInt64(timing.membershipTicks),
                    reply: reply))
        case .transfer(let target, let reply): transfer(to: target, reply)
        case .snapshotWritten(let result): snapshotWritten(result)
        case .damageFound(let damage): handle(damage)
        case .stop, .abandon: preconditionFailure("the loop's own business")
        }
    }

    private var requestDeadline: UInt64 { now + UInt64(timing.requestTicks) }

    private func wait(for index: UInt64, _ reply: Reply<UInt64>, deadline: UInt64) {
        guard let raft else { return reply.fail(.notAMember) }
        if raft.appliedIndex >= index { return later(reply, index) }
        appliedWaiters.append(AppliedWaiter(index: index, deadline: deadline, reply: reply))
    }

    private func receive(_ message: RaftMessage, from nodeID: String) {
        guard raft != nil else { return }
        if let known = member(message.from), known.nodeID != nodeID {
            logger.warning(
                "dropped a Raft message in another host's name",
                metadata: ["claimed": "\(known.nodeID)", "sender": "\(nodeID)"])
            return
        }
        // Whoever wants something proposed asks the leader's manager, which makes the command: bytes of another host's,
        // once committed, would stop every member that cannot read them, for good.
        if case .proposals = message.body {
            logger.warning("dropped proposals in a Raft message", metadata: ["sender": "\(nodeID)"])
            return
        }
        raft?.step(message)
        guard let raft, message.to == raft.id, message.term == raft.currentTerm else { return }
        switch message.body {
        case .snapshotChunk(let chunk): receive(chunk, from: message.from)
        case .snapshotReceived(let index, let count):
            if let sender = senders[message.from], sender.file.metadata.index == index {
                sender.receive(count, now: now)
                pump(sender, to: message.from)
            }
        default: break
        }
    }

    // Membership of this node.

    private func bootstrap(_ member: RaftMember, _ reply: Reply<Void>) {
        guard raft == nil else { return reply.fail(.alreadyAMember) }
        let (hardState, entry) = Raft.founding(member)
        var restored = Raft.Restored()
        restored.hardState = hardState
        restored.entries = [entry]
        begin(as: member, restored, reply) { () throws(RaftError) in try storage.found(member, hardState, entry) }
        guard raft != nil else { return }
        raft?.campaign()
        foundingReply = reply
    }

    private func join(_ member: RaftMember, _ peers: [RaftMember], _ reply: Reply<Void>) {
        guard raft == nil else { return reply.fail(.alreadyAMember) }
        guard member.isWitness != stateMachine.hasState else {
            return reply.fail(.membershipRefused("a witness has no state, and everybody else has one"))
        }
        begin(as: member, Raft.Restored(), reply) { () throws(RaftError) in try storage.join(member, peers: peers) }
        guard raft != nil else { return }
        for peer in peers { addresses[peer.id] = peer }
        later(reply, ())
    }

    private func begin(
        as member: RaftMember, _ restored: Raft.Restored, _ reply: Reply<Void>, write: () throws(RaftError) -> Void
    ) {
        do throws(RaftError) {
            guard stateMachine.appliedIndex == 0 else {
                throw RaftError.storage("the state is not empty, but it has no log: delete it first")
            }
            let raft = try Self.makeRaft(member, restored, timing)
            try write()
            self.raft = raft
            self.member = member
            noteAddresses()
        } catch {
            reply.fail(error)
        }
    }

    // Proposals and reads.

    /// Puts all that has come in since the last time into the log as one batch.
    func proposeIncoming() {
        guard !incoming.isEmpty else { return }
        let batch = incoming
        incoming = []
        // The core itself is not bound: a second holder would have its log copied at every batch.
        guard let term = raft?.currentTerm, let lastIndex = raft?.lastIndex else {
            for proposal in batch { proposal.reply.fail(.notAMember) }
            return
        }
        var taken: [IncomingProposal] = []
        for proposal in batch {
            if proposal.term ?? term != term {
                proposal.reply.fail(.notLeader(leader: member(raft?.leader ?? 0)))
            } else if let limit = proposal.lastIndex, lastIndex + UInt64(taken.count) >= limit {
                proposal.reply.fail(.tooLate(limit))
            } else {
                taken.append(proposal)
            }
        }
        guard !taken.isEmpty else { return }
        do {
            let first = try self.raft!.propose(taken.map(\.bytes))
            for (offset, proposal) in taken.enumerated() {
                proposals[first + UInt64(offset)] = PendingProposal(
                    term: term, deadline: requestDeadline, reply: proposal.reply)
            }
        } catch {
            let refusal = self.refusal(error)
            for proposal in taken { proposal.reply.fail(refusal) }
        }
    }

    func refusal(_ refusal: Raft.Refusal) -> RaftError {
        switch refusal {
        case .notLeader: .notLeader(leader: member(raft?.leader ?? 0))
        case .transferring: .notLeader(leader: nil)
        case .tooMuchUncommitted: .tooManyProposals
        case .changePending: .membershipRefused("another change of members is under way")
        case .impossibleChange(let reason): .membershipRefused(reason)
        }
    }

    /// Asks one question for all reads that wait for one.
    func issueReads() {
        guard !unissuedReads.isEmpty else { return }
        guard let raft else {
            for read in unissuedReads { read.reply.fail(.notAMember) }
            unissuedReads = []
            return
        }
        guard self.raft!.requestRead(lastReadRequest + 1) else { return }
        lastReadRequest += 1
        issuedReads[lastReadRequest] = IssuedRead(
            reads: unissuedReads, leader: raft.leader, term: raft.currentTerm, issued: now)
        unissuedReads = []
    }

    func answerReads(_ read: ReadState) {
        guard let issued = issuedReads.removeValue(forKey: read.request) else { return }
        for pending in issued.reads { wait(for: read.index, pending.reply, deadline: pending.deadline) }
    }

    // What follows from a step of the core.

    /// Looks after everything that waits for the core's state.
    func settle() throws(RaftError) {
        guard let raft else { return }
        if raft.isRemoved, !isRemovalRecorded {
            do throws(RaftError) {
                try storage.markRemoved()
                isRemovalRecorded = true
                logger.notice("this member was removed from the Raft group")
            } catch .diskFull {
                // Again in the next turn; the core knows.
            } catch {
                throw error
            }
        }
        if let reply = foundingReply, isLeading {
            foundingReply = nil
            later(reply, ())
        }
        failLostProposals(raft)
        proposeMemberChanges()
        if !transfers.isEmpty {
            let isOver = raft.role != .leader
            for request in transfers where isOver || !raft.isTransferring || request.term != raft.currentTerm {
                if isOver || request.term != raft.currentTerm {
                    later(request.reply, ())
                } else {
                    request.reply.fail(.timedOut)
                }
            }
            if isOver || !raft.isTransferring { transfers = [] }
        }
        if raft.role != .leader { senders = [:] }
        dropUselessSnapshots()
        startSnapshotIfDue()
    }

    /// A leader that has stepped down cannot tell what becomes of its proposals, but of those it knows committed.
    private func failLostProposals(_ raft: Raft) {
        func isLost(_ index: UInt64, _ term: UInt64) -> Bool {
            if raft.role == .leader, raft.currentTerm == term { return false }
            return index > raft.committedIndex || raft.term(at: index) != term
        }
        for (index, proposal) in proposals where isLost(index, proposal.term) {
            proposals[index] = nil
            proposal.reply.fail(.leadershipLost)
        }
        failMemberRequests(.leadershipLost) { request in
            request.proposed.map { isLost($0.index, $0.term) } ?? false
        }
    }

    /// Once in each tick: deadlines, and what may have been lost on the way.
    func handleTick() {
        proposals = proposals.filter { _, proposal in
            if proposal.deadline > now { return true }
            proposal.reply.fail(.timedOut)
            return false
        }
        appliedWaiters.removeAll { waiter in
            if waiter.deadline > now { return false }
            waiter.reply.fail(.timedOut)
            return true
        }
        for request in memberRequests where request.deadline <= now {
            if request.proposed == nil, let id = learnerBehind(in: request.change) {
                request.reply.fail(.memberTooFarBehind(id))
            } else {
                request.reply.fail(.timedOut)
            }
        }
        memberRequests.removeAll { $0.deadline <= now }
        tickReads()
        tickSnapshots()
    }

    /// Asks again where the question or its answer may be lost, or the leader is another one.
    private func tickReads() {
        for (request, issued) in issuedReads {
            let isStale = issued.leader != raft?.leader || issued.term != raft?.currentTerm
            guard isStale || now - issued.issued >= UInt64(timing.electionTicks) else { continue }
            issuedReads[request] = nil
            unissuedReads += issued.reads
        }
        unissuedReads.removeAll { read in
            if read.deadline > now { return false }
            read.reply.fail(.timedOut)
            return true
        }
    }

    func refuseEverything(_ error: RaftError) {
        for proposal in proposals.values { proposal.reply.fail(error) }
        for proposal in incoming { proposal.reply.fail(error) }
        for read in unissuedReads { read.reply.fail(error) }
        for issued in issuedReads.values {
            for read in issued.reads { read.reply.fail(error) }
        }
        for waiter in appliedWaiters { waiter.reply.fail(error) }
        for request in memberRequests { request.reply.fail(error) }
        for request in transfers { request.reply.fail(error) }
        foundingReply?.fail(error)
        proposals = [:]
        incoming = []
        unissuedReads = []
        issuedReads = [:]
        appliedWaiters = []
        memberRequests = []
        transfers = []
        foundingReply = nil
    }
}
