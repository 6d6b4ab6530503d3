import RaftCore
import SQLite

/// Reading what an earlier life has left. Whatever does not fit together ends the attempt: a member that cannot prove
/// its vote and its log whole never votes under its identity again.
extension RaftStorage {
    /// - Parameter hasState: false for a witness, whose log begins behind no snapshot's file.
    func load(hasState: Bool = true) throws(RaftError) -> RaftContents {
        do throws(LoadFailure) {
            contents = try Self.load(RaftTables(database: database), hasState: hasState)
            return contents
        } catch {
            switch error {
            case .damage(let damage): throw damaged(damage)
            case .database(let error): throw failure(error)
            }
        }
    }

    enum LoadFailure: Error {
        case damage(Damage)
        case database(DatabaseError)
    }

    private static func load(_ tables: RaftTables, hasState: Bool) throws(LoadFailure) -> RaftContents {
        try checkStructure(tables.database)
        var contents = RaftContents()
        guard let identity = try whole(.identity, { () throws(DatabaseError) in try tables.identity() }) else {
            // Without an identity there is nothing else.
            for (table, name) in [(RowChecksum.Table.hardState, "hard_state"), (.base, "base"), (.log, "log")] {
                if try !isEmpty(name, tables.database) { throw .damage(.row(table)) }
            }
            return contents
        }
        guard identity.id != 0 else { throw .damage(.row(.identity)) }
        contents.member = RaftMember(id: identity.id, nodeID: identity.nodeID, address: identity.address)
        contents.isRemoved = identity.isRemoved
        for peer in try database({ () throws(DatabaseError) in try tables.peers() }) {
            guard peer.isWhole, peer.value.id != 0 else { throw .damage(.row(.peer)) }
            contents.peers.append(
                RaftMember(id: peer.value.id, nodeID: peer.value.nodeID, address: peer.value.address))
        }
        guard let (hardState, last) = try whole(.hardState, { () throws(DatabaseError) in try tables.hardState() })
        else { throw .damage(.row(.hardState)) }
        contents.hardState = hardState
        guard let base = try whole(.base, { () throws(DatabaseError) in try tables.base() }) else {
            throw .damage(.row(.base))
        }
        contents.base = try metadata(base, .base)
        if let file = try whole(.snapshot, { () throws(DatabaseError) in try tables.snapshot() }) {
            contents.snapshot = SnapshotFile(
                metadata: try metadata(file.mark, .snapshot), name: file.name, byteCount: file.byteCount,
                checksum: file.checksum)
        } else if contents.base.index > 0, hasState {
            throw .damage(.row(.snapshot))
        }
        contents.entries = try entries(tables, after: base.index, last: last)
        return contents
    }

    private static func checkStructure(_ connection: Database) throws(LoadFailure) {
        let answer = try database { () throws(DatabaseError) in try connection.pragma("quick_check(1)") }
        if case .text(let text) = answer, text != "ok" { throw .damage(.structure(text)) }
    }

    private static func entries(
        _ tables: RaftTables, after base: UInt64, last: UInt64
    ) throws(LoadFailure) -> [Entry] {
        var entries: [Entry] = []
        var damage: Damage?
        try database { () throws(DatabaseError) in
            // From the beginning: what lies before the base must not be there.
            try tables.forEachEntry(after: 0) { row in
                let expected = base + UInt64(entries.count) + 1
                let kind = UInt8(exactly: row.value.kind)
                guard row.isWhole, row.value.index == expected, let kind,
                    let payload = try? Entry.Payload(kind: kind, encoded: row.value.data)
                else {
                    damage = .entry(expected)
                    return false
                }
                entries.append(Entry(index: row.value.index, term: row.value.term, payload: payload))
                return true
            }
        }
        if let damage { throw .damage(damage) }
        guard base + UInt64(entries.count) == last else { throw .damage(.entry(base + UInt64(entries.count) + 1)) }
        return entries
    }

    private static func metadata(
        _ mark: RaftTables.Mark, _ table: RowChecksum.Table
    ) throws(LoadFailure) -> SnapshotMetadata {
        guard let membership = try? Membership(encoded: mark.membership) else { throw .damage(.row(table)) }
        return SnapshotMetadata(index: mark.index, term: mark.term, membership: membership)
    }

    private static func whole<Value>(
        _ table: RowChecksum.Table, _ read: () throws(DatabaseError) -> RaftTables.Checked<Value>?
    ) throws(LoadFailure) -> Value? {
        guard let row = try database(read) else { return nil }
        guard row.isWhole else { throw .damage(.row(table)) }
        return row.value
    }

    private static func isEmpty(_ table: String, _ connection: Database) throws(LoadFailure) -> Bool {
        try database { () throws(DatabaseError) in
            try connection.first("SELECT 1 FROM \(table)") { $0.integer(0) } == nil
        }
    }

    private static func database<Value>(_ body: () throws(DatabaseError) -> Value) throws(LoadFailure) -> Value {
        do { return try body() } catch { throw .database(error) }
    }
}
