import ClusterHistory
import ClusterModel
import JSON
import SQLite
import Values

/// The history in the state's file: a row for each object and revision that changed its specification, and the horizon.
/// It is written in the transaction that moves the applied index, so that a replay neither loses nor doubles it.
struct HistoryTable {
    static let firstForm = """
        CREATE TABLE IF NOT EXISTS history (revision INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
            name TEXT NOT NULL, change TEXT NOT NULL, author TEXT, client TEXT, note TEXT, time INTEGER NOT NULL,
            specification TEXT, PRIMARY KEY (revision, kind, id)) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS history_of_object ON history (kind, id, revision);
        CREATE TABLE IF NOT EXISTS horizon (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL,
            records INTEGER NOT NULL, bytes INTEGER NOT NULL);
        """

    /// What `author` says where it names no node.
    private static let orchestrator = "orchestrator"
    private static let columns = "revision, kind, id, name, change, author, client, note, time, specification"
    private static let byteCount = "ifnull(length(CAST(specification AS BLOB)), 0)"

    let database: Database
    var limits = HistoryLimits.standard

    /// Begins the history of a state that has none: nothing before its index can be told.
    func begin(with state: ClusterState) throws {
        guard try horizon() == nil else { return }
        try database.transaction {
            for record in HistoryRecord.beginning(of: state) { try insert(record) }
            try database.execute("INSERT INTO horizon VALUES (1, ?, 0, 0)", state.index)
        }
    }

    /// The oldest revision that can be told; nil before `begin`.
    func horizon() throws -> UInt64? { try database.first("SELECT revision FROM horizon") { $0.unsigned(0) } }

    /// Adds records in the order of their revisions and forgets those beyond the limits. Inside a transaction.
    func add(_ records: [HistoryRecord]) throws {
        guard !records.isEmpty else { return }
        var bytes = 0
        for record in records { bytes += try insert(record) }
        try database.execute("UPDATE horizon SET records = records + ?, bytes = bytes + ?", records.count, bytes)
        try prune()
    }

    @discardableResult
    private func insert(_ record: HistoryRecord) throws -> Int {
        var author: String?
        var client: String?
        switch record.author {
        case .orchestrator: author = Self.orchestrator
        case .node(let id, let through): (author, client) = (id, through)
        case nil: break
        }
        let specification = record.specification.map { String(decoding: $0.serialized(), as: UTF8.self) }
        try database.execute(
            "INSERT INTO history (\(Self.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", record.revision,
            record.object.kind.rawValue, record.object.id, record.name, record.change.rawValue, author, client,
            record.note, record.time.nanosecondsSinceEpoch, specification)
        return specification?.utf8.count ?? 0
    }

    /// Moves the horizon to the first revision after which what is left is within the limits.
    private func prune() throws {
        guard
            let (old, records, bytes) = try database.first(
                "SELECT revision, records, bytes FROM horizon",
                body: { ($0.unsigned(0), $0.integer(1), $0.integer(2)) })
        else { return }
        var (new, leftRecords, leftBytes) = (old, records, bytes)
        /// What objects became up to the new horizon: their older records go, an object's newest one stays.
        var superseding: [(revision: UInt64, kind: String, id: String, change: String)] = []
        func isWithinLimits() -> Bool {
            leftRecords <= limits.recordCount && leftBytes <= limits.specificationBytes
        }
        if isWithinLimits() { return }
        try database.forEach(
            "SELECT revision, kind, id, change, \(Self.byteCount) FROM history WHERE revision > ? ORDER BY revision",
            old
        ) { row in
            // A revision's records go together.
            if row.unsigned(0) != new, isWithinLimits() { return false }
            new = row.unsigned(0)
            leftRecords -= 1
            leftBytes -= row.integer(4)
            // One that created an object has none before it.
            if row.text(3) != HistoryRecord.Change.created.rawValue {
                superseding.append((new, row.text(1), row.text(2), row.text(3)))
            }
            return true
        }
        for (revision, kind, id, change) in superseding {
            // One that says that its object went goes as well.
            let isLast = change == HistoryRecord.Change.removed.rawValue
            try database.execute(
                "DELETE FROM history WHERE kind = ? AND id = ? AND revision < ?", kind, id,
                isLast ? revision + 1 : revision)
        }
        try database.execute("UPDATE horizon SET revision = ?, records = ?, bytes = ?", new, leftRecords, leftBytes)
    }

    // MARK: Reading

    /// The newest records that a filter lets through, newest first.
    func records(_ filter: HistoryFilter) throws -> [HistoryRecord] {
        var conditions = ["revision > (SELECT revision FROM horizon)"]
        var values: [(any DatabaseValue)?] = []
        func require(_ condition: String, _ more: any DatabaseValue...) {
            conditions.append(condition)
            values += more.map { $0 }
        }
        if let since = filter.since { require("time >= ?", since.nanosecondsSinceEpoch) }
        if let until = filter.until { require("time <= ?", until.nanosecondsSinceEpoch) }
        if let before = filter.before { require("revision < ?", min(before, UInt64(Int64.max))) }
        if let revision = filter.revision { require("revision = ?", revision) }
        if let kind = filter.kind { require("kind = ?", kind.rawValue) }
        if let object = filter.object {
            require("(name = ? OR substr(id, 1, length(?)) = ?)", object, object, object)
        }
        if let authors = filter.authors {
            let marks = Array(repeating: "?", count: authors.count).joined(separator: ", ")
            conditions.append("author IN (\(marks))")
            values += authors.map { $0 }
        }
        values.append(filter.limit)
        return try database.rows(
            "SELECT \(Self.columns) FROM history WHERE \(conditions.joined(separator: " AND ")) "
                + "ORDER BY revision DESC, kind, id LIMIT ?", values: values, body: Self.record)
    }

    /// Each object's specification at a revision, which is not before the horizon.
    func specifications(at revision: UInt64) throws -> [ObjectReference: HistoryRecord] {
        let records = try database.query(
            "SELECT \(Self.columns) FROM history AS entry WHERE revision = (SELECT max(revision) FROM history "
                + "WHERE kind = entry.kind AND id = entry.id AND revision <= ?)", revision, body: Self.record)
        var result: [ObjectReference: HistoryRecord] = [:]
        for record in records where record.specification != nil { result[record.object] = record }
        return result
    }

    /// What an object's specification was before a revision; nil where it did not exist, or nobody knows any more.
    func specification(of object: ObjectReference, before revision: UInt64) throws -> JSONValue? {
        try database.first(
            "SELECT \(Self.columns) FROM history WHERE kind = ? AND id = ? AND revision < ? "
                + "ORDER BY revision DESC LIMIT 1", object.kind.rawValue, object.id, revision, body: Self.record
        )?.specification
    }

    private static func record(_ row: borrowing Row) throws(DatabaseError) -> HistoryRecord {
        func unreadable(_ column: String) -> DatabaseError {
            DatabaseError(code: 11, message: "history.\(column) is unreadable", statement: "history")
        }
        guard let kind = ObjectKind(rawValue: row.text(1)) else { throw unreadable("kind") }
        guard let change = HistoryRecord.Change(rawValue: row.text(4)) else { throw unreadable("change") }
        var author: Author?
        if !row.isNull(5) {
            author =
                row.text(5) == orchestrator
                ? .orchestrator : .node(id: row.text(5), client: row.isNull(6) ? nil : row.text(6))
        }
        var specification: JSONValue?
        if !row.isNull(9) {
            do { specification = try JSONValue(parsing: Array(row.text(9).utf8)) } catch {
                throw unreadable("specification")
            }
        }
        return HistoryRecord(
            revision: row.unsigned(0), time: Timestamp(nanosecondsSinceEpoch: row.integer(8)), author: author,
            note: row.isNull(7) ? nil : row.text(7), object: ObjectReference(kind: kind, id: row.text(2)),
            name: row.text(3), change: change, specification: specification)
    }
}

/// Which records of the history are wanted.
public struct HistoryFilter: Hashable, Sendable {
    /// Records in one answer at most.
    public static let largestLimit = 1_000

    public var since: Timestamp?
    public var until: Timestamp?
    /// Older revisions than this one.
    public var before: UInt64?
    /// This one alone.
    public var revision: UInt64?
    public var kind: ObjectKind?
    /// A name, an identifier or its beginning.
    public var object: String?
    /// Identifiers of nodes, or `orchestrator`.
    public var authors: [String]?
    public var limit: Int

    public init(limit: Int = 100) { self.limit = min(limit, Self.largestLimit) }
}
