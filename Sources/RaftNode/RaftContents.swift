import RaftCore

/// What `raft.sqlite` holds.
struct RaftContents: Sendable {
    var member: RaftMember?
    var isRemoved = false
    var peers: [RaftMember] = []
    var hardState = HardState()
    /// What the log begins after.
    var base = SnapshotMetadata.start
    var snapshot: SnapshotFile?
    /// The entries after `base`, without a gap.
    var entries: [Entry] = []

    var lastIndex: UInt64 { base.index + UInt64(entries.count) }

    func entry(at index: UInt64) -> Entry? {
        index > base.index && index <= lastIndex ? entries[Int(index - base.index) - 1] : nil
    }

    /// What a new life of the core begins with, but for what the state machine has applied.
    var restored: Raft.Restored {
        var restored = Raft.Restored()
        restored.hardState = hardState
        restored.base = base
        restored.entries = entries
        restored.snapshot = snapshot?.metadata
        return restored
    }

    mutating func save(
        _ hardState: HardState, _ new: [Entry], behind snapshot: SnapshotMetadata?, in file: SnapshotFile?
    ) {
        if let snapshot {
            entries = []
            base = snapshot
            self.snapshot = file
        }
        self.hardState = hardState
        guard let first = new.first else { return }
        entries.removeLast(entries.count - Int(first.index - base.index - 1))
        entries += new
    }

    mutating func trim(to base: SnapshotMetadata) {
        entries.removeFirst(min(entries.count, Int(base.index - self.base.index)))
        self.base = base
    }
}

/// A row of `raft.sqlite` or a file that does not hold what was written.
enum Damage: Hashable, Sendable {
    case row(RowChecksum.Table)
    case entry(UInt64)
    /// The file of a snapshot, by name.
    case snapshotFile(String)
    /// SQLite itself cannot make sense of the file.
    case structure(String)
    /// The disk refuses to read it: it may be whole.
    case unreadable(String)
}

extension Damage: CustomStringConvertible {
    var description: String {
        switch self {
        case .row(let table): "the row \(table) does not fit its checksum or is missing"
        case .entry(let index): "entry \(index) of the log does not fit its checksum or is missing"
        case .snapshotFile(let name): "the file \(name) does not fit its checksum or is missing"
        case .structure(let reason), .unreadable(let reason): reason
        }
    }
}
