import SQLite
import TestSupport
import Testing

@Suite struct GuardedQueryTests {
    private func database(_ folder: borrowing TemporaryDirectory) throws -> Database {
        let path = folder.path + "/some.sqlite"
        do {
            let database = try Database(path: path)
            try database.executeScript("CREATE TABLE open (a, b); CREATE TABLE closed (a)")
            for number in 0..<20 { try database.execute("INSERT INTO open VALUES (?, ?)", number, [UInt8(number)]) }
        }
        return try Database(path: path, access: .readOnly)
    }

    private func run(
        _ database: Database, _ text: String, _ change: (inout GuardedQuery.Limits) -> Void = { _ in }
    ) throws(GuardedQuery.Refusal) -> GuardedQuery.Answer {
        var limits = GuardedQuery.Limits()
        change(&limits)
        var time: Int64 = 0
        return try database.run(GuardedQuery(text, readable: ["open": ["a"]], limits: limits)) {
            time += 1
            return time
        }
    }

    @Test("Columns and tables that are not named cannot be read, not even to be compared")
    func columns() throws {
        let folder = try TemporaryDirectory()
        let database = try database(folder)
        #expect(try run(database, "SELECT a FROM open WHERE a < 2").rows == [[.integer(0)], [.integer(1)]])
        for text in [
            "SELECT b FROM open", "SELECT a FROM open WHERE b = x'00'", "SELECT a FROM open ORDER BY b",
            "SELECT a FROM closed", "SELECT count(*) FROM closed",
            "SELECT a FROM open WHERE a IN (SELECT a FROM closed)",
            "SELECT (SELECT max(b) FROM open)", "SELECT count(*) FROM sqlite_master",
            "SELECT count(*) FROM pragma_table_list",
        ] {
            #expect(throws: GuardedQuery.Refusal.self) { _ = try run(database, text) }
        }
    }

    @Test("The connection is free again afterwards")
    func freed() throws {
        let folder = try TemporaryDirectory()
        let database = try database(folder)
        _ = try run(database, "SELECT a FROM open")
        #expect(try database.query("SELECT b FROM open") { $0.blob(0) }.count == 20)
    }

    @Test("Rows and bytes beyond the limits are cut off, and it is said")
    func cuts() throws {
        let folder = try TemporaryDirectory()
        let database = try database(folder)
        let few = try run(database, "SELECT a FROM open") { $0.rows = 5 }
        #expect(few.rows.count == 5 && few.isCut)
        let exact = try run(database, "SELECT a FROM open") { $0.rows = 20 }
        #expect(exact.rows.count == 20 && !exact.isCut)
        let bytes = try run(database, "SELECT hex(zeroblob(500)) FROM open") { $0.answerBytes = 2_500 }
        #expect(bytes.rows.count == 2 && bytes.isCut)
    }

    @Test("A statement that does not end is ended, also one that finds no row")
    func time() throws {
        let folder = try TemporaryDirectory()
        let database = try database(folder)
        for text in [
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0",
            "SELECT count(*) FROM open a, open b, open c, open d, open e, open f, open g",
        ] {
            #expect(throws: GuardedQuery.Refusal.tookTooLong(milliseconds: 50), Comment(rawValue: text)) {
                _ = try run(database, text) { $0.milliseconds = 50 }
            }
        }
    }

    @Test("Long statements, large values and deep expressions are refused")
    func sizes() throws {
        let folder = try TemporaryDirectory()
        let database = try database(folder)
        #expect(throws: GuardedQuery.Refusal.tooLong(bytes: 100, limit: 99)) {
            _ = try run(database, "SELECT '" + String(repeating: "x", count: 91) + "'") { $0.statementBytes = 99 }
        }
        #expect(throws: GuardedQuery.Refusal.failed("string or blob too big")) {
            _ = try run(database, "SELECT zeroblob(100000000)")
        }
        let deep = String(repeating: "(", count: 200) + "1" + String(repeating: ")", count: 200)
        #expect(throws: GuardedQuery.Refusal.self) {
            _ = try run(database, "SELECT -\(deep) + " + "1" + String(repeating: " + 1", count: 200))
        }
        #expect(throws: GuardedQuery.Refusal.failed("too many SQL variables")) {
            _ = try run(database, "SELECT a FROM open WHERE a = ?")
        }
        #expect(throws: GuardedQuery.Refusal.failed("the statement holds a zero byte")) {
            _ = try run(database, "SELECT 1\0; DROP TABLE open")
        }
    }
}
