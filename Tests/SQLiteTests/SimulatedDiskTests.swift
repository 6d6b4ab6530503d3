import SQLite
import Testing

/// A disk in memory, and SQLite on it.
@Suite struct SimulatedDiskTests {
    private static let path = "/data/test.sqlite"

    private func open(_ disk: SimulatedDisk, _ access: Database.Access = .readWrite) throws -> Database {
        try Database(path: Self.path, access: access, on: disk)
    }

    private func count(_ database: Database) throws -> Int64? {
        try database.first("SELECT count(*) FROM t") { $0.integer(0) }
    }

    @Test func holdsDatabases() throws {
        let disk = SimulatedDisk(seed: 1)
        let database = try open(disk)
        #expect(try database.pragma("journal_mode") == .text("wal"))
        try database.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
        #expect(disk.paths == [Self.path, Self.path + "-wal"])
        #expect(throws: DatabaseError.self) { try Database(path: Self.path, on: SimulatedDisk(seed: 1)).execute("X") }
        #expect(throws: DatabaseError.self) { try Database(path: "/none", access: .readOnly, on: disk) }
    }

    @Test("the last connection tidies up, and the next one finds everything") func closing() throws {
        let disk = SimulatedDisk(seed: 1)
        do {
            let database = try open(disk)
            try database.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
        }
        #expect(disk.paths == [Self.path])
        #expect(try count(open(disk)) == 2)
    }

    @Test("readers see commits, and copies are made beside an open transaction") func connections() throws {
        let disk = SimulatedDisk(seed: 1)
        let writer = try open(disk)
        try writer.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        let reader = try open(disk, .readOnly)
        try writer.begin()
        try writer.execute("INSERT INTO t VALUES (2)")
        #expect(try count(reader) == 1)
        try reader.vacuum(into: "/data/copy.sqlite")
        try writer.commit()
        #expect(try count(reader) == 2)
        let copy = try Database(path: "/data/copy.sqlite", access: .readOnly, on: disk)
        #expect(try count(copy) == 1)
        #expect(throws: DatabaseError.self, "it reads only") { try reader.execute("INSERT INTO t VALUES (2)") }
    }

    @Test("one state for a reader, whatever is written meanwhile") func readingKeepsOneState() throws {
        let disk = SimulatedDisk(seed: 1)
        let writer = try open(disk)
        try writer.executeScript("CREATE TABLE t (a)")
        let reader = try open(disk, .readOnly)
        try reader.reading { () throws(DatabaseError) in
            let before = try reader.first("SELECT count(*) FROM t") { $0.integer(0) }
            try writer.execute("INSERT INTO t VALUES (1)")
            let after = try reader.first("SELECT count(*) FROM t") { $0.integer(0) }
            #expect(before == 0 && after == 0)
        }
        #expect(try count(reader) == 1)
        var seen: [Int64] = []
        try writer.execute("INSERT INTO t VALUES (2), (3)")
        try reader.forEach("SELECT a FROM t ORDER BY a") {
            seen.append($0.integer(0))
            return seen.count < 2
        }
        #expect(seen == [1, 2])
    }

    @Test("what is open is dead after a loss of power, what was committed is there") func powerLoss() throws {
        let disk = SimulatedDisk(seed: 3)
        let database = try open(disk)
        try database.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        disk.losePower()
        #expect(!disk.isPowered)
        #expect(throws: DatabaseError.self) { try open(disk) }
        disk.restorePower()
        #expect(throws: DatabaseError.self) { try database.execute("INSERT INTO t VALUES (2)") }
        #expect(try count(open(disk)) == 1)
    }

    @Test("without syncs a loss of power shows") func powerLossWithoutSyncs() throws {
        var losses = 0
        for seed in 0..<40 {
            let disk = SimulatedDisk(seed: UInt64(seed))
            let database = try open(disk)
            try database.setPragma("synchronous", "OFF")
            try database.executeScript("CREATE TABLE t (a)")
            for number in 0..<20 { try database.execute("INSERT INTO t VALUES (?)", number) }
            disk.losePower()
            disk.restorePower()
            let recovered = try? count(open(disk))
            if recovered != 20 { losses += 1 }
        }
        #expect(losses > 10)
    }

    @Test("with synchronous=NORMAL the last commits may go, never half of one") func lax() throws {
        var losses = 0
        for seed in 0..<40 {
            let disk = SimulatedDisk(seed: UInt64(seed))
            let database = try Database(path: Self.path, durability: .normal, on: disk)
            try database.executeScript("CREATE TABLE t (a)")
            try database.checkpoint()
            for number in 0..<20 { try database.execute("INSERT INTO t VALUES (?), (?)", number, number) }
            disk.losePower()
            disk.restorePower()
            let numbers = try open(disk).query("SELECT a FROM t") { $0.integer(0) }
            #expect(numbers == (0..<Int64(numbers.count / 2)).flatMap { [$0, $0] })
            if numbers.count < 40 { losses += 1 }
        }
        #expect(losses > 10)
    }

    @Test("the same seed loses the same") func determinism() throws {
        func left(_ seed: UInt64) throws -> [Int] {
            let disk = SimulatedDisk(seed: seed)
            let database = try open(disk)
            try database.setPragma("synchronous", "OFF")
            try database.executeScript("CREATE TABLE t (a)")
            for number in 0..<50 { try database.execute("INSERT INTO t VALUES (?)", number) }
            disk.losePower()
            return disk.paths.map { disk.contents(of: $0)?.count ?? 0 }
        }
        let lengths = try (0..<20).map { try left($0) }
        #expect(try lengths == (0..<20).map { try left($0) })
        #expect(Set(lengths).count > 1)
    }

    @Test("errors of reads, writes and syncs have their codes, and the transaction is gone whole")
    func errors() throws {
        let codes: [(operation: DiskFaults.Operation, code: Int32)] = [(.write, 778), (.sync, 1_034), (.read, 266)]
        for (operation, code) in codes {
            let disk = SimulatedDisk(seed: 1)
            let database = try open(disk)
            try database.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
            if operation == .read {
                try database.checkpoint()
                try database.executeScript("PRAGMA cache_size = 0; PRAGMA shrink_memory")
            }
            disk.faults.series = [DiskFaults.Series(operation)]
            let error = #expect(throws: DatabaseError.self) {
                if operation == .read {
                    _ = try open(disk, .readOnly).first("SELECT count(*) FROM t") { $0.integer(0) }
                } else {
                    try database.execute("INSERT INTO t VALUES (2)")
                }
            }
            #expect(error?.code == code, "\(operation)")
            if operation == .read { #expect(error?.systemError == 5, "EIO") }
            #expect(error?.isFull == false)
            #expect(!database.isInTransaction)
            #expect(try count(database) == 1)
        }
    }

    @Test("errors by chance, and on some files only") func chances() throws {
        let disk = SimulatedDisk(seed: 5)
        let database = try open(disk)
        try database.executeScript("CREATE TABLE t (a)")
        disk.faults.perMillion = [.sync: 300_000]
        var failures = 0
        for number in 0..<100 {
            do { try database.execute("INSERT INTO t VALUES (?)", number) } catch { failures += 1 }
        }
        #expect((15..<50).contains(failures))
        disk.faults = DiskFaults()
        disk.faults.series = [DiskFaults.Series(.write, suffix: ".sqlite", count: 100)]
        try database.execute("INSERT INTO t VALUES (7)")
        #expect(throws: DatabaseError.self) { try database.checkpoint() }
        #expect(try DiskFaults(parsing: "read=20,sync=5").perMillion == [.read: 20, .sync: 5])
        for text in ["read", "read=x", "reed=1", "write=1000001", "sync=-1"] {
            #expect(throws: DiskFaultsError.self) { try DiskFaults(parsing: text) }
        }
    }

    @Test("a full disk refuses whole transactions until there is room") func full() throws {
        let disk = SimulatedDisk(seed: 1)
        let database = try open(disk)
        try database.executeScript("CREATE TABLE t (a)")
        disk.capacityBytes = disk.usedBytes + 10_000
        let error = #expect(throws: DatabaseError.self) {
            try database.transaction {
                for _ in 0..<10 { try database.execute("INSERT INTO t VALUES (zeroblob(3000))") }
            }
        }
        #expect(error?.isFull == true)
        #expect(!database.isInTransaction)
        #expect(try count(database) == 0)
        #expect(disk.usedBytes <= disk.capacityBytes ?? 0)
        disk.capacityBytes = nil
        try database.execute("INSERT INTO t VALUES (1)")
        #expect(try count(database) == 1)
    }

    @Test("bytes that change at rest are found by SQLite or seen by whoever reads") func damage() throws {
        let disk = SimulatedDisk(seed: 1)
        let text = "a text that is easily found"
        do {
            let database = try open(disk)
            try database.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES ('\(text)')")
        }
        let bytes = try #require(disk.contents(of: Self.path))
        let offset = try #require(bytes.firstRange(of: Array("easily".utf8))?.lowerBound)
        disk.damage(Self.path, at: offset) { $0 ^ 0x20 }
        #expect(try open(disk).first("SELECT a FROM t") { $0.text(0) } == "a text that is Easily found")
        disk.damage(Self.path, at: 0) { $0 ^ 1 }
        let error = #expect(throws: DatabaseError.self) { try open(disk).execute("SELECT a FROM t") }
        #expect(error?.isDamage == true)
    }
}
