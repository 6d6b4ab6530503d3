import RaftCore
import SQLite

/// The tables, and how those of earlier versions become them.
extension RaftStorage {
    /// Brings a new file, or one of an earlier form, to the present one.
    func prepareSchema() throws(RaftError) {
        let schema = Schema([
            Schema.Step(from: 0, to: 2) { try $0.executeScript(Self.schema) },
            Schema.Step(from: 1, to: 2) { [self] _ in try migrateFromVersion1() },
        ])
        do {
            try schema.prepare(database)
        } catch let error as RaftError {
            throw error
        } catch let error as DatabaseError {
            throw failure(error)
        } catch {
            throw .storage("\(error)")
        }
    }

    /// `checksum` is the `RowChecksum` of the columns before it.
    private static let schema = """
        CREATE TABLE identity (
            one INTEGER PRIMARY KEY CHECK (one = 1), member_id INTEGER NOT NULL, node_id TEXT NOT NULL,
            address TEXT NOT NULL, removed INTEGER NOT NULL, checksum INTEGER NOT NULL);
        CREATE TABLE peer (
            member_id INTEGER PRIMARY KEY, node_id TEXT NOT NULL, address TEXT NOT NULL, checksum INTEGER NOT NULL);
        -- With the log's last entry, so that rows which are missing at its end are missed.
        CREATE TABLE hard_state (
            one INTEGER PRIMARY KEY CHECK (one = 1), term INTEGER NOT NULL, vote INTEGER NOT NULL,
            committed INTEGER NOT NULL, last INTEGER NOT NULL, checksum INTEGER NOT NULL);
        -- What the log begins after.
        CREATE TABLE base (
            one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
            membership BLOB NOT NULL, checksum INTEGER NOT NULL);
        CREATE TABLE snapshot (
            one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
            membership BLOB NOT NULL, file TEXT NOT NULL, bytes INTEGER NOT NULL, file_checksum INTEGER NOT NULL,
            checksum INTEGER NOT NULL);
        CREATE TABLE log (
            idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL, data BLOB NOT NULL,
            checksum INTEGER NOT NULL);
        """

    /// Version 1 had no checksums, and no rows for what was as at the beginning.
    private func migrateFromVersion1() throws {
        let old = try readVersion1()
        for table in ["identity", "peer", "hard_state", "base", "snapshot", "log"] {
            try database.execute("DROP TABLE \(table)")
        }
        try database.executeScript(Self.schema)
        guard let member = old.member else { return }
        try write(member, isRemoved: old.isRemoved)
        for peer in old.peers { try write(peer: peer) }
        try write(old.hardState, last: old.lastIndex)
        try write(base: old.base)
        if let snapshot = old.snapshot { try write(snapshot) }
        for entry in old.entries { try write(entry) }
    }

    private func readVersion1() throws(RaftError) -> RaftContents {
        var contents = RaftContents()
        try reading { () throws(DatabaseError) in
            contents.member = try database.first("SELECT member_id, node_id, address, removed FROM identity") { row in
                contents.isRemoved = row.bool(3)
                return RaftMember(id: max(1, row.unsigned(0)), nodeID: row.text(1), address: row.text(2))
            }
            contents.peers = try database.query("SELECT member_id, node_id, address FROM peer WHERE member_id <> 0") {
                RaftMember(id: $0.unsigned(0), nodeID: $0.text(1), address: $0.text(2))
            }
            contents.hardState =
                try database.first("SELECT term, vote, committed FROM hard_state") {
                    HardState(term: $0.unsigned(0), vote: $0.unsigned(1), commit: $0.unsigned(2))
                } ?? HardState()
        }
        typealias Mark = (index: UInt64, term: UInt64, membership: [UInt8])
        let marks = try ["base", "snapshot"].map { table throws(RaftError) in
            try reading { () throws(DatabaseError) in
                try database.first("SELECT idx, term, membership FROM \(table)") { row -> Mark in
                    (row.unsigned(0), row.unsigned(1), row.blob(2))
                }
            }
        }
        if let mark = marks[0] { contents.base = try metadata(mark, .base) }
        if let mark = marks[1] {
            let metadata = try metadata(mark, .snapshot)
            contents.snapshot = try reading { () throws(DatabaseError) in
                try database.first("SELECT file, bytes, checksum FROM snapshot") {
                    SnapshotFile(
                        metadata: metadata, name: $0.text(0), byteCount: $0.unsigned(1), checksum: $0.unsigned(2))
                }
            }
        }
        let rows = try reading { () throws(DatabaseError) in
            try database.query("SELECT idx, term, kind, data FROM log ORDER BY idx") {
                (index: $0.unsigned(0), term: $0.unsigned(1), kind: $0.integer(2), data: $0.blob(3))
            }
        }
        for row in rows {
            guard row.index == contents.lastIndex + 1, let kind = UInt8(exactly: row.kind),
                let payload = try? Entry.Payload(kind: kind, encoded: row.data)
            else { throw damaged(.entry(contents.lastIndex + 1)) }
            contents.entries.append(Entry(index: row.index, term: row.term, payload: payload))
        }
        return contents
    }

    private func metadata(
        _ mark: (index: UInt64, term: UInt64, membership: [UInt8]), _ table: RowChecksum.Table
    ) throws(RaftError) -> SnapshotMetadata {
        guard let membership = try? Membership(encoded: mark.membership) else { throw damaged(.row(table)) }
        return SnapshotMetadata(index: mark.index, term: mark.term, membership: membership)
    }
}
