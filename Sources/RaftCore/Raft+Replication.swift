/// Log replication: Raft sections 5.3 and 5.4.2, and snapshots, section 7.
extension Raft {
    /// Why a proposal was not taken; nothing was appended.
    public enum Refusal: Error, Hashable, Sendable {
        case notLeader
        /// The leadership is being handed over.
        case transferring
        case tooMuchUncommitted
        /// Another change of members is not committed yet.
        case changePending
        case impossibleChange(String)
    }

    /// Appends commands to the leader's log; the first one's index. They are this leader's if they are committed in the
    /// present term.
    public mutating func propose(_ commands: [[UInt8]]) throws(Refusal) -> UInt64 {
        try checkCanPropose()
        let bytes = commands.reduce(0) { $0 + $1.count }
        guard uncommittedBytes == 0 || uncommittedBytes + bytes <= configuration.uncommittedByteLimit else {
            throw .tooMuchUncommitted
        }
        uncommittedBytes += bytes
        let first = log.lastIndex + 1
        log.append(commands.map { .command($0) }, term: term)
        broadcastAppend()
        return first
    }

    /// Hands commands to the leader, who proposes them if it can; nobody says whether it did. They name themselves by a
    /// `CommandID`, so that they may be handed over again. False where no leader is known, or this member is it.
    public mutating func forward(_ commands: [[UInt8]]) -> Bool {
        guard fault == nil, role == .follower, leader != 0 else { return false }
        send(.proposals(commands), to: leader)
        return true
    }

    /// Appends a change of members; its index.
    public mutating func propose(_ change: MembershipChange) throws(Refusal) -> UInt64 {
        try checkCanPropose()
        guard log.committed >= lastChangeIndex else { throw .changePending }
        if let reason = latestMembership.refusal(of: change) { throw .impossibleChange(reason) }
        append(change)
        return log.lastIndex
    }

    private func checkCanPropose() throws(Refusal) {
        guard role == .leader, fault == nil, !isWitness else { throw .notLeader }
        guard transferTarget == 0 else { throw .transferring }
    }

    mutating func tickAsLeader() {
        if electionElapsed >= configuration.electionTicks {
            electionElapsed = 0
            transferTarget = 0
            guard hearsMajority() else { return becomeFollower(term: term, leader: 0) }
            yieldToPreferred()
        }
        heartbeatElapsed += 1
        if heartbeatElapsed >= configuration.heartbeatTicks { broadcastHeartbeat() }
    }

    /// Whether a majority was heard from since the last time this was asked.
    private mutating func hearsMajority() -> Bool {
        let isHeard = latestMembership.electorate.hasMajority { $0 == id || progress[$0]?.isActive == true }
        for other in others { progress[other]?.beginPeriod() }
        return isHeard
    }

    mutating func broadcastHeartbeat() {
        heartbeatElapsed = 0
        reads.round += 1
        lease.sent(reads.round, at: now)
        for other in others {
            let known = min(progress[other]?.matched ?? 0, log.committed)
            send(.heartbeat(commit: known, read: reads.round), to: other)
        }
    }

    mutating func broadcastAppend() {
        for other in others { sendAppend(to: other, evenIfEmpty: true) }
    }

    /// Sends what the member lacks, as far as its window allows; false where nothing was sent.
    @discardableResult
    mutating func sendAppend(to receiver: UInt64, evenIfEmpty: Bool) -> Bool {
        guard var member = progress[receiver], !member.isPaused else { return false }
        defer { progress[receiver] = member }
        let previous = member.next - 1
        guard let previousTerm = log.term(at: previous) else {
            // Raft section 7: the entry is gone, so the whole state goes, once the member is known to live. A witness's
            // newest snapshot may end before its log begins: who has as much would accept it, and be sent it again.
            guard let snapshot = latestSnapshot, snapshot.index >= log.baseIndex, member.isActive else { return false }
            member.sendSnapshot(snapshot.index)
            send(.snapshot(snapshot), to: receiver)
            return true
        }
        var entries: [Entry] = []
        if !member.window.isFull(configuration) {
            entries = log.entries(from: member.next, byteLimit: configuration.appendByteLimit)
        }
        if entries.isEmpty, !evenIfEmpty { return false }
        member.sent(through: entries.last?.index, bytes: entries.reduce(0) { $0 + $1.byteCount })
        send(
            .append(previousIndex: previous, previousTerm: previousTerm, commit: log.committed, entries: entries),
            to: receiver)
        return true
    }

    // A follower's side.

    mutating func merge(
        _ entries: [Entry], after previousIndex: UInt64, _ previousTerm: UInt64, commit: UInt64, from sender: UInt64
    ) {
        if previousIndex < log.committed {
            return send(.appendAccepted(index: log.committed), to: sender)
        }
        switch log.merge(previousIndex: previousIndex, previousTerm: previousTerm, entries) {
        case .agreed(let last, let movesMembers):
            if movesMembers { latestMembership = membership(at: log.lastIndex) }
            commitThrough(min(commit, last))
            send(.appendAccepted(index: last), to: sender)
        case .rejected:
            let hint = log.agreement(upTo: previousIndex, term: previousTerm)
            send(
                .appendRejected(rejected: previousIndex, hint: hint.index, hintTerm: hint.term ?? 0), to: sender)
        case .conflict(let index):
            fault = "entry \(index) is committed here and differs from the one of leader \(sender), term \(term)"
        }
    }

    mutating func restore(_ snapshot: SnapshotMetadata, from sender: UInt64) {
        if snapshot.index <= log.committed {
            return send(.appendAccepted(index: log.committed), to: sender)
        }
        if log.term(at: snapshot.index) == snapshot.term {
            commitThrough(snapshot.index)
            return send(.appendAccepted(index: log.committed), to: sender)
        }
        log.reset(to: snapshot)
        baseMembership = snapshot.membership
        membership = snapshot.membership
        latestMembership = snapshot.membership
        pendingSnapshot = snapshot
        latestSnapshot = snapshot
        send(.appendAccepted(index: snapshot.index), to: sender)
    }

    // A leader's side.

    mutating func accepted(_ index: UInt64, by sender: UInt64) {
        guard var member = progress[sender], index <= log.lastIndex else { return }
        let wasWaiting = member.isPaused || member.window.isFull(configuration)
        member.isActive = true
        let isNews = member.accept(index)
        switch member.mode {
        case .probe: member.replicate()
        case .snapshot(let pending): if member.matched >= pending { member.replicate() }
        case .replicate: member.window.free(through: index)
        }
        progress[sender] = member
        let isWaiting = member.isPaused || member.window.isFull(configuration)
        if isNews, commitWhatMajorityHas() {
            // Followers have learned the new commit index from the messages just sent.
        } else if wasWaiting, !isWaiting {
            // Not while the window is full: answer and message would go to and fro without end.
            sendAppend(to: sender, evenIfEmpty: true)
        }
        guard role == .leader else { return }
        while sendAppend(to: sender, evenIfEmpty: false) {}
        if sender == transferTarget, progress[sender]?.matched == log.lastIndex { handOver(to: sender) }
    }

    mutating func rejected(_ rejected: UInt64, hint: UInt64, hintTerm: UInt64, by sender: UInt64) {
        guard var member = progress[sender] else { return }
        member.isActive = true
        let agreement = log.agreement(upTo: min(hint, log.lastIndex), term: hintTerm).index
        if member.reject(rejected, hint: agreement) {
            if member.mode == .replicate { member.probe() }
            progress[sender] = member
            sendAppend(to: sender, evenIfEmpty: true)
        } else {
            progress[sender] = member
        }
    }

    mutating func heartbeatAnswered(_ read: UInt64, by sender: UInt64) {
        guard var member = progress[sender] else { return }
        member.isActive = true
        member.confirmedRead = max(member.confirmedRead, min(read, reads.round))
        member.forgetRefusals()
        if case .probe = member.mode { member.mode = .probe(isWaiting: false) }
        let isBehind = member.matched < log.lastIndex
        let isProbed = member.mode == .probe(isWaiting: false)
        progress[sender] = member
        // Also finds lost messages: what follows them is refused, and the member is probed again.
        if isBehind || isProbed { sendAppend(to: sender, evenIfEmpty: true) }
        lease.confirm(confirmedRound)
        releaseReads()
    }

    /// The shell could not bring a snapshot over, or the receiver has not answered: it is tried again.
    public mutating func snapshotFailed(for receiver: UInt64) {
        guard var member = progress[receiver], case .snapshot = member.mode else { return }
        member.probe()
        // Wait for a sign of life.
        member.mode = .probe(isWaiting: true)
        progress[receiver] = member
    }

    /// A snapshot as of an applied index is durable: it is what members far behind get from now on.
    public mutating func snapshotWritten(_ snapshot: SnapshotMetadata) {
        precondition(snapshot.index <= log.applied, "a snapshot of what is not applied")
        if snapshot.index > latestSnapshot?.index ?? 0 { latestSnapshot = snapshot }
    }

    /// Forgets entries up to `index`, at most up to the newest snapshot, which a witness does not need; what the log
    /// begins after from now on.
    public mutating func compact(through index: UInt64) -> SnapshotMetadata {
        let restorable = isWitness ? log.applied : latestSnapshot?.index ?? 0
        let index = max(log.baseIndex, min(index, restorable, log.applied))
        baseMembership = membership(at: index)
        log.compact(through: index)
        return SnapshotMetadata(index: log.baseIndex, term: log.baseTerm, membership: baseMembership)
    }

    // Commitment.

    /// Raft section 5.4.2: an entry of the leader's own term that a majority has is committed, with all before it.
    @discardableResult
    mutating func commitWhatMajorityHas() -> Bool {
        let reached = latestMembership.electorate.reached { $0 == id ? log.persisted : progress[$0]?.matched ?? 0 }
        guard role == .leader, reached > log.committed, log.term(at: reached) == term else { return false }
        commitThrough(reached)
        broadcastAppend()
        stepDownIfRemoved()
        releasePostponedReads()
        leaveJoint()
        return true
    }

    mutating func commitThrough(_ index: UInt64) {
        guard index > log.committed else { return }
        let first = log.committed + 1
        if role == .leader {
            for entry in log.entries(from: first, through: index, byteLimit: .max) {
                if case .command(let bytes) = entry.payload {
                    uncommittedBytes = max(0, uncommittedBytes - bytes.count)
                }
            }
        }
        log.commit(through: index)
        var changes: [MembershipChange] = []
        log.forEachChange(from: first, through: index) { changes.append($0) }
        for change in changes { applyChange(change) }
    }
}
