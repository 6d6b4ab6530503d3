import RaftCore

/// What must hold at every moment (Raft figure 3), seen from outside the members.
struct SafetyChecker {
    private struct Place: Hashable {
        var index: UInt64
        var term: UInt64
    }

    private var leaders: [UInt64: UInt64] = [:]
    private var written: [Place: (previous: UInt64, payload: Entry.Payload)] = [:]
    private var applied: [UInt64: Entry] = [:]
    private var snapshots: [UInt64: (metadata: SnapshotMetadata, files: Set<[UInt8]>)] = [:]
    private(set) var violations: [Violation] = []

    mutating func note(_ promise: Violation.Promise, _ reason: String) {
        violations.append(Violation(promise, reason))
    }

    /// Election safety: at most one leader in a term.
    mutating func sees(leader: UInt64, in term: UInt64) {
        if let other = leaders[term], other != leader {
            note(.electionSafety, "\(other) and \(leader) lead in term \(term)")
        }
        leaders[term] = leader
    }

    /// Log matching: entries with one index and term are one entry, and so are those before them.
    ///
    /// - Parameter previous: the term of the entry before the first.
    mutating func sees(written entries: [Entry], after previous: UInt64, by host: UInt64) {
        var previous = previous
        for entry in entries {
            let place = Place(index: entry.index, term: entry.term)
            if let known = written[place], known.previous != previous || known.payload != entry.payload {
                note(.logMatching, "\(host) writes another entry \(entry.index) of term \(entry.term)")
            }
            written[place] = (previous, entry.payload)
            previous = entry.term
        }
    }

    /// State machine safety: a state is only replaced by a later one.
    mutating func sees(installed index: UInt64, after last: UInt64, by host: UInt64) {
        if index <= last { note(.stateMachineSafety, "\(host) goes back from \(last) to a snapshot of \(index)") }
    }

    /// A member has written a snapshot of its own: at one index all have the same term and the same members.
    mutating func sees(snapshot metadata: SnapshotMetadata, _ bytes: [UInt8], by host: UInt64) {
        var known = snapshots[metadata.index] ?? (metadata, [])
        if known.metadata != metadata { note(.snapshots, "\(host) writes another snapshot \(metadata.index)") }
        known.files.insert(bytes)
        snapshots[metadata.index] = known
    }

    /// What a member installs is, byte for byte, what some member has written at that index.
    mutating func sees(installed metadata: SnapshotMetadata, _ bytes: [UInt8], by host: UInt64) {
        guard let known = snapshots[metadata.index], known.metadata == metadata, known.files.contains(bytes) else {
            return note(.snapshots, "\(host) installs a snapshot \(metadata.index) that nobody has written")
        }
    }

    /// State machine safety: no two members apply different entries at one index, and none is left out.
    mutating func sees(applied entry: Entry, after last: UInt64, by host: UInt64) {
        if entry.index != last + 1 { note(.stateMachineSafety, "\(host) applies \(entry.index) after \(last)") }
        if let known = applied[entry.index], known != entry {
            note(.stateMachineSafety, "\(host) applies another entry at \(entry.index)")
        }
        applied[entry.index] = entry
    }
}
