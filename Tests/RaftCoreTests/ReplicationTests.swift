import Testing

@testable import RaftCore

/// Raft sections 5.3, 5.4 and 7: replication, commitment, snapshots.
@Suite struct ReplicationTests {
    @Test("5.3: commands are applied by all, in one order") func replicate() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(2)
        for text in ["a", "b", "c"] { try group.propose(text, on: 2) }
        for id in group.ids { #expect(group.commands(id) == ["a", "b", "c"]) }
    }

    @Test("only a leader takes proposals") func followerRefuses() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        #expect(throws: Raft.Refusal.notLeader) { try group.propose("a", on: 2) }
    }

    @Test("5.3: nothing is committed without a majority") func minority() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.crash(2)
        group.crash(3)
        try group.propose("a", on: 1)
        group.tick(3)
        #expect(group.commands(1) == [])
    }

    @Test("10.2.1: a leader's own copy counts only once it is on its disk") func leaderPersists() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        let committed = group[1].committedIndex
        _ = try group.hosts[1]!.raft.propose([[1]])
        let ready = try #require(group.takeReady(1))
        #expect(ready.messages.count == 2, "its followers may write while it does")
        #expect(ready.entries.count == 1)
        #expect(group[1].committedIndex == committed)
    }

    @Test("what is on the disk may be applied at once, what is not waits until it is written")
    func applyingAtOnce() throws {
        var raft = try Raft(id: 2, seed: 1)
        let entries = (1...4).map { Entry(index: $0, term: 1, payload: .command([UInt8($0)])) }
        func append(_ new: ArraySlice<Entry>, commit: UInt64) {
            raft.step(
                RaftMessage(
                    from: 1, to: 2, term: 1,
                    body: .append(
                        previousIndex: new[new.startIndex].index - 1, previousTerm: new.startIndex == 0 ? 0 : 1,
                        commit: commit, entries: Array(new))))
        }

        append(entries[..<2], commit: 0)
        let first = raft.takeReady()
        #expect(first?.committed == [] && first?.committedAfterPersisting == [])
        raft.advance(try #require(first))
        append(entries[2...], commit: 3)
        let taken = raft.takeReady()
        let second = try #require(taken)
        #expect(second.entries == Array(entries[2...]))
        #expect(second.committed == Array(entries[..<2]))
        #expect(second.committedAfterPersisting == [entries[2]])
        raft.applied(through: 2)
        #expect(raft.appliedIndex == 2)
        raft.advance(second)
        #expect(raft.appliedIndex == 3)
        raft.step(RaftMessage(from: 1, to: 2, term: 1, body: .heartbeat(commit: 4, read: 0)))
        let third = raft.takeReady()
        #expect(third?.mustPersist == false)
        #expect(third?.committed == [entries[3]] && third?.committedAfterPersisting == [])
    }

    @Test("where a snapshot is to be installed nothing is applied before it") func nothingBeforeSnapshot() throws {
        var raft = try Raft(id: 2, seed: 1)
        let entry = Entry(index: 1, term: 1, payload: .command([1]))
        let later = Entry(index: 6, term: 1, payload: .command([6]))
        func step(_ body: RaftMessage.Body) { raft.step(RaftMessage(from: 1, to: 2, term: 1, body: body)) }

        step(.append(previousIndex: 0, previousTerm: 0, commit: 0, entries: [entry]))
        let first = raft.takeReady()
        raft.advance(try #require(first))
        step(.heartbeat(commit: 1, read: 0))
        step(.snapshot(SnapshotMetadata(index: 5, term: 1, membership: Membership())))
        step(.append(previousIndex: 5, previousTerm: 1, commit: 6, entries: [later]))
        let second = raft.takeReady()
        #expect(second?.snapshot?.index == 5)
        #expect(second?.committed == [] && second?.committedAfterPersisting == [later])
    }

    @Test("5.3: what an old leader alone had is overwritten") func overwrite() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.isolate(1)
        for text in ["x", "y", "z"] { try group.propose(text, on: 1) }
        group.tick(60)
        let leader = try #require(group.leader)
        try group.propose("a", on: leader)
        group.mend()
        group.tick(30)
        for id in group.ids { #expect(group.commands(id) == ["a"]) }
        #expect(group.violations.isEmpty)
    }

    @Test("5.3: a lost message is found and sent again") func lostMessages() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.isLost = { message in
            if case .append = message.body { return message.to == 3 }
            return false
        }
        for number in 0..<10 { try group.propose("\(number)", on: 1) }
        #expect(group.commands(3) == [])
        group.isLost = { _ in false }
        #expect(group.run(ticks: 10) { $0.commands(3).count == 10 })
    }

    @Test("5.4.2, figure 8: an entry of an earlier term is not committed by counting") func figure8() throws {
        let group = try Group(voters: [1, 2, 3, 4, 5])
        group.elect(1)
        // 1 gets its entry to 2 alone.
        for other in UInt64(3)...5 { group.cut(1, other) }
        let index = try group.propose("old", on: 1)
        group.crash(1)
        group.mend()
        // 5 leads in the next term, by the votes of 3 and 4, and keeps its own entry to itself.
        group.cut(5, 2)
        group.isLost = { if case .append = $0.body { true } else { false } }
        for id in [UInt64(3), 4, 5] { group.forgetLeader(id) }
        group.elect(5)
        #expect(group[5].role == .leader)
        group.isolate(5)
        try group.propose("new", on: 5)
        group.crash(5)
        group.mend()
        // 1 leads again and brings the old entry to 3: a majority has it, and nothing of its new term goes along.
        try group.restart(1)
        for id in UInt64(2)...4 { group.forgetLeader(id) }
        group.isLost = { message in
            if case .append(_, _, _, let entries) = message.body { return entries.contains { $0.term > 2 } }
            return false
        }
        group.elect(1)
        if group[1].role != .leader { group.elect(1) }
        #expect(group[1].role == .leader)
        let before = group[1].term(at: index - 1)!
        let old = Entry(index: index, term: group[1].term(at: index)!, payload: .command(Array("old".utf8)))
        for id in UInt64(2)...3 {
            let body = RaftMessage.Body.append(
                previousIndex: index - 1, previousTerm: before, commit: group[1].committedIndex, entries: [old])
            group.queue.append(RaftMessage(from: 1, to: id, term: group[1].term, body: body))
        }
        group.settle()
        #expect(group[1].progress[3]?.matched == index)
        #expect(group[1].committedIndex < index)
        group.isLost = { _ in false }
        group.tick(10)
        #expect(group[1].committedIndex > index)
        #expect(group.commands(3) == ["old"])
        #expect(group.violations.isEmpty)
    }

    @Test("10.2.2: many batches are under way at once, within the window") func window() throws {
        let group = try Group(voters: [1, 2, 3])
        group.configuration.inflightMessageLimit = 4
        for id in group.ids { try group.restart(id) }
        group.elect(1)
        group.isLost = { message in
            if case .appendAccepted = message.body { return message.from == 3 }
            return false
        }
        for number in 0..<20 { try group.propose("\(number)", on: 1) }
        #expect(group[1].progress[3]!.window.isFull(group.configuration))
        group.isLost = { _ in false }
        #expect(group.run(ticks: 20) { $0.commands(3).count == 20 })
    }

    @Test("large logs go in messages of bounded size") func byteLimit() throws {
        let group = try Group(voters: [1, 2])
        group.configuration.appendByteLimit = 1_000
        for id in group.ids { try group.restart(id) }
        group.elect(1)
        group.crash(2)
        _ = try group.hosts[1]!.raft.propose((0..<100).map { _ in [UInt8](repeating: 7, count: 100) })
        group.settle()
        try group.restart(2)
        var largest = 0
        group.isLost = { message in
            if case .append(_, _, _, let entries) = message.body {
                largest = max(largest, entries.reduce(0) { $0 + $1.byteCount })
            }
            return false
        }
        #expect(group.run { $0.commands(2).count == 100 })
        #expect(largest <= 1_000 && largest > 500)
    }

    @Test("too many uncommitted bytes are refused") func uncommitted() throws {
        let group = try Group(voters: [1, 2])
        group.configuration.uncommittedByteLimit = 1_000
        for id in group.ids { try group.restart(id) }
        group.elect(1)
        group.crash(2)
        _ = try group.hosts[1]!.raft.propose([[UInt8](repeating: 0, count: 900)])
        #expect(throws: Raft.Refusal.tooMuchUncommitted) {
            try group.hosts[1]!.raft.propose([[UInt8](repeating: 0, count: 200)])
        }
    }

    @Test("7: a member behind the log's beginning gets the snapshot, then the rest") func snapshot() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.crash(3)
        for number in 0..<10 { try group.propose("\(number)", on: 1) }
        group.compact(1, through: group[1].appliedIndex - 2)
        try group.restart(3)
        #expect(group.run { $0.commands(3).count == 10 })
        #expect(group.hosts[3]!.base.index == group.hosts[1]!.base.index)
        try group.propose("more", on: 1)
        #expect(group.commands(3).last == "more")
        #expect(group.violations.isEmpty)
    }

    @Test("7: a snapshot that is lost on the way is tried again") func lostSnapshot() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.crash(3)
        for number in 0..<10 { try group.propose("\(number)", on: 1) }
        group.compact(1, through: group[1].appliedIndex)
        try group.restart(3)
        group.isLost = { if case .snapshot = $0.body { true } else { false } }
        group.tick(20)
        #expect(group.commands(3) == [])
        group.isLost = { _ in false }
        group.hosts[1]!.raft.snapshotFailed(for: 3)
        #expect(group.run { $0.commands(3).count == 10 })
    }

    @Test("a committed entry that differs stops the member, and nothing else") func conflict() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        try group.propose("a", on: 1)
        let entry = Entry(index: group[2].committedIndex, term: 9, payload: .nothing)
        var raft = group[2]
        raft.log.commit(through: entry.index)
        let merged = raft.log.merge(
            previousIndex: entry.index - 1, previousTerm: raft.term(at: entry.index - 1)!, [entry])
        #expect(merged == .conflict(at: entry.index))
    }

    @Test("6.4: a read sees what was committed before it, on every member") func reads() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        let index = try group.propose("a", on: 1)
        for id in group.ids {
            #expect(group.requestRead(100 + id, on: id))
            group.settle()
            #expect(group.hosts[id]!.reads == [ReadState(request: 100 + id, index: index)])
        }
    }

    @Test("6.4: a leader that was deposed unknowingly answers no read") func staleRead() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        group.isolate(1)
        #expect(group.requestRead(5, on: 1))
        group.tick(60)
        #expect(group.hosts[1]!.reads.isEmpty)
        #expect(group.leader != 1)
    }

    @Test("8: a new leader answers reads only after committing in its term") func earlyRead() throws {
        let group = try Group(voters: [1, 2, 3])
        group.elect(1)
        try group.propose("a", on: 1)
        group.crash(1)
        group.isLost = { if case .appendAccepted = $0.body { true } else { false } }
        group.run { $0[2].role == .leader || $0[3].role == .leader }
        let leader = try #require(group.leader)
        #expect(group.requestRead(5, on: leader))
        group.settle()
        #expect(group.hosts[leader]!.reads.isEmpty)
        group.isLost = { _ in false }
        group.tick(5)
        #expect(group.hosts[leader]!.reads.count == 1)
    }

    @Test func restoreRefusesWhatDoesNotFit() throws {
        var restored = Raft.Restored()
        restored.hardState = HardState(term: 3, vote: 1, commit: 5)
        #expect(throws: Raft.RestoreError.behindCommit(last: 0, commit: 5)) {
            _ = try Raft(id: 1, restored: restored, seed: 1)
        }
        restored.hardState.commit = 0
        restored.applied = 4
        #expect(throws: Raft.RestoreError.behindState(last: 0, applied: 4)) {
            _ = try Raft(id: 1, restored: restored, seed: 1)
        }
        restored.applied = 0
        restored.entries = [Entry(index: 2, term: 1, payload: .nothing)]
        #expect(throws: Raft.RestoreError.gap(after: 0)) { _ = try Raft(id: 1, restored: restored, seed: 1) }
    }
}
