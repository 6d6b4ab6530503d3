import DatabaseCipher
import LinuxSystem
import SQLite
import TestSupport
import Testing

/// Databases on a sealed disk over one in memory.
@Suite struct SealedDiskTests {
    private static let path = "/data/test.sqlite"
    private static let text = "a text that is easily found"

    private let beneath = SimulatedDisk(seed: 1)
    private let keys: DatabaseKeys

    init() {
        var keys = DatabaseKeys()
        keys.add()
        self.keys = keys
    }

    private func sealed(_ keys: DatabaseKeys? = nil, _ purpose: DatabaseKeys.Purpose = .log) throws -> SealedDisk {
        SealedDisk(try #require((keys ?? self.keys).cipher(for: purpose)), over: beneath)
    }

    private func open(_ disk: SealedDisk, _ path: String = path, _ access: Database.Access = .readWrite) throws
        -> Database
    { try Database(path: path, access: access, on: disk) }

    private func filled(_ disk: any Disk, rows: Int = 50, path: String = path) throws -> Database {
        let database = try Database(path: path, on: disk)
        try database.executeScript("CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT)")
        for key in 0..<rows {
            try database.execute(
                "INSERT INTO t VALUES (?, ?)", key, Self.text + String(repeating: ".", count: key * 97))
        }
        return database
    }

    private func texts(_ database: Database) throws -> Int {
        let rows = try database.query("SELECT k, a FROM t ORDER BY k") { ($0.integer(0), $0.text(1)) }
        for (key, text) in rows { #expect(text == Self.text + String(repeating: ".", count: Int(key) * 97)) }
        return rows.count
    }

    private func whatShows() -> [String] {
        beneath.paths.filter { path in
            let bytes = beneath.contents(of: path) ?? []
            return ["easily", "SQLite format", "CREATE"].contains { bytes.firstRange(of: Array($0.utf8)) != nil }
        }
    }

    @Test("everything comes back, from the log and from the database, and nothing of it lies there open")
    func nothingShows() throws {
        let disk = try sealed()
        do {
            let database = try filled(disk)
            #expect(try database.pragma("journal_mode") == .text("wal"))
            #expect(beneath.paths == [Self.path, Self.path + "-wal"])
            #expect(whatShows() == [])
            beneath.killProcess()
        }
        let database = try open(sealed())
        #expect(try texts(database) == 50)
        try database.checkpoint()
        #expect(whatShows() == [])
        #expect(try texts(open(disk, Self.path, .readOnly)) == 50)
        #expect(try database.pragma("integrity_check") == .text("ok"))
        // Without a seal the same is seen at once.
        let plain = try filled(beneath, path: "/data/open.sqlite")
        #expect(whatShows() == ["/data/open.sqlite", "/data/open.sqlite-wal"])
        withExtendedLifetime(plain) {}
    }

    @Test("without the key it is no database") func foreign() throws {
        try filled(sealed()).checkpoint()
        var others = DatabaseKeys()
        others.add()
        for disk in [try sealed(others), try sealed(nil, .state)] {
            let error = #expect(throws: DatabaseError.self) { try texts(open(disk, Self.path, .readOnly)) }
            #expect(error?.isDamage == true)
        }
        let error = #expect(throws: DatabaseError.self) {
            try Database(path: Self.path, on: beneath).execute("SELECT 1")
        }
        #expect(error?.isDamage == true)
    }

    @Test("a page that was altered, or put in another's place, is refused") func damage() throws {
        try filled(sealed()).checkpoint()
        beneath.killProcess()
        #expect(try texts(open(sealed(), Self.path, .readOnly)) == 50)
        let bytes = try #require(beneath.contents(of: Self.path))
        #expect(bytes.count > 20 * 4_096)
        for offset in [5, 4_000, 4_096 * 4 + 100, 4_096 * 9 + 4_090, bytes.count - 1] {
            beneath.damage(Self.path, at: offset) { $0 ^ 4 }
            let error = #expect(throws: DatabaseError.self, "byte \(offset)") {
                try texts(open(sealed(), Self.path, .readOnly))
            }
            #expect(error?.isDamage == true)
            beneath.damage(Self.path, at: offset) { $0 ^ 4 }
        }
        for index in 0..<4_096 {
            let (from, to) = (4_096 * 5 + index, 4_096 * 8 + index)
            beneath.damage(Self.path, at: to) { _ in bytes[from] }
        }
        let error = #expect(throws: DatabaseError.self) { try texts(open(sealed(), Self.path, .readOnly)) }
        #expect(error?.isDamage == true)
    }

    @Test("a log ends before a frame that was altered, whatever of it") func alteredLog() throws {
        do {
            let database = try filled(sealed(), rows: 1)
            try database.checkpoint()
            for key in 1..<10 { try database.execute("INSERT INTO t VALUES (?, ?)", key, Self.text) }
            beneath.killProcess()
        }
        let log = Self.path + "-wal"
        let count = try #require(beneath.contents(of: log)?.count)
        let frames = (count - 32) / 4_120
        #expect(frames >= 9)
        func rows() throws -> Int64? {
            try open(sealed()).first("SELECT count(*) FROM t") { $0.integer(0) }
        }
        // The fifth frame, in page number, salt, sum, body, nonce and tag.
        for offset in [3, 9, 20, 24 + 700, 24 + 4_060, 24 + 4_095] {
            let place = 32 + 4 * 4_120 + offset
            beneath.damage(log, at: place) { $0 ^ 1 }
            let found = try #require(try rows())
            #expect((2..<9).contains(found), "\(offset): \(found)")
            beneath.killProcess()
            beneath.damage(log, at: place) { $0 ^ 1 }
        }
    }

    @Test("a page of the log that is altered while it is in use is refused") func alteredWhileOpen() throws {
        let disk = try sealed()
        let database = try filled(disk)
        let log = Self.path + "-wal"
        let count = try #require(beneath.contents(of: log)?.count)
        for frame in 0..<(count - 32) / 4_120 { beneath.damage(log, at: 32 + frame * 4_120 + 500) { $0 ^ 1 } }
        let error = #expect(throws: DatabaseError.self) { try texts(open(disk, Self.path, .readOnly)) }
        #expect(error?.isDamage == true)
        withExtendedLifetime(database) {}
    }

    @Test("copies are sealed, and what SQLite sorts or keeps for a statement reaches no disk") func copies() throws {
        let disk = try sealed()
        let database = try filled(disk, rows: 120)
        try database.executeScript("PRAGMA cache_size = 10; PRAGMA temp_store = FILE")
        let sorted = try database.query("SELECT a FROM t ORDER BY substr(a, 5) DESC, random()") { $0.text(0) }
        #expect(sorted.count == 120)
        try database.execute("CREATE TEMP TABLE more AS SELECT a FROM t")
        #expect(throws: DatabaseError.self, "the statement is undone") {
            try database.transaction {
                try database.execute("UPDATE t SET a = a || 'x' WHERE k < 80")
                try database.execute("INSERT INTO t SELECT 500 + k % 119, a FROM t")
            }
        }
        try database.vacuum(into: "/data/copy.sqlite")
        #expect(whatShows() == [])
        #expect(beneath.paths == ["/data/copy.sqlite", Self.path, Self.path + "-wal"])
        let named = beneath.paths.reduce(0) { $0 + (beneath.contents(of: $1)?.count ?? 0) }
        // Two heads of journals whose names were deleted are all that there is beside.
        #expect(beneath.usedBytes < named + 4_096, "nor has it a file without a name there")
        #expect(try texts(open(disk, "/data/copy.sqlite", .readOnly)) == 120)
        // A copy has no log of its own until it is written to, by way of a rollback journal.
        let copy = try open(disk, "/data/copy.sqlite")
        try copy.execute("INSERT INTO t VALUES (120, ?)", Self.text + String(repeating: ".", count: 120 * 97))
        #expect(try texts(copy) == 121)
        #expect(whatShows() == [])
    }

    @Test("transactions larger than the cache, and rollbacks") func spills() throws {
        let disk = try sealed()
        let database = try filled(disk, rows: 100)
        try database.executeScript("PRAGMA cache_size = 5; PRAGMA wal_autocheckpoint = 7")
        struct Enough: Error {}
        for round in 0..<6 {
            try? database.transaction {
                try database.execute("UPDATE t SET a = a || '.' || zeroblob(3000)")
                try database.execute("DELETE FROM t WHERE k % 3 = 0")
                if round < 5 { throw Enough() }
                try database.execute("DELETE FROM t")
                for key in 0..<100 {
                    try database.execute(
                        "INSERT INTO t VALUES (?, ?)", key, Self.text + String(repeating: ".", count: key * 97))
                }
            }
            #expect(try texts(database) == 100)
            #expect(try texts(open(disk, Self.path, .readOnly)) == 100)
        }
        beneath.killProcess()
        #expect(try texts(open(disk)) == 100)
        #expect(try open(disk).pragma("integrity_check") == .text("ok"))
    }

    @Test("nor are the pages of a rollback journal open, and it brings them back") func rollbackJournal() throws {
        let disk = try sealed()
        do {
            let database = try filled(disk, rows: 60)
            // The journal stays, with what it held last.
            try database.executeScript("PRAGMA journal_mode = PERSIST; PRAGMA cache_size = 5")
            try database.execute("UPDATE t SET a = a || '.' WHERE k < 40")
            #expect(try #require(beneath.contents(of: Self.path + "-journal")).count > 20 * 4_096)
            #expect(whatShows() == [])
            try database.execute("UPDATE t SET a = substr(a, 1, length(a) - 1) WHERE k < 40")
            // Pages that do not fit the cache are in the database before the end.
            try database.begin()
            try database.execute("UPDATE t SET a = 'other' || a")
            beneath.killProcess()
            withExtendedLifetime(database) {}
        }
        #expect(whatShows() == [])
        #expect(try texts(open(sealed())) == 60)
    }

    // MARK: Databases that were not sealed

    @Test("an open database is read, not written, and not read beside its log") func openDatabase() throws {
        do { _ = try filled(beneath) }
        let disk = try sealed()
        #expect(try texts(open(disk, Self.path, .readOnly)) == 50)
        #expect(throws: DatabaseError.self) {
            try open(disk).execute("INSERT INTO t VALUES (100, 'x')")
        }
        #expect(try texts(Database(path: Self.path, on: beneath)) == 50)
        let writer = try Database(path: Self.path, on: beneath)
        try writer.execute("UPDATE t SET a = 'other' WHERE k = 0")
        beneath.killProcess()
        #expect(throws: DatabaseError.self) { try texts(open(disk, Self.path, .readOnly)) }
        withExtendedLifetime(writer) {}
    }

    @Test("is made a sealed one, with what its log has; others are left alone") func adoption() throws {
        do {
            let database = try filled(beneath)
            beneath.killProcess()
            withExtendedLifetime(database) {}
        }
        #expect(beneath.contents(of: Self.path + "-wal")?.isEmpty == false)
        let disk = try sealed()
        try disk.adopt(Self.path)
        #expect(whatShows() == [])
        #expect(beneath.paths == [Self.path])
        let bytes = beneath.contents(of: Self.path)
        try disk.adopt(Self.path)
        #expect(beneath.contents(of: Self.path) == bytes)
        #expect(try texts(open(disk)) == 50)
        try disk.adopt("/data/none.sqlite")
        #expect(beneath.paths == [Self.path])
    }

    @Test("a newer key: all pages come under it, those of the log too") func rotation() throws {
        var keys = keys
        do {
            try filled(sealed()).checkpoint()
            try open(sealed()).execute("INSERT INTO t VALUES (50, ?)", Self.text + String(repeating: ".", count: 4_850))
        }
        keys.add()
        do {
            // Some pages are under the newer one already.
            let database = try open(sealed(keys))
            try database.execute("INSERT INTO t VALUES (100, zeroblob(100000))")
            try database.execute("DELETE FROM t WHERE k = 100")
            try database.checkpoint()
            beneath.killProcess()
        }
        try sealed(keys).adopt(Self.path)
        keys.removeOlder()
        #expect(try texts(open(sealed(keys))) == 51)
        #expect(throws: DatabaseError.self) { try texts(open(sealed(), Self.path, .readOnly)) }
    }

    @Test("a loss of power while that is done leaves the one or the other", arguments: [false, true])
    func adoptionUnderLosses(ofOlderKey isOlder: Bool) async throws {
        var operations = 0
        while try await !isAdopted(isOlder, losingPowerAfter: operations, seeds: 0..<5) { operations += 1 }
        #expect(operations > 10)
        // What happens about the exchange of the files depends on chance most.
        for last in operations - 4..<operations {
            _ = try await isAdopted(isOlder, losingPowerAfter: last, seeds: 5..<50)
        }
    }

    /// Whether it was done before the power failed, for all seeds.
    private func isAdopted(
        _ isOlder: Bool, losingPowerAfter operations: Int, seeds: Range<Int>
    ) async throws -> Bool {
        var keys = keys
        if isOlder { keys.add() }
        var newest = keys
        newest.removeOlder()
        var isDone = true
        for seed in seeds {
            await Task.yield()
            let beneath = SimulatedDisk(seed: UInt64(operations * 100 + seed))
            func sealed(_ keys: DatabaseKeys) throws -> SealedDisk {
                SealedDisk(try #require(keys.cipher(for: .log)), over: beneath)
            }
            do {
                let database = try filled(isOlder ? sealed(self.keys) : beneath, rows: 8)
                try database.checkpoint()
                // What is left of an older transaction must not come back.
                try database.execute("UPDATE t SET a = 'older' WHERE k = 3")
                try database.execute("UPDATE t SET a = ? WHERE k = 3", Self.text + String(repeating: ".", count: 291))
                if seed % 2 == 0 { beneath.killProcess() }
                withExtendedLifetime(database) {}
            }
            beneath.losePower(afterOperations: operations)
            if (try? sealed(keys).adopt(Self.path)) == nil || !beneath.isPowered { isDone = false }
            beneath.losePower()
            beneath.restorePower()
            // As a start does it.
            let disk = try sealed(keys)
            try disk.renew(Self.path + "-wal")
            try disk.adopt(Self.path)
            let database = try Database(path: Self.path, on: sealed(newest))
            #expect(try database.pragma("integrity_check") == .text("ok"), "after \(operations) operations, \(seed)")
            #expect(try texts(database) == 8, "after \(operations) operations, \(seed)")
            #expect(beneath.paths.allSatisfy { $0.hasPrefix(Self.path) })
        }
        return isDone
    }

    // MARK: Copies that leave the host and arrive

    @Test("what leaves is an ordinary database; what arrives is sealed") func transfer() throws {
        let folder = try TemporaryDirectory("sealed")
        let disk = SealedDisk(try #require(keys.cipher(for: .state)))
        do { try filled(disk, path: folder.path("own.sqlite")).checkpoint() }
        let file = try DatabaseFile(path: folder.path("own.sqlite"), on: disk)
        var bytes: [UInt8] = []
        while UInt64(bytes.count) < file.byteCount {
            bytes += try file.read(at: UInt64(bytes.count), upTo: [1, 4_095, 4_096, 10_000][bytes.count % 4])
        }
        try #expect(file.read(at: file.byteCount, upTo: 10) == [])
        try #expect(file.read(at: 8_190, upTo: 4) == Array(bytes[8_190..<8_194]))
        try Files.write(folder.path("open.sqlite"), bytes)
        #expect(try texts(Database(path: folder.path("open.sqlite"))) == 50)

        var other = DatabaseKeys()
        other.add()
        let elsewhere = SealedDisk(try #require(other.cipher(for: .state)))
        for (name, bytes) in [("arrived", bytes), ("foreign", Array("no database at all".utf8)), ("empty", [])] {
            var arriving = try ArrivingDatabaseFile(path: folder.path(name), on: elsewhere)
            for start in stride(from: 0, to: bytes.count, by: 5_000) {
                try arriving.add(Array(bytes[start..<min(bytes.count, start + 5_000)]))
            }
            try arriving.finish()
            let again = try DatabaseFile(path: folder.path(name), on: elsewhere)
            try #expect(again.byteCount == UInt64(bytes.count) && again.read(at: 0, upTo: .max >> 1) == bytes)
        }
        #expect(try Files.read(folder.path("arrived")).firstRange(of: Array("easily".utf8)) == nil)
        #expect(try texts(open(elsewhere, folder.path("arrived"), .readOnly)) == 50)
        // One without room for a seal stays as it is, and can be read.
        do { try filled(beneath, path: "/old").checkpoint() }
        let old = try #require(beneath.contents(of: "/old"))
        var arriving = try ArrivingDatabaseFile(path: folder.path("old"), on: elsewhere)
        try arriving.add(old)
        try arriving.finish()
        #expect(try Files.read(folder.path("old")) == old)
        #expect(try texts(open(elsewhere, folder.path("old"), .readOnly)) == 50)
        // What was altered does not leave.
        var damaged = try Files.read(folder.path("own.sqlite"))
        damaged[9_000] ^= 1
        try Files.write(folder.path("own.sqlite"), damaged)
        let broken = try DatabaseFile(path: folder.path("own.sqlite"), on: disk)
        var refused = false
        do { _ = try broken.read(at: 8_192, upTo: 10) } catch { refused = true }
        #expect(refused)
    }
}
