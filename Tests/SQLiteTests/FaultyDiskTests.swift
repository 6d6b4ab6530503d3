import LinuxSystem
import SQLite
import TestSupport
import Testing

/// The host's file system with faults. What a killed process leaves is what its files hold while it has them open.
@Suite struct FaultyDiskTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory("faulty") }

    /// What the next life would find.
    private func found(_ name: String) throws -> [Int64] {
        let copy = directory.path("copy-of-\(name)")
        for suffix in ["", "-wal"] where Files.exists(directory.path(name) + suffix) {
            try Files.write(copy + suffix, Files.read(directory.path(name) + suffix))
        }
        let database = try Database(path: copy)
        #expect(try database.pragma("integrity_check") == .text("ok"))
        return try database.query("SELECT a FROM t ORDER BY a") { $0.integer(0) }
    }

    @Test("a killed process has lost what it did not sync, and nothing that it did", arguments: 0..<10)
    func kill(seed: UInt64) throws {
        let disk = FaultyDisk(seed: seed, faults: DiskFaults(), losesWrites: true)
        let name = "\(seed).sqlite"
        let database = try Database(path: directory.path(name), on: disk)
        try database.executeScript("CREATE TABLE t (a)")
        for number in 0..<50 { try database.execute("INSERT INTO t VALUES (?)", number) }
        #expect(try found(name) == Array(0..<50))
        try database.setPragma("synchronous", "NORMAL")
        for number in 50..<100 { try database.execute("INSERT INTO t VALUES (?)", number) }
        // Every connection of this process sees everything.
        let reader = try Database(path: directory.path(name), access: .readOnly, on: disk)
        #expect(try reader.first("SELECT count(*) FROM t") { $0.integer(0) } == 100)
        let left = try found(name)
        #expect(left == Array(0..<Int64(left.count)))
        #expect((50..<100).contains(left.count))
        try database.checkpoint()
        #expect(try found(name) == Array(0..<100))
    }

    @Test("what is closed is in the file") func closing() throws {
        do {
            let disk = FaultyDisk(seed: 1, faults: DiskFaults(), losesWrites: true)
            let database = try Database(path: directory.path("a.sqlite"), on: disk)
            try database.setPragma("synchronous", "OFF")
            try database.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
            try database.vacuum(into: directory.path("b.sqlite"))
        }
        for name in ["a.sqlite", "b.sqlite"] {
            let database = try Database(path: directory.path(name))
            #expect(try database.first("SELECT a FROM t") { $0.integer(0) } == 1)
        }
    }

    @Test func failsByChance() throws {
        var faults = DiskFaults()
        faults.series = [DiskFaults.Series(.sync, after: 1_000)]
        let disk = FaultyDisk(seed: 1, faults: faults, losesWrites: false)
        let database = try Database(path: directory.path("c.sqlite"), on: disk)
        try database.executeScript("CREATE TABLE t (a)")
        disk.faults.series = []
        disk.faults.perMillion = [.sync: 500_000]
        var acknowledged: [Int64] = []
        for number in Int64(0)..<20 {
            if (try? database.execute("INSERT INTO t VALUES (?)", number)) != nil { acknowledged.append(number) }
        }
        #expect((1..<20).contains(acknowledged.count))
        disk.faults.perMillion = [:]
        #expect(try database.query("SELECT a FROM t ORDER BY a") { $0.integer(0) } == acknowledged)
    }

    @Test func descriptionsAreChecked() {
        for text in ["loose", "seed=x", "write=2000000"] {
            #expect(throws: DiskFaultsError.self) { try FaultyDisk.makeStandard(text) }
        }
    }
}
