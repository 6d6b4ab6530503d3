import CSQLite

/// One connection to a SQLite database, used by one thread (or actor, or lock) at a time.
///
///     let database = try Database(path: directory + "/engine.sqlite", durability: .full)
///     try database.executeScript("CREATE TABLE IF NOT EXISTS volume (name TEXT PRIMARY KEY, body BLOB NOT NULL)")
///     try database.execute("INSERT INTO volume VALUES (?, ?)", name, body)
///     let body = try database.first("SELECT body FROM volume WHERE name = ?", name) { $0.blob(0) }
///
/// Statements are prepared once and kept. The file of an open database must never be opened by other means in this
/// process: closing that descriptor drops SQLite's locks.
public final class Database {
    /// How the file is opened.
    public enum Access: Sendable {
        /// Reads only; the file must exist.
        case readOnly
        /// Reads and writes; the file is made where it does not exist.
        case readWrite
    }

    /// What a commit survives (SQLite: PRAGMA synchronous, with a write-ahead log).
    public enum Durability: Sendable {
        /// A commit is on the disk when it returns: one fsync each.
        case full
        /// A commit survives the death of the process; a loss of power may take the last ones, never half of one.
        case normal
    }

    /// How long a statement waits for another connection's lock, in milliseconds.
    public static let busyTimeoutMilliseconds: Int32 = 5_000
    /// Prepared statements kept by one connection.
    public static let cachedStatementLimit = 128

    /// The file's path; `:memory:` for a private database in memory.
    public let path: String
    let disk: (any Disk)?
    let connection: OpaquePointer
    private var cached: [String: OpaquePointer] = [:]

    /// Opens a database, in WAL mode where it is written to.
    ///
    /// - Parameter disk: where the file lies; nil is the host's file system.
    public init(
        path: String, access: Access = .readWrite, durability: Durability = .full, on disk: (any Disk)? = nil
    ) throws(DatabaseError) {
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        switch access {
        case .readOnly: flags |= SQLITE_OPEN_READONLY
        case .readWrite: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, flags, disk?.vfsName)
        guard code == SQLITE_OK, let opened else {
            let message = String(cString: opened.map { sqlite3_errmsg($0) } ?? sqlite3_errstr(code))
            let systemError = opened.map { sqlite3_system_errno($0) } ?? 0
            sqlite3_close_v2(opened)
            throw DatabaseError(code: code, systemError: systemError, message: message, statement: path)
        }
        self.path = path
        self.disk = disk
        connection = opened
        sqlite3_busy_timeout(connection, Self.busyTimeoutMilliseconds)
        if var reserved = disk.map({ Int32($0.reservedByteCount) }), reserved > 0 {
            sqlite3_file_control(connection, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved)
        }
        try setPragma("foreign_keys", "ON")
        guard access == .readWrite else { return }
        try setPragma("journal_mode", "WAL")
        try setPragma("synchronous", durability == .full ? "FULL" : "NORMAL")
    }

    deinit {
        for statement in cached.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(connection)
    }

    /// Runs one statement; rows that it returns are passed over.
    public func execute(_ sql: String, _ values: (any DatabaseValue)?...) throws(DatabaseError) {
        try execute(sql, values: values)
    }

    /// Runs one statement with the values of an array.
    public func execute(_ sql: String, values: [(any DatabaseValue)?]) throws(DatabaseError) {
        try run(sql, values) { _ throws(DatabaseError) in true }
    }

    /// Runs a text of any number of statements without values: schemas, for example.
    public func executeScript(_ sql: String) throws(DatabaseError) {
        let code = sqlite3_exec(connection, sql, nil, nil, nil)
        if code != SQLITE_OK { throw failure(code, sql) }
    }

    /// All rows of a query, each made into a value by `body`.
    public func query<Value>(
        _ sql: String, _ values: (any DatabaseValue)?..., body: (borrowing Row) throws(DatabaseError) -> Value
    ) throws(DatabaseError) -> [Value] {
        try rows(sql, values: values, body: body)
    }

    /// The first row of a query; nil where there is none.
    public func first<Value>(
        _ sql: String, _ values: (any DatabaseValue)?..., body: (borrowing Row) throws(DatabaseError) -> Value
    ) throws(DatabaseError) -> Value? {
        var result: Value?
        try run(sql, values) { row throws(DatabaseError) in
            result = try body(row)
            return false
        }
        return result
    }

    /// Hands the rows of a query to `body`, one at a time, until it answers false.
    public func forEach(
        _ sql: String, _ values: (any DatabaseValue)?..., body: (borrowing Row) throws(DatabaseError) -> Bool
    ) throws(DatabaseError) {
        try run(sql, values, body: body)
    }

    /// Runs `body` with one state of the database before it, whatever others write meanwhile.
    public func reading<Value>(_ body: () throws(DatabaseError) -> Value) throws(DatabaseError) -> Value {
        try execute("BEGIN")
        defer { rollBack() }
        return try body()
    }

    /// Runs `body` in a transaction that takes the write lock at once; committed when it returns, rolled back when it
    /// throws. Inside another transaction it joins that one.
    public func transaction<Value>(_ body: () throws -> Value) throws -> Value {
        if isInTransaction { return try body() }
        try begin()
        do {
            let value = try body()
            try commit()
            return value
        } catch {
            rollBack()
            throw error
        }
    }

    /// Begins a transaction that takes the write lock at once (`BEGIN IMMEDIATE`).
    public func begin() throws(DatabaseError) { try execute("BEGIN IMMEDIATE") }

    public func commit() throws(DatabaseError) { try execute("COMMIT") }

    /// Ends a transaction without its changes; nothing to do where SQLite has already rolled it back.
    public func rollBack() {
        if isInTransaction { try? execute("ROLLBACK") }
    }

    /// Whether a transaction is open.
    public var isInTransaction: Bool { sqlite3_get_autocommit(connection) == 0 }

    /// Sets a pragma: `setPragma("user_version", "3")`. Neither part may come from outside.
    public func setPragma(_ name: String, _ value: String) throws(DatabaseError) {
        try executeScript("PRAGMA \(name) = \(value)")
    }

    /// Reads a pragma that answers with one value.
    public func pragma(_ name: String) throws(DatabaseError) -> StoredValue {
        let value = try first("PRAGMA \(name)") { $0.value(0) }
        return value ?? .null
    }

    /// Moves the write-ahead log into the database's file as far as readers allow, and truncates it where it can.
    public func checkpoint() throws(DatabaseError) {
        let code = sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        if code != SQLITE_OK { throw failure(code, "checkpoint") }
    }

    /// Steps through a statement; `body` says whether to go on.
    func run(
        _ sql: String, _ values: [(any DatabaseValue)?], body: (borrowing Row) throws(DatabaseError) -> Bool
    ) throws(DatabaseError) {
        // Taken out of the cache while it runs, so that a query inside `body` with the same text gets its own.
        let statement = try takeStatement(sql)
        defer { giveBack(statement, sql) }
        let wanted = Int(sqlite3_bind_parameter_count(statement))
        precondition(wanted == values.count, "\(wanted) parameters, \(values.count) values: \(sql)")
        for (offset, value) in values.enumerated() {
            let code = bind(value?.stored ?? .null, to: Int32(offset + 1), of: statement)
            if code != SQLITE_OK { throw failure(code, sql) }
        }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                if try !body(Row(statement: statement)) { return }
            case SQLITE_DONE: return
            case let code: throw failure(code, sql)
            }
        }
    }

    private func takeStatement(_ sql: String) throws(DatabaseError) -> OpaquePointer {
        if let statement = cached.removeValue(forKey: sql) { return statement }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK else { throw failure(code, sql) }
        guard let statement else {
            throw DatabaseError(code: SQLITE_MISUSE, message: "there is no statement in this text", statement: sql)
        }
        return statement
    }

    private func giveBack(_ statement: OpaquePointer, _ sql: String) {
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
        if cached[sql] != nil || cached.count >= Self.cachedStatementLimit {
            sqlite3_finalize(statement)
        } else {
            cached[sql] = statement
        }
    }

    private func bind(_ value: StoredValue, to index: Int32, of statement: OpaquePointer) -> Int32 {
        // SAFETY: -1 is SQLITE_TRANSIENT: SQLite copies the bytes before the call returns.
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        switch value {
        case .null: return sqlite3_bind_null(statement, index)
        case .integer(let value): return sqlite3_bind_int64(statement, index, value)
        case .real(let value): return sqlite3_bind_double(statement, index, value)
        case .text(var value):
            return value.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    sqlite3_bind_text64(
                        statement, index, $0.baseAddress ?? Self.nothing, UInt64($0.count), copied, UInt8(SQLITE_UTF8))
                }
            }
        case .blob(let value):
            return value.withUnsafeBytes {
                $0.isEmpty
                    ? sqlite3_bind_zeroblob(statement, index, 0)
                    : sqlite3_bind_blob64(statement, index, $0.baseAddress, UInt64($0.count), copied)
            }
        }
    }

    /// A valid address for a text of no bytes: a null pointer would bind NULL.
    private static var nothing: UnsafePointer<CChar> {
        // SAFETY: SQLite's version text is constant and lives as long as the process; no byte of it is read.
        sqlite3_libversion()
    }

    private func failure(_ code: Int32, _ sql: String) -> DatabaseError {
        // What is there otherwise belongs to an earlier error.
        let isSystemError = [SQLITE_IOERR, SQLITE_CANTOPEN].contains(code & 0xff)
        let message =
            code == FileCode.data
            ? "a page is not what was written, or lies under a key that is not known"
            : String(cString: sqlite3_errmsg(connection))
        return DatabaseError(
            code: code, systemError: isSystemError ? sqlite3_system_errno(connection) : 0, message: message,
            statement: sql)
    }
}
