import DatabaseCipher
import SQLite
import Testing

/// Random transactions, and power that fails at any moment: what SQLite promises, and what the disk may do to it.
@Suite struct PowerLossTests {
    private static let path = "/data/test.sqlite"

    private let cipher: PageCipher

    init() throws {
        var keys = DatabaseKeys()
        keys.add()
        cipher = try #require(keys.cipher(for: .log))
    }

    /// Where databases are opened: on the disk as it is, or sealed.
    private func disk(_ disk: SimulatedDisk, sealed: Bool) -> any Disk {
        sealed ? SealedDisk(cipher, over: disk) : disk
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    /// What the table holds, beside what it is about to hold while a transaction is being committed.
    private struct Model {
        var acknowledged: [Int64: Int64] = [:]
        /// What transactions would have made of it that failed since something was last written: one may be there.
        var pending: [[Int64: Int64]] = []

        func allows(_ found: [Int64: Int64]) -> Bool { found == acknowledged || pending.contains(found) }
    }

    @Test(
        "after a loss of power everything acknowledged is there, and nothing half", arguments: [0, 1, 2, 3],
        [false, true])
    func recovers(part: Int, sealed: Bool) async throws {
        var survivors = 0
        for seed in 0..<75 {
            // Other tests wait for things to happen in time.
            await Task.yield()
            let seed = UInt64(part * 100 + seed)
            var generator = Generator(state: seed)
            let disk = SimulatedDisk(seed: seed)
            var model = Model()
            for life in 0..<4 {
                disk.losePower(afterOperations: Int.random(in: 0..<120, using: &generator))
                var failures = 0
                try? live(on: disk, sealed, &model, &generator, &failures)
                disk.losePower()
                disk.restorePower()
                let database = try Database(path: Self.path, on: self.disk(disk, sealed: sealed))
                #expect(try database.pragma("integrity_check") == .text("ok"), "seed \(seed), life \(life)")
                let found = try contents(database)
                if found != model.acknowledged { survivors += 1 }
                try #require(model.allows(found), "seed \(seed), life \(life)")
                model = Model(acknowledged: found)
            }
        }
        #expect(survivors > 0, "an unacknowledged transaction may well be there")
    }

    /// After a sync that failed, what was written is still visible, also to who opens the file anew, and may never
    /// reach the disk.
    @Test(
        "nor where writes and syncs fail before that, if the log is renewed first", arguments: [0, 1, 2, 3],
        [false, true])
    func recoversAfterErrors(part: Int, sealed: Bool) async throws {
        var failures = 0
        for seed in 1_000 + part * 50..<1_000 + (part + 1) * 50 {
            await Task.yield()
            var generator = Generator(state: UInt64(seed))
            let disk = SimulatedDisk(seed: UInt64(seed))
            var model = Model()
            for life in 0..<3 {
                disk.faults.perMillion = [.write: 10_000, .sync: 50_000]
                disk.losePower(afterOperations: Int.random(in: 0..<150, using: &generator))
                while disk.isPowered {
                    do { try live(on: disk, sealed, &model, &generator, &failures) } catch { failures += 1 }
                }
                disk.faults = DiskFaults()
                disk.restorePower()
                let found = try contents(Database(path: Self.path, on: self.disk(disk, sealed: sealed)))
                try #require(model.allows(found), "seed \(seed), life \(life)")
                model = Model(acknowledged: found)
            }
        }
        #expect(failures > 100)
    }

    private func contents(_ database: Database) throws -> [Int64: Int64] {
        guard try database.first("SELECT 1 FROM sqlite_schema WHERE name = 't'", body: { $0.integer(0) }) != nil
        else { return [:] }
        let rows = try database.query("SELECT k, v, length(filler) FROM t") {
            ($0.integer(0), $0.integer(1), $0.integer(2))
        }
        for row in rows { #expect(row.2 == row.1 % 6_000) }
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.0, $0.1) })
    }

    /// Works until the power fails or there is nothing more to do.
    private func live(
        on beneath: SimulatedDisk, _ sealed: Bool, _ model: inout Model, _ generator: inout Generator,
        _ failures: inout Int
    ) throws {
        let disk = disk(beneath, sealed: sealed)
        try Database.renewLog(of: Self.path, on: disk)
        var database = try Database(path: Self.path, on: disk)
        // Killed, it does not tidy up.
        defer { if generator.next() % 2 == 0 { beneath.killProcess() } }
        let found = try contents(database)
        try #require(model.allows(found))
        if found != model.acknowledged { model = Model(acknowledged: found) }
        try database.executeScript(
            """
            PRAGMA wal_autocheckpoint = \(Int.random(in: 5..<40, using: &generator));
            CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL, filler BLOB NOT NULL);
            """)
        for number in 0..<60 {
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: try database.checkpoint()
            case 1:
                let reader = try Database(path: Self.path, access: .readOnly, on: disk)
                #expect(try model.allows(contents(reader)))
                try reader.vacuum(into: "/data/copy-\(model.acknowledged.count)-\(number)-\(generator.next())")
            case 2:
                // The last one tidies up.
                database = try Database(path: Self.path, on: disk)
            default:
                do { try change(database, &model, &generator) } catch {
                    // Without power, or by chance, the connection is given up.
                    guard beneath.isPowered, Bool.random(using: &generator) else { throw error }
                    failures += 1
                }
            }
        }
    }

    private func change(_ database: Database, _ model: inout Model, _ generator: inout Generator) throws {
        var wanted = model.acknowledged
        try database.transaction {
            for _ in 0..<Int.random(in: 1..<5, using: &generator) {
                let key = Int64.random(in: 0..<50, using: &generator)
                if Bool.random(using: &generator) {
                    let value = Int64.random(in: 0..<1_000_000, using: &generator)
                    wanted[key] = value
                    try database.execute(
                        "INSERT OR REPLACE INTO t VALUES (?, ?, zeroblob(?))", key, value, value % 6_000)
                } else {
                    wanted[key] = nil
                    try database.execute("DELETE FROM t WHERE k = ?", key)
                }
            }
            model.pending.append(wanted)
        }
        if wanted != model.acknowledged { model = Model(acknowledged: wanted) }
    }
}
