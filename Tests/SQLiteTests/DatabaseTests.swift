import LinuxSystem
import SQLite
import TestSupport
import Testing

@Suite struct DatabaseTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory("sqlite")
        path = directory.path + "/test.sqlite"
    }

    @Test func everyStorageClassComesBack() throws {
        let database = try Database(path: path)
        try database.executeScript("CREATE TABLE t (a, b, c, d, e, f)")
        let values: [(any DatabaseValue)?] = [
            Int64.min, 2.5, "text with ' and \u{0} ü", [UInt8]([0, 1, 255]), nil, true,
        ]
        try database.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", values: values)
        let row = try database.first("SELECT * FROM t") { row in (0..<6).map { row.value($0) } }
        #expect(
            row == [
                .integer(.min), .real(2.5), .text("text with ' and \u{0} ü"), .blob([0, 1, 255]), .null, .integer(1),
            ])
        let absent: String? = nil
        try database.execute("UPDATE t SET a = ?, b = ?, c = ?, d = ?", UInt64.max, "", [UInt8](), absent)
        let second = try database.first("SELECT * FROM t") { row in (0..<4).map { row.value($0) } }
        #expect(second == [.integer(-1), .text(""), .blob([]), .null])
        let unsigned = try database.first("SELECT a, d FROM t") { ($0.unsigned(0), $0.isNull(1)) }
        #expect(unsigned?.0 == UInt64.max)
        #expect(unsigned?.1 == true)
        #expect(try database.first("SELECT a FROM t WHERE 0") { $0.integer(0) } == nil)
    }

    @Test func errorsSayWhatFailed() throws {
        let database = try Database(path: path)
        try database.executeScript("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        try database.execute("INSERT INTO t VALUES (?)", 1)
        let error = #expect(throws: DatabaseError.self) { try database.execute("INSERT INTO t VALUES (?)", 1) }
        #expect(error?.code == 1555, "SQLITE_CONSTRAINT_PRIMARYKEY")
        #expect(error?.statement == "INSERT INTO t VALUES (?)")
        // The statement can be used again.
        try database.execute("INSERT INTO t VALUES (?)", 2)
        #expect(throws: DatabaseError.self) { try database.execute("SELEKT 1") }
        #expect(throws: DatabaseError.self) { try database.execute("  ") }
        #expect(throws: DatabaseError.self) { try Database(path: directory.path + "/no/such") }
        #expect(throws: DatabaseError.self) { try Database(path: directory.path + "/none", access: .readOnly) }
    }

    @Test func damagedFileIsRefused() throws {
        try Files.write(path, [UInt8](repeating: 0x41, count: 4096))
        let error = #expect(throws: DatabaseError.self) { try Database(path: path) }
        #expect(error?.code == 26, "SQLITE_NOTADB")
    }

    @Test func transactionsAreWholeOrNothing() throws {
        struct Stop: Error {}
        let database = try Database(path: path)
        try database.executeScript("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        #expect(throws: Stop.self) {
            try database.transaction {
                try database.execute("INSERT INTO t VALUES (1)")
                throw Stop()
            }
        }
        #expect(!database.isInTransaction)
        try database.transaction {
            try database.execute("INSERT INTO t VALUES (1)")
            // Joins the one around it.
            try database.transaction { try database.execute("INSERT INTO t VALUES (2)") }
        }
        #expect(try database.query("SELECT a FROM t ORDER BY a") { $0.integer(0) } == [1, 2])
    }

    @Test func sameQueryInsideItself() throws {
        let database = try Database(path: path)
        try database.executeScript("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3)")
        let pairs = try database.query("SELECT a FROM t ORDER BY a") { row throws(DatabaseError) in
            let outer = row.integer(0)
            let inner = try database.query("SELECT a FROM t ORDER BY a") { $0.integer(0) }
            return (outer, inner)
        }
        #expect(pairs.map(\.0) == [1, 2, 3])
        #expect(pairs.allSatisfy { $0.1 == [1, 2, 3] })
    }

    @Test func moreStatementsThanAreKept() throws {
        let database = try Database(path: path)
        for number in 0..<3 * Database.cachedStatementLimit {
            #expect(try database.first("SELECT \(number)") { $0.integer(0) } == Int64(number))
        }
        #expect(try database.first("SELECT 1") { $0.integer(0) } == 1)
    }

    @Test func anotherConnectionSeesCommitsAndNothingElse() throws {
        let writer = try Database(path: path)
        try writer.executeScript("CREATE TABLE t (a INTEGER)")
        let reader = try Database(path: path, access: .readOnly)
        try writer.begin()
        try writer.execute("INSERT INTO t VALUES (1)")
        #expect(try reader.first("SELECT count(*) FROM t") { $0.integer(0) } == 0)
        try writer.commit()
        #expect(try reader.first("SELECT count(*) FROM t") { $0.integer(0) } == 1)
        #expect(throws: DatabaseError.self) { try reader.execute("INSERT INTO t VALUES (2)") }
    }

    @Test func vacuumIntoCopiesBesideAnOpenTransaction() throws {
        let writer = try Database(path: path)
        try writer.executeScript("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)")
        let reader = try Database(path: path, access: .readOnly)
        try writer.begin()
        try writer.execute("INSERT INTO t VALUES (2)")
        try reader.vacuum(into: directory.path + "/copy.sqlite")
        try writer.commit()
        let copy = try Database(path: directory.path + "/copy.sqlite", access: .readOnly)
        #expect(try copy.query("SELECT a FROM t") { $0.integer(0) } == [1])
        #expect(throws: DatabaseError.self, "an existing file is not overwritten") {
            try reader.vacuum(into: directory.path + "/copy.sqlite")
        }
    }

    @Test("A copy that is sent to the disk in many pieces holds everything")
    func largeCopies() throws {
        let database = try Database(path: path)
        try database.executeScript("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        let text = String(repeating: "x", count: 4_000)
        try database.transaction {
            for number in 0..<2_000 { try database.execute("INSERT INTO t VALUES (?, ?)", number, "\(number)\(text)") }
        }
        try database.vacuum(into: directory.path + "/copy.sqlite")
        let copy = try Database(path: directory.path + "/copy.sqlite", access: .readOnly)
        #expect(try copy.query("PRAGMA integrity_check") { $0.text(0) } == ["ok"])
        let found = try copy.query("SELECT b FROM t ORDER BY a") { $0.text(0) }
        #expect(found.count == 2_000 && found.enumerated().allSatisfy { $1 == "\($0)\(text)" })
    }

    @Test func pragmasAndCheckpoint() throws {
        let database = try Database(path: path)
        #expect(try database.pragma("journal_mode") == .text("wal"))
        #expect(try database.pragma("synchronous") == .integer(2))
        #expect(try database.pragma("foreign_keys") == .integer(1))
        try database.setPragma("user_version", "7")
        #expect(try database.pragma("user_version") == .integer(7))
        try database.checkpoint()
        let lax = try Database(path: path, durability: .normal)
        #expect(try lax.pragma("synchronous") == .integer(1))
    }
}
