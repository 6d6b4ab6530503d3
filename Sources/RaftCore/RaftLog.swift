import Collections

/// The log in memory: everything after the last compaction, and how far it is persisted, committed and handed out.
struct RaftLog: Sendable {
    /// The last entry that was compacted away, or 0.
    private(set) var baseIndex: UInt64
    private(set) var baseTerm: UInt64
    private var entries: Deque<Entry>
    /// The last entry that is on this member's disk.
    private(set) var persisted: UInt64
    private(set) var committed: UInt64
    /// The last entry that was handed out for applying.
    private(set) var applied: UInt64

    /// `entries` follow `base` without a gap and are on the disk.
    init(base: SnapshotMetadata, entries: [Entry], committed: UInt64, applied: UInt64) {
        baseIndex = base.index
        baseTerm = base.term
        self.entries = Deque(entries)
        persisted = base.index + UInt64(entries.count)
        self.committed = committed
        self.applied = applied
    }

    var lastIndex: UInt64 { baseIndex + UInt64(entries.count) }
    var lastTerm: UInt64 { entries.last?.term ?? baseTerm }

    /// Nil for an entry that is compacted away or not there yet.
    func term(at index: UInt64) -> UInt64? {
        if index == baseIndex { return baseTerm }
        guard index > baseIndex, index <= lastIndex else { return nil }
        return entries[offset(of: index)].term
    }

    /// Entries from `first` on, together about `byteLimit` bytes, at least one if there is one.
    func entries(from first: UInt64, through last: UInt64? = nil, byteLimit: Int) -> [Entry] {
        let last = min(last ?? lastIndex, lastIndex)
        precondition(first > baseIndex, "entry \(first) is compacted away")
        guard first <= last else { return [] }
        var result: [Entry] = []
        var bytes = 0
        for entry in entries[offset(of: first)...offset(of: last)] {
            bytes += entry.byteCount
            if bytes > byteLimit, !result.isEmpty { break }
            result.append(entry)
        }
        return result
    }

    /// Calls `body` with the membership changes among entries `first` to `last`, in order.
    func forEachChange(from first: UInt64, through last: UInt64, _ body: (MembershipChange) -> Void) {
        guard first <= last else { return }
        for entry in entries[offset(of: first)...offset(of: last)] {
            if case .membership(let change) = entry.payload { body(change) }
        }
    }

    /// Whether a candidate's log is at least as good as this one (Raft section 5.4.1).
    func isUpToDate(lastIndex: UInt64, lastTerm: UInt64) -> Bool {
        lastTerm > self.lastTerm || lastTerm == self.lastTerm && lastIndex >= self.lastIndex
    }

    /// Appends a leader's own entries.
    mutating func append(_ payloads: [Entry.Payload], term: UInt64) {
        for payload in payloads { entries.append(Entry(index: lastIndex + 1, term: term, payload: payload)) }
    }

    /// What became of entries from a leader.
    enum Merge: Equatable {
        /// The log now agrees with the leader's up to the index; whether changes of members came or went.
        case agreed(through: UInt64, movesMembers: Bool)
        case rejected
        /// A committed entry differs from the leader's: the group's safety is broken.
        case conflict(at: UInt64)
    }

    /// Takes a leader's entries over where the one before them agrees (Raft section 5.3).
    mutating func merge(previousIndex: UInt64, previousTerm: UInt64, _ new: [Entry]) -> Merge {
        guard term(at: previousIndex) == previousTerm else { return .rejected }
        var movesMembers = false
        for (position, entry) in new.enumerated() {
            if entry.index <= baseIndex { continue }
            if let known = term(at: entry.index) {
                if known == entry.term { continue }
                guard entry.index > committed else { return .conflict(at: entry.index) }
                forEachChange(from: entry.index, through: lastIndex) { _ in movesMembers = true }
                entries.removeLast(Int(lastIndex - entry.index) + 1)
                persisted = min(persisted, entry.index - 1)
            }
            let first = lastIndex + 1
            entries.append(contentsOf: new[position...])
            forEachChange(from: first, through: lastIndex) { _ in movesMembers = true }
            break
        }
        return .agreed(through: previousIndex + UInt64(new.count), movesMembers: movesMembers)
    }

    /// The last index up to `index` whose term is at most `term`, and its term where known: where logs may agree.
    func agreement(upTo index: UInt64, term: UInt64) -> (index: UInt64, term: UInt64?) {
        var index = min(index, lastIndex)
        while index > baseIndex, let ours = self.term(at: index), ours > term { index -= 1 }
        return (index, self.term(at: index))
    }

    mutating func commit(through index: UInt64) {
        precondition(index <= lastIndex, "commit \(index) beyond the log's end \(lastIndex)")
        committed = max(committed, index)
    }

    /// Entries that are not on the disk yet.
    var unpersisted: [Entry] {
        persisted < lastIndex ? entries(from: persisted + 1, byteLimit: .max) : []
    }

    /// Committed entries that were not handed out yet.
    func unapplied(byteLimit: Int) -> [Entry] {
        applied < committed ? entries(from: applied + 1, through: committed, byteLimit: byteLimit) : []
    }

    mutating func markPersisted() { persisted = lastIndex }

    mutating func markApplied(through index: UInt64) { applied = max(applied, index) }

    /// Forgets entries up to `index`, which is applied.
    mutating func compact(through index: UInt64) {
        precondition(index <= applied, "compaction to \(index) beyond what is applied, \(applied)")
        guard index > baseIndex, let term = term(at: index) else { return }
        entries.removeFirst(Int(index - baseIndex))
        baseIndex = index
        baseTerm = term
    }

    /// Replaces everything by a snapshot.
    mutating func reset(to snapshot: SnapshotMetadata) {
        self = RaftLog(base: snapshot, entries: [], committed: snapshot.index, applied: snapshot.index)
    }

    private func offset(of index: UInt64) -> Int { Int(index - baseIndex) - 1 }
}
