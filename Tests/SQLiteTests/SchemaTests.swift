import SQLite
import Testing

@Suite struct SchemaTests {
    private static let path = "/test.sqlite"

    /// Form 1 has names, form 2 knows how long they are, form 3 has them elsewhere.
    private func schema(upTo version: Int64 = 3) -> Schema {
        let steps = [
            Schema.Step(from: 0, to: 1) { try $0.executeScript("CREATE TABLE IF NOT EXISTS name (text TEXT)") },
            Schema.Step(from: 1, to: 2) { database in
                try database.executeScript("ALTER TABLE name ADD COLUMN length INTEGER NOT NULL DEFAULT 0")
                try database.execute("UPDATE name SET length = length(text)")
            } undo: { database in
                try database.execute("ALTER TABLE name DROP COLUMN length")
            },
            Schema.Step(from: 2, to: 3) { database in
                try database.executeScript(
                    "CREATE TABLE word (text TEXT, length INTEGER); INSERT INTO word SELECT text, length FROM name; "
                        + "DROP TABLE name")
            } undo: { database in
                try database.executeScript(
                    "CREATE TABLE name (text TEXT, length INTEGER); INSERT INTO name SELECT text, length FROM word; "
                        + "DROP TABLE word")
            },
        ]
        return Schema(Array(steps.prefix(Int(version))))
    }

    /// A file of a form, with names of 1 to 30 bytes.
    private func file(_ form: Int64, on disk: SimulatedDisk) throws {
        let database = try Database(path: Self.path, on: disk)
        try schema(upTo: max(1, form)).prepare(database)
        for count in 1...30 {
            let text = String(repeating: "x", count: count)
            switch form {
            case 0, 1: try database.execute("INSERT INTO name VALUES (?)", text)
            case 2: try database.execute("INSERT INTO name VALUES (?, ?)", text, count)
            default: try database.execute("INSERT INTO word VALUES (?, ?)", text, count)
            }
        }
        // Files whose form was not numbered.
        if form == 0 { try database.setPragma("user_version", "0") }
    }

    private func words(_ database: Database) throws -> [Int64] {
        try database.query("SELECT text, length FROM word ORDER BY length") { row in
            Int64(row.text(0).count) == row.integer(1) ? row.integer(1) : -1
        }
    }

    @Test("Every earlier form becomes the newest, and a file of that stays as it is", arguments: [0, 1, 2, 3])
    func steps(form: Int64) throws {
        let disk = SimulatedDisk(seed: 1)
        try file(form, on: disk)
        for _ in 0..<2 {
            let database = try Database(path: Self.path, on: disk)
            try schema().prepare(database)
            #expect(try words(database) == Array(1...30))
            #expect(try database.pragma("user_version") == .integer(3))
        }
    }

    @Test("A file goes back to an earlier form, and comes from there again", arguments: [1, 2, 3])
    func wayBack(form: Int64) throws {
        let disk = SimulatedDisk(seed: 1)
        try file(3, on: disk)
        let database = try Database(path: Self.path, on: disk)
        for _ in 0..<2 {
            try schema().revert(database, to: form)
            #expect(try database.pragma("user_version") == .integer(form))
        }
        if form < 3 {
            // A program that knows no later form.
            try schema(upTo: form).prepare(database)
            let columns = try database.query("SELECT name FROM pragma_table_info('name')") { $0.text(0) }
            #expect(columns == Array(["text", "length"].prefix(Int(form))))
        }
        try schema().revert(database, to: 3)
        #expect(try database.pragma("user_version") == .integer(form), "it is not brought forward")
        try schema().prepare(database)
        #expect(try words(database) == Array(1...30))
    }

    @Test("An empty file gets the newest form")
    func beginning() throws {
        let database = try Database(path: Self.path, on: SimulatedDisk(seed: 1))
        try schema().prepare(database)
        #expect(try words(database) == [])
    }

    @Test("A newer file is refused and left as it is")
    func newer() throws {
        let disk = SimulatedDisk(seed: 1)
        try file(3, on: disk)
        let database = try Database(path: Self.path, on: disk)
        #expect(throws: SchemaError(path: Self.path, found: 3, known: 2)) {
            try schema(upTo: 2).prepare(database)
        }
        #expect(throws: SchemaError.self) { try schema(upTo: 2).revert(database, to: 1) }
        #expect(try words(database) == Array(1...30))
        #expect(try database.pragma("user_version") == .integer(3))
    }

    @Test("A step that fails leaves the file as it was")
    func failure() throws {
        struct Failure: Error {}
        let disk = SimulatedDisk(seed: 1)
        try file(1, on: disk)
        let database = try Database(path: Self.path, on: disk)
        let broken = Schema([
            Schema.Step(from: 1, to: 2) { database in
                try database.executeScript("DROP TABLE name")
                throw Failure()
            }
        ])
        #expect(throws: Failure.self) { try broken.prepare(database) }
        #expect(try database.pragma("user_version") == .integer(1))
        try schema().prepare(database)
        #expect(try words(database) == Array(1...30))
    }

    @Test("A loss of power at any write leaves the form of before or the new one, whole")
    func powerLoss() throws {
        var interrupted = 0
        for operations in 0..<200 {
            let disk = SimulatedDisk(seed: UInt64(operations))
            try file(1, on: disk)
            disk.losePower(afterOperations: operations)
            let isDone = (try? schema().prepare(Database(path: Self.path, on: disk))) != nil
            disk.losePower()
            disk.restorePower()
            let form = try Database(path: Self.path, on: disk).pragma("user_version")
            #expect(isDone ? form == .integer(3) : [.integer(1), .integer(3)].contains(form))
            let database = try Database(path: Self.path, on: disk)
            try schema().prepare(database)
            #expect(try words(database) == Array(1...30), "after \(operations) operations")
            if isDone { break }
            interrupted += 1
        }
        #expect((3..<199).contains(interrupted), "\(interrupted)")
    }
}
