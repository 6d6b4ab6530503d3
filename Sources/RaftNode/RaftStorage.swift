import LinuxSystem
import RaftCore
import SQLite

/// `raft.sqlite`: identity, hard state, log, and the names of snapshots. Used by the node's thread alone.
///
/// WAL with `synchronous=FULL`: a transaction is on the disk when it returns.
final class RaftStorage {
    static let fileName = "raft.sqlite"
    private static let schemaVersion: Int64 = 1

    private let database: Database
    /// Where snapshots lie.
    let snapshotDirectory: String

    /// What an earlier life has left.
    struct Contents {
        var member: RaftMember?
        var isRemoved = false
        var peers: [RaftMember] = []
        var restored = Raft.Restored()
        var snapshot: SnapshotFile?
    }

    init(directory: String) throws(RaftError) {
        snapshotDirectory = directory + "/snapshots"
        do {
            try Files.makeDirectories(directory, mode: 0o700)
            try Files.makeDirectories(snapshotDirectory, mode: 0o700)
        } catch {
            throw .storage("\(error)")
        }
        database = try Self.storage { () throws(DatabaseError) in
            try Database(path: directory + "/" + Self.fileName, durability: .full)
        }
        let version = try Self.storage { () throws(DatabaseError) in try database.pragma("user_version") }
        switch version {
        case .integer(0): try Self.storage { () throws(DatabaseError) in try database.executeScript(Self.schema) }
        case .integer(Self.schemaVersion): break
        default: throw .storage("\(Self.fileName) was written by another version of this program")
        }
        do { try Files.synchronizeDirectory(directory) } catch { throw .storage("\(error)") }
    }

    private static let schema = """
        BEGIN;
        CREATE TABLE identity (
            one INTEGER PRIMARY KEY CHECK (one = 1), member_id INTEGER NOT NULL, node_id TEXT NOT NULL,
            address TEXT NOT NULL, removed INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE peer (member_id INTEGER PRIMARY KEY, node_id TEXT NOT NULL, address TEXT NOT NULL);
        CREATE TABLE hard_state (
            one INTEGER PRIMARY KEY CHECK (one = 1), term INTEGER NOT NULL, vote INTEGER NOT NULL,
            committed INTEGER NOT NULL);
        -- What the log begins after.
        CREATE TABLE base (
            one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
            membership BLOB NOT NULL);
        CREATE TABLE snapshot (
            one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
            membership BLOB NOT NULL, file TEXT NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL);
        CREATE TABLE log (
            idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL, data BLOB NOT NULL);
        PRAGMA user_version = 1;
        COMMIT;
        """

    // Reading.

    func load() throws(RaftError) -> Contents {
        var contents = Contents()
        let identity = try Self.storage { () throws(DatabaseError) in
            try database.first("SELECT member_id, node_id, address, removed FROM identity") {
                (id: $0.unsigned(0), nodeID: $0.text(1), address: $0.text(2), isRemoved: $0.bool(3))
            }
        }
        guard let identity else { return contents }
        guard identity.id != 0 else { throw .storage("\(Self.fileName) holds no valid identity") }
        contents.member = RaftMember(id: identity.id, nodeID: identity.nodeID, address: identity.address)
        contents.isRemoved = identity.isRemoved
        contents.peers = try Self.storage { () throws(DatabaseError) in
            try database.query("SELECT member_id, node_id, address FROM peer WHERE member_id <> 0") {
                RaftMember(id: $0.unsigned(0), nodeID: $0.text(1), address: $0.text(2))
            }
        }
        let hardState = try Self.storage { () throws(DatabaseError) in
            try database.first("SELECT term, vote, committed FROM hard_state") {
                HardState(term: $0.unsigned(0), vote: $0.unsigned(1), commit: $0.unsigned(2))
            }
        }
        contents.restored.hardState = hardState ?? HardState()
        contents.restored.base = try loadMark("base") ?? .start
        contents.snapshot = try loadSnapshot()
        contents.restored.snapshot = contents.snapshot?.metadata
        contents.restored.entries = try loadEntries()
        return contents
    }

    private func loadMark(_ table: String) throws(RaftError) -> SnapshotMetadata? {
        let row = try Self.storage { () throws(DatabaseError) in
            try database.first("SELECT idx, term, membership FROM \(table)") {
                (index: $0.unsigned(0), term: $0.unsigned(1), membership: $0.blob(2))
            }
        }
        guard let row else { return nil }
        do {
            return SnapshotMetadata(
                index: row.index, term: row.term, membership: try Membership(encoded: row.membership))
        } catch {
            throw .storage("the members in table \(table) are unreadable: \(error)")
        }
    }

    private func loadSnapshot() throws(RaftError) -> SnapshotFile? {
        guard let metadata = try loadMark("snapshot") else { return nil }
        return try Self.storage { () throws(DatabaseError) in
            try database.first("SELECT file, bytes, checksum FROM snapshot") {
                SnapshotFile(metadata: metadata, name: $0.text(0), byteCount: $0.unsigned(1), checksum: $0.unsigned(2))
            }
        }
    }

    private func loadEntries() throws(RaftError) -> [Entry] {
        let rows = try Self.storage { () throws(DatabaseError) in
            try database.query("SELECT idx, term, kind, data FROM log ORDER BY idx") {
                (index: $0.unsigned(0), term: $0.unsigned(1), kind: $0.integer(2), data: $0.blob(3))
            }
        }
        var entries: [Entry] = []
        entries.reserveCapacity(rows.count)
        for row in rows {
            do {
                let payload = try Entry.Payload(kind: UInt8(truncatingIfNeeded: row.kind), encoded: row.data)
                entries.append(Entry(index: row.index, term: row.term, payload: payload))
            } catch {
                throw .storage("entry \(row.index) of the log is unreadable: \(error)")
            }
        }
        return entries
    }

    // Writing.

    /// Begins the log of a new group.
    func found(_ member: RaftMember, _ hardState: HardState, _ entry: Entry) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            try writeIdentity(member)
            try write(hardState)
            try write(entry)
        }
    }

    /// Takes an identity with an empty log.
    func join(_ member: RaftMember, peers: [RaftMember]) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            try writeIdentity(member)
            for peer in peers {
                try database.execute(
                    "INSERT OR REPLACE INTO peer VALUES (?, ?, ?)", peer.id, peer.nodeID, peer.address)
            }
        }
    }

    func markRemoved() throws(RaftError) {
        try Self.storage { () throws(DatabaseError) in try database.execute("UPDATE identity SET removed = 1") }
    }

    /// Writes what a `Ready` asks for, all or nothing: a snapshot that empties the log, hard state, entries.
    func save(_ hardState: HardState, _ entries: [Entry], snapshot: SnapshotFile?) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            if let snapshot {
                try database.execute("DELETE FROM log")
                try writeBase(snapshot.metadata)
                try write(snapshot)
            }
            try write(hardState)
            guard let first = entries.first else { return }
            try database.execute("DELETE FROM log WHERE idx >= ?", first.index)
            for entry in entries { try write(entry) }
        }
    }

    /// Records a snapshot of this member's own.
    func record(_ snapshot: SnapshotFile) throws(RaftError) {
        try transaction { () throws(DatabaseError) in try write(snapshot) }
    }

    /// Forgets entries up to the new base.
    func trim(to base: SnapshotMetadata) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            try database.execute("DELETE FROM log WHERE idx <= ?", base.index)
            try writeBase(base)
        }
    }

    private func writeIdentity(_ member: RaftMember) throws(DatabaseError) {
        try database.execute(
            "INSERT INTO identity (one, member_id, node_id, address) VALUES (1, ?, ?, ?)", member.id, member.nodeID,
            member.address)
    }

    private func write(_ hardState: HardState) throws(DatabaseError) {
        try database.execute(
            "INSERT OR REPLACE INTO hard_state VALUES (1, ?, ?, ?)", hardState.term, hardState.vote, hardState.commit)
    }

    private func write(_ entry: Entry) throws(DatabaseError) {
        try database.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?)", entry.index, entry.term, Int(entry.payload.kind),
            entry.payload.encoded)
    }

    private func writeBase(_ base: SnapshotMetadata) throws(DatabaseError) {
        try database.execute(
            "INSERT OR REPLACE INTO base VALUES (1, ?, ?, ?)", base.index, base.term, base.membership.encoded)
    }

    private func write(_ snapshot: SnapshotFile) throws(DatabaseError) {
        try database.execute(
            "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?, ?, ?)", snapshot.metadata.index,
            snapshot.metadata.term, snapshot.metadata.membership.encoded, snapshot.name, snapshot.byteCount,
            snapshot.checksum)
    }

    private func transaction(_ body: () throws(DatabaseError) -> Void) throws(RaftError) {
        do {
            try database.transaction(body)
        } catch {
            throw .storage("\(error)")
        }
    }

    private static func storage<Value>(_ body: () throws(DatabaseError) -> Value) throws(RaftError) -> Value {
        do { return try body() } catch { throw .storage("\(error)") }
    }

    /// Removes what a crash has left beside the snapshot on record; called before anything is written there.
    func removeLeftovers(except kept: SnapshotFile?) {
        for name in (try? Files.list(snapshotDirectory)) ?? [] where name != kept?.name { removeFile(name) }
    }

    /// Removes a snapshot, and what SQLite leaves beside one that was looked into.
    func removeFile(_ name: String) {
        for suffix in ["", "-wal", "-shm"] { try? Files.removeTree(snapshotDirectory + "/" + name + suffix) }
    }
}
