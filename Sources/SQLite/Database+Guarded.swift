import CSQLite

/// Running a statement that comes from outside, on a connection opened for it alone.
///
/// SQLite: Compile-Time Authorization Callbacks, Query Progress Callback, Run-Time Limits; "Defense Against The Dark
/// Arts". The authorizer lets a statement select and read what it was given, and nothing else: no write, no schema, no
/// PRAGMA, no ATTACH, no transaction.
extension Database {
    /// Instructions of SQLite's machine between two looks at the clock.
    private static let progressStep: Int32 = 1_000

    /// - Parameter now: milliseconds of a clock that is never set back.
    public func run(
        _ query: GuardedQuery, now: @escaping () -> Int64
    ) throws(GuardedQuery.Refusal) -> GuardedQuery.Answer {
        guard query.text.utf8.count <= query.limits.statementBytes else {
            throw .tooLong(bytes: query.text.utf8.count, limit: query.limits.statementBytes)
        }
        limit(query.limits)
        let watch = QueryWatch(
            tables: try tables(), readable: query.readable, deadline: now() + query.limits.milliseconds, now: now)
        let pointer = Unmanaged.passUnretained(watch).toOpaque()
        sqlite3_set_authorizer(connection, authorize, pointer)
        sqlite3_progress_handler(connection, Self.progressStep, interrupt, pointer)
        defer {
            sqlite3_set_authorizer(connection, nil, nil)
            sqlite3_progress_handler(connection, 0, nil, nil)
        }
        return try withExtendedLifetime(watch) { () throws(GuardedQuery.Refusal) in
            let statement = try prepareOne(query.text)
            defer { sqlite3_finalize(statement) }
            return try answer(statement, query.limits)
        }
    }

    private func tables() throws(GuardedQuery.Refusal) -> Set<String> {
        do {
            return Set(try query("SELECT name FROM sqlite_master") { $0.text(0) })
        } catch {
            throw .failed(error.message)
        }
    }

    private func limit(_ limits: GuardedQuery.Limits) {
        for (category, value) in [
            (SQLITE_LIMIT_LENGTH, limits.valueBytes), (SQLITE_LIMIT_SQL_LENGTH, limits.statementBytes),
            (SQLITE_LIMIT_COLUMN, 256), (SQLITE_LIMIT_EXPR_DEPTH, 100), (SQLITE_LIMIT_COMPOUND_SELECT, 32),
            (SQLITE_LIMIT_VDBE_OP, 100_000), (SQLITE_LIMIT_FUNCTION_ARG, 32), (SQLITE_LIMIT_ATTACHED, 0),
            (SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256), (SQLITE_LIMIT_VARIABLE_NUMBER, 0),
            (SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            sqlite3_limit(connection, category, Int32(value))
        }
    }

    private func prepareOne(_ text: String) throws(GuardedQuery.Refusal) -> OpaquePointer {
        let bytes = Array(text.utf8)
        guard !bytes.contains(0) else { throw .failed("the statement holds a zero byte") }
        let statements = try prepare(bytes)
        guard let statement = statements.first, statements.count == 1 else {
            for statement in statements { sqlite3_finalize(statement) }
            throw .notOneStatement
        }
        guard sqlite3_stmt_readonly(statement) != 0 else {
            sqlite3_finalize(statement)
            throw .notAllowed("the statement would write")
        }
        return statement
    }

    /// The first two statements of a text, which may be followed by more.
    private func prepare(_ text: [UInt8]) throws(GuardedQuery.Refusal) -> [OpaquePointer] {
        var found: [OpaquePointer] = []
        var rest = text[...]
        while !rest.isEmpty, found.count < 2 {
            var statement: OpaquePointer?
            var consumed = 0
            let code = rest.withUnsafeBytes { buffer in
                let start = buffer.baseAddress!.assumingMemoryBound(to: CChar.self)
                var tail: UnsafePointer<CChar>?
                let code = sqlite3_prepare_v3(connection, start, Int32(buffer.count), 0, &statement, &tail)
                consumed = tail.map { start.distance(to: $0) } ?? buffer.count
                return code
            }
            guard code == SQLITE_OK else {
                // A second statement that is wrong is one too many all the same.
                let refusal = found.isEmpty ? refusal(code) : GuardedQuery.Refusal.notOneStatement
                for statement in found { sqlite3_finalize(statement) }
                throw refusal
            }
            if let statement { found.append(statement) }
            rest = consumed > 0 ? rest.dropFirst(consumed) : []
        }
        return found
    }

    private func answer(
        _ statement: OpaquePointer, _ limits: GuardedQuery.Limits
    ) throws(GuardedQuery.Refusal) -> GuardedQuery.Answer {
        var answer = GuardedQuery.Answer()
        let count = Int(sqlite3_column_count(statement))
        answer.columns = (0..<count).map { column in
            sqlite3_column_name(statement, Int32(column)).map { String(cString: $0) } ?? ""
        }
        var bytes = 0
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                let row = Row(statement: statement)
                let values = (0..<count).map { row.value($0) }
                bytes += values.reduce(0) { $0 + $1.byteCount }
                guard answer.rows.count < limits.rows, bytes <= limits.answerBytes else {
                    answer.isCut = true
                    return answer
                }
                answer.rows.append(values)
            case SQLITE_DONE: return answer
            case SQLITE_INTERRUPT: throw .tookTooLong(milliseconds: limits.milliseconds)
            case let code: throw refusal(code)
            }
        }
    }

    private func refusal(_ code: Int32) -> GuardedQuery.Refusal {
        let message = String(cString: sqlite3_errmsg(connection))
        return code & 0xff == SQLITE_AUTH ? .notAllowed(message) : .failed(message)
    }
}

extension StoredValue {
    fileprivate var byteCount: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .blob(let bytes): bytes.count
        case .null, .integer, .real: 8
        }
    }
}

/// What the callbacks of one run look at.
private final class QueryWatch {
    /// Every table of the file.
    let tables: Set<String>
    let readable: [String: Set<String>]
    let deadline: Int64
    let now: () -> Int64

    init(tables: Set<String>, readable: [String: Set<String>], deadline: Int64, now: @escaping () -> Int64) {
        self.tables = tables
        self.readable = readable
        self.deadline = deadline
        self.now = now
    }

    private func isTable(_ name: String) -> Bool {
        tables.contains(name) || name.hasPrefix("sqlite_") || name.hasPrefix("pragma_")
    }

    func mayRead(_ table: String, _ column: String) -> Bool {
        // What is no table was named by the statement itself: WITH n AS (...) SELECT count(*) FROM n.
        guard let columns = readable[table] else { return column.isEmpty && !isTable(table) }
        // Nothing of a table is named where its rows are only counted.
        return columns.isEmpty || column.isEmpty || columns.contains(column)
    }
}

/// SQLite: sqlite3_set_authorizer.
private func authorize(
    _ watch: UnsafeMutableRawPointer?, _ action: Int32, _ first: UnsafePointer<CChar>?,
    _ second: UnsafePointer<CChar>?, _: UnsafePointer<CChar>?, _: UnsafePointer<CChar>?
) -> Int32 {
    switch action {
    case SQLITE_SELECT, SQLITE_RECURSIVE: return SQLITE_OK
    case SQLITE_FUNCTION:
        let name = second.map { String(cString: $0) } ?? ""
        return name.lowercased() == "load_extension" ? SQLITE_DENY : SQLITE_OK
    case SQLITE_READ:
        guard let watch, let first, let second else { return SQLITE_DENY }
        // SAFETY: the pointer is that of the watch which `Database.run` keeps alive until the callback is taken away.
        let seen = Unmanaged<QueryWatch>.fromOpaque(watch).takeUnretainedValue()
        return seen.mayRead(String(cString: first), String(cString: second)) ? SQLITE_OK : SQLITE_DENY
    default: return SQLITE_DENY
    }
}

/// SQLite: sqlite3_progress_handler. Anything but 0 ends the statement.
private func interrupt(_ watch: UnsafeMutableRawPointer?) -> Int32 {
    guard let watch else { return 1 }
    // SAFETY: as in `authorize`.
    let seen = Unmanaged<QueryWatch>.fromOpaque(watch).takeUnretainedValue()
    return seen.now() > seen.deadline ? 1 : 0
}
