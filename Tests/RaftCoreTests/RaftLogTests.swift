import Testing

@testable import RaftCore

/// The log in memory: Raft sections 5.3, 5.4.1 and 7.
@Suite struct RaftLogTests {
    private static func entries(_ terms: [UInt64], after index: UInt64) -> [Entry] {
        terms.enumerated().map { offset, term in
            Entry(index: index + UInt64(offset) + 1, term: term, payload: .nothing)
        }
    }

    /// A log of entries of these terms, which are on the disk.
    private static func log(
        _ terms: [UInt64], after index: UInt64 = 0, _ term: UInt64 = 0, committed: UInt64 = 0
    ) -> RaftLog {
        RaftLog(
            base: SnapshotMetadata(index: index, term: term, membership: Membership()),
            entries: entries(terms, after: index), committed: max(index, committed), applied: index)
    }

    private static func merge(
        _ log: inout RaftLog, after index: UInt64, _ term: UInt64, _ terms: [UInt64]
    ) -> RaftLog.Merge {
        log.merge(previousIndex: index, previousTerm: term, entries(terms, after: index))
    }

    private static func terms(_ log: RaftLog) -> [UInt64] {
        log.entries(from: log.baseIndex + 1, byteLimit: .max).map(\.term)
    }

    @Test("an empty log ends where it begins", arguments: [(0, 0), (10, 2)] as [(UInt64, UInt64)])
    func empty(_ index: UInt64, _ term: UInt64) {
        var log = Self.log([], after: index, term)
        #expect(log.lastIndex == index && log.lastTerm == term)
        #expect(log.term(at: index) == term)
        #expect(log.term(at: index + 1) == nil)
        #expect(log.persisted == index && log.committed == index && log.applied == index)
        #expect(log.entries(from: index + 1, byteLimit: .max).isEmpty)
        #expect(log.unpersisted.isEmpty && log.unapplied(byteLimit: .max).isEmpty)
        let merged = Self.merge(&log, after: index, term, [7])
        #expect(merged == .agreed(through: index + 1, movesMembers: false))
        #expect(log.lastIndex == index + 1 && log.lastTerm == 7)
    }

    @Test("terms are known from the base to the end") func termAt() {
        let log = Self.log([3, 4], after: 10, 2)
        let known = (UInt64(9)...13).map { log.term(at: $0) }
        #expect(known == [nil, 2, 3, 4, nil])
        #expect(log.term(at: 0) == nil)
        #expect(log.term(at: .max) == nil)
    }

    @Test("a slice ends at the index, the log's end or the last entry that fits, and is not empty for want of bytes")
    func slices() {
        var log = Self.log([], after: 10)
        log.append([.nothing, .command([UInt8](repeating: 0, count: 100)), .nothing], term: 1)
        func slice(_ first: UInt64, through last: UInt64? = nil, bytes: Int = .max) -> [UInt64] {
            log.entries(from: first, through: last, byteLimit: bytes).map(\.index)
        }
        #expect(slice(11) == [11, 12, 13])
        #expect(slice(12, through: 12) == [12])
        #expect(slice(12, through: 99) == [12, 13])
        #expect(slice(13, through: 12) == [])
        #expect(slice(14) == [])
        #expect(slice(11, bytes: 131) == [11], "what follows a large entry is not taken in its place")
        #expect(slice(11, bytes: 132) == [11, 12])
        #expect(slice(12, bytes: 0) == [12])
    }

    @Test("what is appended is to be written until that is done") func append() {
        var log = Self.log([3], after: 10, 2)
        #expect(log.persisted == 11 && log.unpersisted.isEmpty)
        log.append([.nothing, .command([7])], term: 4)
        let new = [
            Entry(index: 12, term: 4, payload: .nothing), Entry(index: 13, term: 4, payload: .command([7])),
        ]
        #expect(log.lastIndex == 13 && log.lastTerm == 4)
        #expect(log.persisted == 11 && log.unpersisted == new)
        log.markPersisted()
        #expect(log.persisted == 13 && log.unpersisted.isEmpty)
    }

    @Test("5.4.1: the later last term is better, of one term the longer log") func upToDate() {
        let log = Self.log([1, 2, 2])
        #expect(log.isUpToDate(lastIndex: 3, lastTerm: 2))
        #expect(log.isUpToDate(lastIndex: 4, lastTerm: 2))
        #expect(!log.isUpToDate(lastIndex: 2, lastTerm: 2))
        #expect(log.isUpToDate(lastIndex: 1, lastTerm: 3))
        #expect(!log.isUpToDate(lastIndex: 9, lastTerm: 1))
        #expect(!log.isUpToDate(lastIndex: 0, lastTerm: 0))
        let compacted = Self.log([], after: 10, 2)
        #expect(compacted.isUpToDate(lastIndex: 10, lastTerm: 2))
        #expect(!compacted.isUpToDate(lastIndex: 9, lastTerm: 2))
    }

    @Test("5.3: what does not follow an entry here is refused, and what differs from a committed one") func refused() {
        var log = Self.log([3, 3, 4], after: 10, 2, committed: 12)
        for (index, term) in [(14, 4), (13, 3), (9, 2), (9, 0), (10, 1), (0, 0)] as [(UInt64, UInt64)] {
            let merged = Self.merge(&log, after: index, term, [9])
            #expect(merged == .rejected, "after \(index) of term \(term)")
        }
        let conflict = Self.merge(&log, after: 10, 2, [3, 4, 4])
        #expect(conflict == .conflict(at: 12))
        #expect(Self.terms(log) == [3, 3, 4])
        #expect(log.persisted == 13 && log.committed == 12)
    }

    @Test("5.3: a message that comes late takes nothing away") func lateMessage() {
        var log = Self.log([1, 1, 2])
        let old = Self.merge(&log, after: 0, 0, [1, 1])
        #expect(old == .agreed(through: 2, movesMembers: false))
        let empty = Self.merge(&log, after: 1, 1, [])
        #expect(empty == .agreed(through: 1, movesMembers: false))
        #expect(Self.terms(log) == [1, 1, 2] && log.unpersisted.isEmpty)
        let longer = Self.merge(&log, after: 1, 1, [1, 2, 2, 3])
        #expect(longer == .agreed(through: 5, movesMembers: false))
        #expect(Self.terms(log) == [1, 1, 2, 2, 3])
        #expect(log.persisted == 3 && log.unpersisted.map(\.index) == [4, 5])
    }

    @Test("5.3: an entry that differs goes with all that follow it, and is to be written again") func differing() {
        var log = Self.log([1, 1, 2, 2, 2], committed: 2)
        let merged = Self.merge(&log, after: 1, 1, [1, 3])
        #expect(merged == .agreed(through: 3, movesMembers: false))
        #expect(Self.terms(log) == [1, 1, 3] && log.lastIndex == 3)
        #expect(log.persisted == 2 && log.unpersisted == [Entry(index: 3, term: 3, payload: .nothing)])
        log.append([.nothing], term: 3)
        _ = Self.merge(&log, after: 3, 3, [4])
        #expect(Self.terms(log) == [1, 1, 3, 4])
        #expect(log.persisted == 2, "what never was on the disk is not there now")
    }

    @Test("changes of members are seen where they come and where they go") func changes() {
        var log = Self.log([1])
        func merge(_ term: UInt64, _ payload: Entry.Payload) -> RaftLog.Merge {
            log.merge(previousIndex: 1, previousTerm: 1, [Entry(index: 2, term: term, payload: payload)])
        }
        let none = merge(1, .nothing)
        let come = merge(2, .membership(.promote(3)))
        let known = merge(2, .membership(.promote(3)))
        let gone = merge(3, .nothing)
        #expect(none == .agreed(through: 2, movesMembers: false))
        #expect(come == .agreed(through: 2, movesMembers: true))
        #expect(known == .agreed(through: 2, movesMembers: false))
        #expect(gone == .agreed(through: 2, movesMembers: true))
        log.append([.membership(.promote(3)), .command([]), .membership(.remove(4))], term: 3)
        func seen(_ first: UInt64, _ last: UInt64) -> [MembershipChange] {
            var result: [MembershipChange] = []
            log.forEachChange(from: first, through: last) { result.append($0) }
            return result
        }
        #expect(seen(1, 5) == [.promote(3), .remove(4)])
        #expect(seen(3, 4) == [.promote(3)])
        #expect(seen(4, 5) == [.remove(4)])
        #expect(seen(6, 5) == [])
    }

    @Test("5.3: logs may agree up to the last entry of no later term") func agreement() {
        let log = Self.log([3, 3, 5, 5, 7], after: 10, 2)
        func agreement(_ index: UInt64, _ term: UInt64) -> [UInt64?] {
            let found = log.agreement(upTo: index, term: term)
            return [found.index, found.term]
        }
        #expect(agreement(15, 7) == [15, 7])
        #expect(agreement(99, 9) == [15, 7])
        #expect(agreement(15, 6) == [14, 5])
        #expect(agreement(14, 4) == [12, 3])
        #expect(agreement(11, 9) == [11, 3])
        #expect(agreement(15, 1) == [10, 2], "what is compacted away was committed")
        #expect(agreement(4, 9) == [4, nil])
    }

    @Test("committed entries are handed out once, in order, whether or not they are written") func handingOut() {
        var log = Self.log([1, 1])
        log.append([.nothing, .nothing], term: 2)
        #expect(log.unapplied(byteLimit: .max).isEmpty)
        log.commit(through: 3)
        log.commit(through: 1)
        #expect(log.committed == 3 && log.persisted == 2)
        #expect(log.unapplied(byteLimit: .max).map(\.index) == [1, 2, 3])
        #expect(log.unapplied(byteLimit: 32).map(\.index) == [1, 2])
        log.markApplied(through: 2)
        log.markApplied(through: 1)
        #expect(log.applied == 2 && log.unapplied(byteLimit: 0).map(\.index) == [3])
        log.markApplied(through: 3)
        #expect(log.unapplied(byteLimit: .max).isEmpty)
    }

    @Test("7: what is compacted away leaves its last index and term behind") func compaction() {
        var log = Self.log([1, 1, 2, 3], committed: 4)
        log.markApplied(through: 4)
        for index in [2, 2, 1, 0] as [UInt64] {
            log.compact(through: index)
            #expect(log.baseIndex == 2 && log.baseTerm == 1)
        }
        #expect(log.term(at: 1) == nil)
        #expect(log.term(at: 2) == 1)
        #expect(Self.terms(log) == [2, 3] && log.lastIndex == 4)
        log.compact(through: 4)
        #expect(log.baseIndex == 4 && log.lastIndex == 4 && log.lastTerm == 3)
        #expect(log.persisted == 4 && log.committed == 4 && log.applied == 4)
        log.append([.nothing], term: 5)
        #expect(log.unpersisted == [Entry(index: 5, term: 5, payload: .nothing)])
    }

    @Test("7: a snapshot takes the place of everything") func reset() {
        var log = Self.log([1, 1, 2], committed: 2)
        log.append([.nothing], term: 2)
        log.reset(to: SnapshotMetadata(index: 20, term: 7, membership: Membership()))
        #expect(log.baseIndex == 20 && log.lastIndex == 20 && log.lastTerm == 7)
        #expect(log.persisted == 20 && log.committed == 20 && log.applied == 20)
        #expect(log.term(at: 3) == nil)
        #expect(log.unpersisted.isEmpty && log.unapplied(byteLimit: .max).isEmpty)
        log.append([.nothing], term: 8)
        #expect(log.unpersisted == [Entry(index: 21, term: 8, payload: .nothing)])
    }
}
