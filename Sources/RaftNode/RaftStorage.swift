import LinuxSystem
import RaftCore
import SQLite

/// `raft.sqlite`: identity, hard state, log, and the names of snapshots. Used by the node's thread alone.
///
/// WAL with `synchronous=FULL`: a transaction is on the disk when it returns. Each row has a checksum.
final class RaftStorage {
    static let fileName = "raft.sqlite"
    /// Says what was found damaged. A start does not see all of it again: SQLite takes a broken piece of its
    /// write-ahead log for the end of what was committed.
    static let damageName = "raft.damaged"

    let database: Database
    private let directory: String
    let disk: (any Disk)?
    /// Where the file lies.
    var path: String { directory + "/" + Self.fileName }
    /// Where snapshots lie.
    let snapshotDirectory: String
    /// What was read and written in this life: what the file holds, if the disk is to be believed.
    var contents = RaftContents()

    /// - Parameter disk: where `raft.sqlite` lies; nil is the host's file system. Snapshots are always there.
    init(directory: String, on disk: (any Disk)? = nil) throws(RaftError) {
        self.directory = directory
        self.disk = disk
        snapshotDirectory = directory + "/snapshots"
        do {
            try Files.makeDirectories(directory, mode: 0o700)
            try Files.makeDirectories(snapshotDirectory, mode: 0o700)
        } catch {
            throw .storage("\(error)")
        }
        let record = directory + "/" + Self.damageName
        if Files.exists(record) {
            throw .damaged((try? Files.text(record)) ?? "\(record) is there", directory: directory)
        }
        do throws(DatabaseError) {
            // An earlier life may have ended with a sync that failed.
            try Database.renewLog(of: directory + "/" + Self.fileName, on: disk)
            try (disk as? SealedDisk)?.adopt(directory + "/" + Self.fileName)
            database = try Database(path: directory + "/" + Self.fileName, durability: .full, on: disk)
        } catch {
            throw Self.failure(error, directory)
        }
        try prepareSchema()
        do { try Files.synchronizeDirectory(directory) } catch { throw .storage("\(error)") }
    }

    // Writing.

    /// Begins the log of a new group.
    func found(_ member: RaftMember, _ hardState: HardState, _ entry: Entry) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            try write(member, isRemoved: false)
            try write(hardState, last: entry.index)
            try write(base: .start)
            try write(entry)
        }
        contents = RaftContents()
        contents.member = member
        contents.hardState = hardState
        contents.entries = [entry]
    }

    /// Makes what is here the log of a group of one that begins behind a snapshot; what was here before is forgotten.
    func refound(_ member: RaftMember, _ hardState: HardState, behind snapshot: SnapshotFile) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            for table in ["identity", "peer", "log"] { try database.execute("DELETE FROM \(table)") }
            try write(member, isRemoved: false)
            try write(hardState, last: snapshot.metadata.index)
            try write(base: snapshot.metadata)
            try write(snapshot)
        }
        contents = RaftContents()
        contents.member = member
        contents.save(hardState, [], behind: snapshot.metadata, in: snapshot)
    }

    /// Takes an identity with an empty log.
    func join(_ member: RaftMember, peers: [RaftMember]) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            try write(member, isRemoved: false)
            for peer in peers { try write(peer: peer) }
            try write(HardState(), last: 0)
            try write(base: .start)
        }
        contents = RaftContents()
        contents.member = member
        contents.peers = peers
    }

    func markRemoved() throws(RaftError) {
        guard let member = contents.member else { return }
        try transaction { () throws(DatabaseError) in try write(member, isRemoved: true) }
        contents.isRemoved = true
    }

    /// Writes what a `Ready` asks for, all or nothing: a snapshot that empties the log, hard state, entries.
    ///
    /// - Parameter file: the snapshot's, which a witness does not have.
    func save(
        _ hardState: HardState, _ entries: [Entry], behind snapshot: SnapshotMetadata?, in file: SnapshotFile? = nil
    ) throws(RaftError) {
        try transaction { () throws(DatabaseError) in
            if let snapshot {
                try database.execute("DELETE FROM log")
                try write(base: snapshot)
                if let file { try write(file) }
            }
            let last = entries.last?.index ?? snapshot?.index ?? contents.lastIndex
            try write(hardState, last: last)
            guard let first = entries.first else { return }
            try database.execute("DELETE FROM log WHERE idx >= ?", first.index)
            for entry in entries { try write(entry) }
        }
        contents.save(hardState, entries, behind: snapshot, in: file)
    }

    /// Records a snapshot of this member's own.
    func record(_ snapshot: SnapshotFile) throws(RaftError) {
        try transaction { () throws(DatabaseError) in try write(snapshot) }
        contents.snapshot = snapshot
    }

    /// Forgets entries up to the new base.
    func trim(to base: SnapshotMetadata) throws(RaftError) {
        guard base.index > contents.base.index else { return }
        try transaction { () throws(DatabaseError) in
            try database.execute("DELETE FROM log WHERE idx <= ?", base.index)
            try write(base: base)
        }
        contents.trim(to: base)
    }

    /// Writes damaged rows again as they were written before.
    func repair(_ damage: [Damage]) throws(RaftError) {
        guard let member = contents.member else { return }
        try transaction { () throws(DatabaseError) in
            for damage in damage {
                switch damage {
                case .row(.identity): try write(member, isRemoved: contents.isRemoved)
                case .row(.peer): for peer in contents.peers { try write(peer: peer) }
                case .row(.hardState): try write(contents.hardState, last: contents.lastIndex)
                case .row(.base): try write(base: contents.base)
                case .row(.snapshot): if let snapshot = contents.snapshot { try write(snapshot) }
                case .entry(let index): if let entry = contents.entry(at: index) { try write(entry) }
                case .row(.log), .snapshotFile, .structure, .unreadable: break
                }
            }
        }
    }

    func write(_ member: RaftMember, isRemoved: Bool) throws(DatabaseError) {
        let removed: Int64 = isRemoved ? 1 : 0
        try database.execute(
            "INSERT OR REPLACE INTO identity VALUES (1, ?, ?, ?, ?, ?)", member.id, member.nodeID, member.address,
            removed,
            RaftTables.checksum(id: member.id, nodeID: member.nodeID, address: member.address, removed: removed))
    }

    func write(peer: RaftMember) throws(DatabaseError) {
        try database.execute(
            "INSERT OR REPLACE INTO peer VALUES (?, ?, ?, ?)", peer.id, peer.nodeID, peer.address,
            RaftTables.checksum(peer: peer.id, nodeID: peer.nodeID, address: peer.address))
    }

    func write(_ hardState: HardState, last: UInt64) throws(DatabaseError) {
        try database.execute(
            "INSERT OR REPLACE INTO hard_state VALUES (1, ?, ?, ?, ?, ?)", hardState.term, hardState.vote,
            hardState.commit, last, RaftTables.checksum(hardState, last: last))
    }

    func write(_ entry: Entry) throws(DatabaseError) {
        let row = (entry.index, entry.term, UInt64(entry.payload.kind), entry.payload.encoded)
        try database.execute(
            "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?)", row.0, row.1, row.2, row.3,
            RaftTables.checksum(log: row))
    }

    func write(base: SnapshotMetadata) throws(DatabaseError) {
        let mark = (base.index, base.term, base.membership.encoded)
        try database.execute(
            "INSERT OR REPLACE INTO base VALUES (1, ?, ?, ?, ?)", mark.0, mark.1, mark.2,
            RaftTables.checksum(base: mark))
    }

    func write(_ snapshot: SnapshotFile) throws(DatabaseError) {
        let mark = (snapshot.metadata.index, snapshot.metadata.term, snapshot.metadata.membership.encoded)
        try database.execute(
            "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?, ?, ?, ?)", mark.0, mark.1, mark.2, snapshot.name,
            snapshot.byteCount, snapshot.checksum,
            RaftTables.checksum(snapshot: (mark, snapshot.name, snapshot.byteCount, snapshot.checksum)))
    }

    // Errors.

    func transaction(_ body: () throws(DatabaseError) -> Void) throws(RaftError) {
        do {
            try database.transaction(body)
        } catch let error as DatabaseError {
            throw failure(error)
        } catch {
            throw .storage("\(error)")
        }
    }

    func reading<Value>(_ body: () throws(DatabaseError) -> Value) throws(RaftError) -> Value {
        do { return try body() } catch { throw failure(error) }
    }

    func failure(_ error: DatabaseError) -> RaftError { Self.failure(error, directory) }

    /// Keeps this log from being taken up again.
    func recordDamage(_ damage: Damage) throws(SystemError) {
        try Files.writeDurably(directory + "/" + Self.damageName, Array("\(damage)".utf8), mode: 0o600)
    }

    func damaged(_ damage: Damage) -> RaftError { .damaged("\(damage)", directory: directory) }

    private static func failure(_ error: DatabaseError, _ directory: String) -> RaftError {
        if error.isFull { return .diskFull("\(error)") }
        // Tables or columns that are not there any more count as well.
        if error.isDamage || error.code == 1 { return .damaged("\(error)", directory: directory) }
        return .storage("\(error)")
    }

    // Snapshots.

    /// Removes what a crash has left beside the snapshot on record; called before anything is written there.
    func removeLeftovers(except kept: SnapshotFile?) {
        for name in (try? Files.list(snapshotDirectory)) ?? [] where name != kept?.name { removeFile(name) }
    }

    /// Removes a snapshot, and what SQLite leaves beside one that was looked into.
    func removeFile(_ name: String) { Self.removeFile(at: snapshotDirectory + "/" + name) }

    static func removeFile(at path: String) {
        for suffix in ["", "-wal", "-shm"] { try? Files.removeTree(path + suffix) }
    }
}
