import ClusterHistory
import ClusterModel
import JSON
import SQLite
import Values

/// Looks at the past. They read the file through a connection of their own and hold nothing up; call them where a
/// thread may wait for the disk.
extension ClusterStore {
    /// The newest records that a filter lets through, newest first.
    public func history(_ filter: HistoryFilter) throws -> [HistoryRecord] {
        try read { try HistoryTable(database: $0).records(filter) }
    }

    /// What happened at one revision, each with the specification before; nil for what did not exist.
    public func changes(at revision: UInt64) throws -> [(record: HistoryRecord, before: JSONValue?)] {
        try read { database in
            let table = HistoryTable(database: database)
            var filter = HistoryFilter(limit: HistoryFilter.largestLimit)
            filter.revision = revision
            return try table.records(filter).map { record in
                (record, try table.specification(of: record.object, before: revision))
            }
        }
    }

    /// Each object's specification at a revision, which is not before the horizon.
    public func specifications(at revision: UInt64) throws -> [ObjectReference: HistoryRecord] {
        try read { try HistoryTable(database: $0).specifications(at: revision) }
    }

    /// The revisions that can be told: from the horizon to the newest.
    public func tellableRevisions() throws -> ClosedRange<UInt64> {
        try read { database in
            let horizon = try HistoryTable(database: database).horizon() ?? 0
            let applied = try database.first("SELECT idx FROM applied") { $0.unsigned(0) } ?? 0
            return horizon...max(horizon, applied)
        }
    }

    /// Runs `body` on the state as of one moment.
    private func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        let database = try reader()
        try database.execute("BEGIN")
        defer { database.rollBack() }
        return try body(database)
    }
}
