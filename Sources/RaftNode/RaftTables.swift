import RaftCore
import SQLite

/// Reading `raft.sqlite`, row by row, with the checksums of what was read.
struct RaftTables {
    let database: Database

    /// What a row holds, and whether that fits its checksum.
    struct Checked<Value> {
        let value: Value
        let isWhole: Bool
    }

    typealias Identity = (id: UInt64, nodeID: String, address: String, isRemoved: Bool)
    typealias Mark = (index: UInt64, term: UInt64, membership: [UInt8])
    typealias File = (mark: Mark, name: String, byteCount: UInt64, checksum: UInt64)
    typealias LogRow = (index: UInt64, term: UInt64, kind: UInt64, data: [UInt8])

    func identity() throws(DatabaseError) -> Checked<Identity>? {
        try database.first("SELECT member_id, node_id, address, removed, checksum FROM identity") { row in
            let value = (row.unsigned(0), row.text(1), row.text(2), row.integer(3))
            let checksum = Self.checksum(id: value.0, nodeID: value.1, address: value.2, removed: value.3)
            return Checked(
                value: (value.0, value.1, value.2, value.3 != 0), isWhole: checksum == row.integer(4))
        }
    }

    func peers() throws(DatabaseError) -> [Checked<Identity>] {
        try database.query("SELECT member_id, node_id, address, checksum FROM peer") { row in
            let value = (row.unsigned(0), row.text(1), row.text(2), false)
            return Checked(
                value: value,
                isWhole: Self.checksum(peer: value.0, nodeID: value.1, address: value.2) == row.integer(3))
        }
    }

    /// With the index of the log's last entry.
    func hardState() throws(DatabaseError) -> Checked<(HardState, last: UInt64)>? {
        try database.first("SELECT term, vote, committed, last, checksum FROM hard_state") { row in
            let hardState = HardState(term: row.unsigned(0), vote: row.unsigned(1), commit: row.unsigned(2))
            let last = row.unsigned(3)
            return Checked(
                value: (hardState, last), isWhole: Self.checksum(hardState, last: last) == row.integer(4))
        }
    }

    func base() throws(DatabaseError) -> Checked<Mark>? {
        try database.first("SELECT idx, term, membership, checksum FROM base") { row in
            let mark = (row.unsigned(0), row.unsigned(1), row.blob(2))
            return Checked(value: mark, isWhole: Self.checksum(base: mark) == row.integer(3))
        }
    }

    func snapshot() throws(DatabaseError) -> Checked<File>? {
        try database.first(
            "SELECT idx, term, membership, file, bytes, file_checksum, checksum FROM snapshot"
        ) { row in
            let mark = (row.unsigned(0), row.unsigned(1), row.blob(2))
            let file = (mark, row.text(3), row.unsigned(4), row.unsigned(5))
            return Checked(value: file, isWhole: Self.checksum(snapshot: file) == row.integer(6))
        }
    }

    /// The rows of the log after an index, in order, until `body` answers false.
    func forEachEntry(
        after index: UInt64, _ body: (Checked<LogRow>) throws(DatabaseError) -> Bool
    ) throws(DatabaseError) {
        try database.forEach(
            "SELECT idx, term, kind, data, checksum FROM log WHERE idx > ? ORDER BY idx", index
        ) { row throws(DatabaseError) in
            let value = (row.unsigned(0), row.unsigned(1), row.unsigned(2), row.blob(3))
            return try body(Checked(value: value, isWhole: Self.checksum(log: value) == row.integer(4)))
        }
    }

    // The checksums, from the columns in the order of the schema.

    static func checksum(id: UInt64, nodeID: String, address: String, removed: Int64) -> Int64 {
        var checksum = RowChecksum(.identity)
        checksum.add(id)
        checksum.add(nodeID)
        checksum.add(address)
        checksum.add(UInt64(bitPattern: removed))
        return checksum.value
    }

    static func checksum(peer id: UInt64, nodeID: String, address: String) -> Int64 {
        var checksum = RowChecksum(.peer)
        checksum.add(id)
        checksum.add(nodeID)
        checksum.add(address)
        return checksum.value
    }

    static func checksum(_ hardState: HardState, last: UInt64) -> Int64 {
        var checksum = RowChecksum(.hardState)
        checksum.add(hardState.term)
        checksum.add(hardState.vote)
        checksum.add(hardState.commit)
        checksum.add(last)
        return checksum.value
    }

    static func checksum(base mark: Mark) -> Int64 {
        var checksum = RowChecksum(.base)
        add(mark, to: &checksum)
        return checksum.value
    }

    static func checksum(snapshot file: File) -> Int64 {
        var checksum = RowChecksum(.snapshot)
        add(file.mark, to: &checksum)
        checksum.add(file.name)
        checksum.add(file.byteCount)
        checksum.add(file.checksum)
        return checksum.value
    }

    static func checksum(log row: LogRow) -> Int64 {
        var checksum = RowChecksum(.log)
        checksum.add(row.index)
        checksum.add(row.term)
        checksum.add(row.kind)
        checksum.add(row.data)
        return checksum.value
    }

    private static func add(_ mark: Mark, to checksum: inout RowChecksum) {
        checksum.add(mark.index)
        checksum.add(mark.term)
        checksum.add(mark.membership)
    }
}
