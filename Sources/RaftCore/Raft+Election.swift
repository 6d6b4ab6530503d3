/// Leader election: Raft sections 5.2 and 5.4.1, pre-vote and the lease against disturbance (Ongaro's dissertation,
/// sections 9.6 and 4.2.3).
extension Raft {
    /// Stands for election now, where this member votes.
    public mutating func campaign() {
        guard fault == nil, role != .leader, mayStand else { return }
        role = .preCandidate
        leader = 0
        votes = VoteTally()
        chooseElectionTimeout()
        votes.record(id, granted: true)
        if votes.outcome(among: latestMembership.electorate) == .won { return beginTerm(isTransfer: false) }
        for voter in latestMembership.voters where voter != id {
            send(.preVoteRequest(lastIndex: log.lastIndex, lastTerm: log.lastTerm), to: voter, term: term + 1)
        }
    }

    /// The leader has told this member to take over: no asking beforehand.
    mutating func campaignForTransfer() {
        guard mayStand else { return }
        beginTerm(isTransfer: true)
    }

    private mutating func beginTerm(isTransfer: Bool) {
        reset(term: term + 1)
        role = .candidate
        vote = id
        votes.record(id, granted: true)
        if votes.outcome(among: latestMembership.electorate) == .won { return becomeLeader() }
        for voter in latestMembership.voters where voter != id {
            send(
                .voteRequest(lastIndex: log.lastIndex, lastTerm: log.lastTerm, isTransfer: isTransfer), to: voter)
        }
    }

    mutating func count(_ granted: Bool, from voter: UInt64) {
        votes.record(voter, granted: granted)
        switch votes.outcome(among: latestMembership.electorate) {
        case .pending: break
        case .lost: becomeFollower(term: term, leader: 0)
        case .won:
            if role == .preCandidate { beginTerm(isTransfer: false) } else { becomeLeader() }
        }
    }

    mutating func becomeFollower(term: UInt64, leader: UInt64) {
        reset(term: term)
        role = .follower
        self.leader = leader
    }

    private mutating func becomeLeader() {
        reset(term: term)
        role = .leader
        leader = id
        for other in others { progress[other] = Progress(next: log.lastIndex + 1) }
        firstIndexOfTerm = log.lastIndex + 1
        lastChangeIndex = firstIndexOfTerm
        // Raft section 8: without an entry of its own term a leader does not know what is committed.
        log.append([.nothing], term: term)
        broadcastAppend()
    }

    private mutating func reset(term: UInt64) {
        if self.term != term {
            self.term = term
            vote = 0
        }
        leader = 0
        electionElapsed = 0
        heartbeatElapsed = 0
        chooseElectionTimeout()
        votes = VoteTally()
        progress = [:]
        firstIndexOfTerm = 0
        lastChangeIndex = 0
        uncommittedBytes = 0
        transferTarget = 0
        reads = PendingReads()
        lease = Lease()
    }

    mutating func chooseElectionTimeout() {
        electionTimeout = Int.random(
            in: configuration.electionTicks..<2 * configuration.electionTicks, using: &generator)
        electionTimeout += configuration.electionTicks * hesitation
    }

    /// How many election timeouts this member leaves to those that had better lead: a witness comes last, since it has
    /// no state, and before it whoever has a lower priority than another voter.
    private var hesitation: Int {
        guard let own = latestMembership[id]?.member else { return 0 }
        if own.isWitness { return 2 }
        let isOutranked = latestMembership.standings.contains { $0.isVoter && $0.member.priority > own.priority }
        return isOutranked ? 1 : 0
    }

    /// Follows a message into its later term; false where the message is to be dropped.
    mutating func stepIntoLaterTerm(_ message: RaftMessage) -> Bool {
        switch message.body {
        case .preVoteRequest, .voteRequest:
            if case .voteRequest(_, _, isTransfer: true) = message.body {} else if hasLivingLeader { return false }
            if case .voteRequest = message.body { becomeFollower(term: message.term, leader: 0) }
        case .preVoteResponse(granted: true): break
        case .append, .heartbeat, .snapshot, .snapshotChunk:
            becomeFollower(term: message.term, leader: message.from)
        default: becomeFollower(term: message.term, leader: 0)
        }
        return true
    }

    /// A leader was heard from within the election timeout: nobody shall disturb it, and its lease may hold.
    var hasLivingLeader: Bool { role == .leader || silence < configuration.electionTicks }

    /// Tells those who lag behind about the term, so that they step down or follow.
    mutating func answerEarlierTerm(_ message: RaftMessage) {
        switch message.body {
        case .append, .heartbeat, .snapshot: send(.heartbeatResponse(read: 0), to: message.from)
        case .preVoteRequest: send(.preVoteResponse(granted: false), to: message.from)
        default: break
        }
    }

    mutating func answerVote(_ message: RaftMessage, lastIndex: UInt64, lastTerm: UInt64, isPreVote: Bool) {
        let isFree = vote == message.from || vote == 0 && leader == 0 || isPreVote && message.term > term
        let granted = isFree && log.isUpToDate(lastIndex: lastIndex, lastTerm: lastTerm)
        if isPreVote {
            send(.preVoteResponse(granted: granted), to: message.from, term: granted ? message.term : term)
        } else {
            if granted {
                electionElapsed = 0
                vote = message.from
            }
            send(.voteResponse(granted: granted), to: message.from)
        }
    }
}
