import ClusterHistory
import ClusterModel
import JSON
import LinuxSystem
import SQLite
import Values

/// How far a state has come.
public struct StateMark: Sendable {
    /// The index and the time of the last entry.
    public var index: UInt64
    public var time: Timestamp
    public var version: ClusterVersion
    public var cluster: ClusterObject?
}

/// The cluster's state in a SQLite file: one table a kind of object, with columns for what people ask for and the
/// object as JSON.
struct StateDatabase {
    /// Form 1 is what files were before forms were numbered, and what those lack that are older still.
    static var schema: Schema {
        Schema([
            Schema.Step(from: 0, to: 1) { database in
                try database.executeScript(firstForm)
                try database.executeScript(HistoryTable.firstForm)
            },
            // The cluster's version.
            Schema.Step(from: 1, to: versionedForm) { database in
                try database.execute(
                    "ALTER TABLE applied ADD COLUMN version INTEGER NOT NULL DEFAULT \(ClusterVersion.first)")
            } undo: { database in
                try database.execute("ALTER TABLE applied DROP COLUMN version")
            },
        ])
    }

    private static let versionedForm: Int64 = 2

    /// The newest form that every program knows which supports a version of clusters: that of files which other hosts
    /// get. A later form than 2 takes a version of its own.
    static func form(of version: ClusterVersion) -> Int64 { version < .stated ? 1 : versionedForm }

    static let firstForm = """
        CREATE TABLE IF NOT EXISTS applied (one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL,
            time INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS recent (idx INTEGER PRIMARY KEY, id TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS cluster (id TEXT PRIMARY KEY, body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS node (id TEXT PRIMARY KEY, hostname TEXT NOT NULL, role TEXT NOT NULL,
            availability TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS service (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
            body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS task (id TEXT PRIMARY KEY, service TEXT NOT NULL, slot INTEGER NOT NULL,
            node TEXT NOT NULL, state TEXT NOT NULL, desired TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS network (id TEXT PRIMARY KEY, name TEXT NOT NULL, subnet TEXT NOT NULL,
            body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS attachment (id TEXT PRIMARY KEY, network TEXT NOT NULL, node TEXT NOT NULL,
            body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS config (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
            body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS secret (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
            body TEXT NOT NULL);
        """

    /// Pages held in memory, at most.
    private static let cacheKibibytes = 32 << 10
    /// SQLite's log is copied into the file when it is as long, in pages.
    private static let logPages = 8_000

    let database: Database
    private var history: HistoryTable { HistoryTable(database: database) }

    /// - Parameter disk: where the file lies; nil is the host's file system.
    init(path: String, on disk: (any Disk)? = nil) throws {
        // The log holds everything that this file might lose with the power.
        database = try Database(path: path, durability: .normal, on: disk)
        // A transaction's pages fit, so that each is sealed and written once; and what several transactions change is
        // copied once from SQLite's log.
        try database.setPragma("cache_size", "-\(Self.cacheKibibytes)")
        try database.setPragma("wal_autocheckpoint", "\(Self.logPages)")
        try Self.schema.prepare(database)
    }

    /// A file that is only looked at.
    init(copy: Database) { database = copy }

    /// Makes a copy of the state's file one that every manager of the cluster can install, also those whose program
    /// knows no later form than the cluster's version needs. Returns how far it has come.
    ///
    /// - Parameter disk: where the copy lies.
    static func share(_ path: String, on disk: (any Disk)?) throws -> StateMark {
        let mark = try StateDatabase(copy: Database(path: path, access: .readOnly, on: disk)).mark()
        guard form(of: mark.version) < schema.version else { return mark }
        let copy = try Database(path: path, on: disk)
        try schema.revert(copy, to: form(of: mark.version))
        // One file, whose readers make no log beside it.
        try copy.setPragma("journal_mode", "DELETE")
        return mark
    }

    func load() throws -> ClusterState {
        let state = try loadState()
        try history.begin(with: state)
        return state
    }

    func mark() throws -> StateMark {
        let isVersioned = try Self.schema.check(database) >= Self.versionedForm
        let version = isVersioned ? "version" : "\(ClusterVersion.first)"
        let applied = try database.first("SELECT idx, time, \(version) FROM applied") { row in
            StateMark(
                index: row.unsigned(0), time: Timestamp(nanosecondsSinceEpoch: row.integer(1)),
                version: ClusterVersion(Int(row.integer(2))))
        }
        var mark = applied ?? StateMark(index: 0, time: .epoch, version: .first)
        mark.cluster = try objects("cluster", ClusterObject.self).first
        return mark
    }

    func loadState() throws -> ClusterState {
        let mark = try mark()
        return ClusterState(
            index: mark.index, time: mark.time, cluster: mark.cluster, nodes: try objects("node", NodeObject.self),
            services: try objects("service", ServiceObject.self), tasks: try tasks(),
            networks: try objects("network", NetworkObject.self),
            attachments: try objects("attachment", AttachmentObject.self),
            configs: try objects("config", ConfigObject.self), secrets: try objects("secret", SecretObject.self),
            recentTransactions: try database.query("SELECT id, idx FROM recent ORDER BY idx") {
                AppliedTransaction(id: $0.text(0), index: $0.unsigned(1))
            }, version: mark.version)
    }

    private func tasks() throws -> [TaskObject] {
        try ParallelReader.tasks { body in
            var failure: SystemError?
            try database.forEach("SELECT body FROM task ORDER BY id") { row in
                do throws(SystemError) { return try body(row.blob(0)) } catch {
                    failure = error
                    return false
                }
            }
            if let failure { throw failure }
        }
    }

    private func objects<T: Decodable>(_ table: String, _ type: T.Type) throws -> [T] {
        let bodies = try database.query("SELECT body FROM \(table) ORDER BY id") { $0.text(0) }
        return try bodies.map { try JSONCoding.decode(type, from: Array($0.utf8)) }
    }

    /// Writes the objects that changed, their history, and how far the state has come, in one transaction.
    func write(_ backlog: StateBacklog, of state: ClusterState) throws {
        try database.transaction {
            // In the order of the tables' keys, so that neighbours are written together.
            for key in backlog.keys.sorted() { try write(key, of: state) }
            try history.add(backlog.records)
            for transaction in backlog.transactions {
                try database.execute("INSERT OR REPLACE INTO recent VALUES (?, ?)", transaction.index, transaction.id)
            }
            try database.execute("DELETE FROM recent WHERE idx < ?", state.recentTransactions.oldestIndex)
            try database.execute(
                "INSERT OR REPLACE INTO applied VALUES (1, ?, ?, ?)", state.index, state.time.nanosecondsSinceEpoch,
                state.version.number)
        }
    }

    private func write(_ key: ObjectReference, of state: ClusterState) throws {
        switch key.kind {
        case .cluster:
            guard let object = state.cluster else { return try remove(key) }
            try database.execute("INSERT OR REPLACE INTO cluster VALUES (?, ?)", object.id, try text(object))
        case .node:
            guard let object = state.nodes[key.id] else { return try remove(key) }
            try database.execute(
                "INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?, ?, ?)", object.id, object.hostname,
                object.spec.role.rawValue, object.spec.availability.rawValue, object.status.state.rawValue,
                try text(object))
        case .service:
            guard let object = state.services[key.id] else { return try remove(key) }
            try database.execute(
                "INSERT OR REPLACE INTO service VALUES (?, ?, ?, ?)", object.id, object.spec.name,
                object.version.index, try text(object))
        case .task:
            guard let object = state.tasks[key.id] else { return try remove(key) }
            try database.execute(
                "INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?, ?, ?, ?)", object.id, object.serviceID, object.slot,
                object.nodeID, object.status.state.rawValue, object.desiredState.rawValue, try text(object))
        case .network:
            guard let object = state.networks[key.id] else { return try remove(key) }
            try database.execute(
                "INSERT OR REPLACE INTO network VALUES (?, ?, ?, ?)", object.id, object.spec.name,
                object.subnet.description, try text(object))
        case .attachment:
            guard let object = state.attachments[key.id] else { return try remove(key) }
            try database.execute(
                "INSERT OR REPLACE INTO attachment VALUES (?, ?, ?, ?)", object.id, object.networkID, object.nodeID,
                try text(object))
        case .config: try write(key, state.configs[key.id])
        case .secret: try write(key, state.secrets[key.id])
        }
    }

    private func write(_ key: ObjectReference, _ object: (some NamedObject & Encodable)?) throws {
        guard let object else { return try remove(key) }
        try database.execute(
            "INSERT OR REPLACE INTO \(key.kind.rawValue) VALUES (?, ?, ?, ?)", object.id, object.name,
            object.version.index, try text(object))
    }

    private func remove(_ key: ObjectReference) throws {
        try database.execute("DELETE FROM \(key.kind.rawValue) WHERE id = ?", key.id)
    }

    private func text(_ object: some Encodable) throws -> String {
        String(decoding: try JSONCoding.encode(object), as: UTF8.self)
    }
}
