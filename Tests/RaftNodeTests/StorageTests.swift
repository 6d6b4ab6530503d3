import DatabaseCipher
import LinuxSystem
import RaftCore
import SQLite
import TestSupport
import Testing
import Values

@testable import RaftNode

/// `raft.sqlite` on a disk that fails.
@Suite struct StorageTests {
    private let folder: TemporaryDirectory
    private let member = RaftMember(id: 7, nodeID: "node7", address: "10.0.0.7:2377")

    private let cipher: PageCipher

    init() throws {
        folder = try TemporaryDirectory("raft-storage")
        var keys = DatabaseKeys()
        keys.add()
        cipher = try #require(keys.cipher(for: .log))
    }

    private var path: String { folder.path + "/raft.sqlite" }

    private func open(_ disk: SimulatedDisk, sealed: Bool = false) throws -> RaftStorage {
        try RaftStorage(directory: folder.path, on: sealed ? SealedDisk(cipher, over: disk) : disk)
    }

    private func entry(_ index: UInt64, _ term: UInt64, _ text: String = "x") -> Entry {
        Entry(index: index, term: term, payload: .command(Array(text.utf8)))
    }

    private func snapshot(_ index: UInt64, _ term: UInt64) -> SnapshotFile {
        SnapshotFile(
            metadata: SnapshotMetadata(
                index: index, term: term, membership: Membership([.init(member: member, isVoter: true)])),
            name: "snapshot-\(index)", byteCount: 100 + index, checksum: index &* 0x9e37_79b9_7f4a_7c15)
    }

    /// A storage with a row in each table, closed.
    private func filled(_ disk: SimulatedDisk) throws -> RaftContents {
        let storage = try open(disk)
        try storage.join(
            member,
            peers: [
                RaftMember(id: 1, nodeID: "node1", address: "10.0.0.1:2377"),
                RaftMember(id: 2, nodeID: "node2", address: "10.0.0.2:2377"),
            ])
        try storage.save(
            HardState(term: 3, vote: 1, commit: 2),
            (1...12).map { entry($0, 3, String(repeating: "\($0)", count: 200)) },
            behind: nil)
        try storage.record(snapshot(5, 3))
        try storage.trim(to: snapshot(4, 3).metadata)
        try storage.save(HardState(term: 4, vote: 2, commit: 9), [entry(13, 4, "last")], behind: nil)
        return storage.contents
    }

    @Test func everythingComesBack() throws {
        let disk = SimulatedDisk(seed: 1)
        let written = try filled(disk)
        let read = try open(disk).load()
        #expect(Same(read) == Same(written))
        #expect(read.lastIndex == 13 && read.base.index == 4 && read.snapshot == snapshot(5, 3))
        #expect(read.peers.count == 2 && read.hardState == HardState(term: 4, vote: 2, commit: 9))
        let storage = try open(disk)
        _ = try storage.load()
        try storage.markRemoved()
        #expect(try open(disk).load().isRemoved)
    }

    @Test(
        "after a loss of power everything that was saved is there, and nothing half", arguments: [0, 1, 2, 3],
        [false, true])
    func powerLoss(part: Int, sealed: Bool) async throws {
        var survivors = 0
        for seed in UInt64(part) * 75..<UInt64(part + 1) * 75 {
            // Other tests wait for things to happen in time.
            await Task.yield()
            var generator = SplitMix64(seed: seed)
            let disk = SimulatedDisk(seed: seed)
            var model = Model()
            for life in 0..<3 {
                disk.losePower(afterOperations: Int.random(in: 0..<60, using: &generator))
                try? live(on: disk, sealed, &model, &generator)
                disk.losePower()
                disk.restorePower()
                let found = Same(try open(disk, sealed: sealed).load())
                if found != Same(model.acknowledged) { survivors += 1 }
                try #require(model.allows(found), "seed \(seed), life \(life)")
                model = Model(acknowledged: found.contents)
            }
        }
        #expect(survivors > 0, "what was not acknowledged may well be there")
    }

    @Test(
        "nor where syncs fail before that, and the node is started again", arguments: [0, 1, 2, 3], [false, true])
    func failedSyncs(part: Int, sealed: Bool) async throws {
        var failures = 0
        for seed in 5_000 + UInt64(part) * 50..<5_000 + UInt64(part + 1) * 50 {
            await Task.yield()
            var generator = SplitMix64(seed: seed)
            let disk = SimulatedDisk(seed: seed)
            var model = Model()
            for life in 0..<3 {
                disk.faults.perMillion = [.sync: 50_000]
                disk.losePower(afterOperations: Int.random(in: 0..<150, using: &generator))
                while disk.isPowered {
                    do { try live(on: disk, sealed, &model, &generator) } catch { failures += 1 }
                }
                disk.faults = DiskFaults()
                disk.restorePower()
                let found = Same(try open(disk, sealed: sealed).load())
                try #require(model.allows(found), "seed \(seed), life \(life)")
                model = Model(acknowledged: found.contents)
            }
        }
        #expect(failures > 100)
    }

    /// Works until something fails.
    private func live(
        on disk: SimulatedDisk, _ sealed: Bool, _ model: inout Model, _ generator: inout SplitMix64
    ) throws {
        let storage = try open(disk, sealed: sealed)
        // Killed, it does not tidy up.
        defer { if generator.next() % 2 == 0 { disk.killProcess() } }
        let found = Same(try storage.load())
        try #require(model.allows(found))
        if found != Same(model.acknowledged) { model = Model(acknowledged: found.contents) }
        if model.acknowledged.member == nil {
            try model.change {
                $0.member = member
            } by: { _ in
                try storage.join(member, peers: [])
            }
        }
        for _ in 0..<40 {
            let now = model.acknowledged
            switch Int.random(in: 0..<10, using: &generator) {
            case 0:
                let file = snapshot(now.lastIndex + 3, now.hardState.term)
                let hardState = HardState(term: now.hardState.term, vote: 0, commit: file.metadata.index)
                try model.change {
                    ($0.base, $0.snapshot, $0.entries, $0.hardState) = (file.metadata, file, [], hardState)
                } by: { _ in
                    try storage.save(hardState, [], behind: file.metadata, in: file)
                }
            case 1 where now.entries.count > 5:
                let file = snapshot(now.entries[2].index, now.entries[2].term)
                try model.change {
                    $0.snapshot = file
                } by: { _ in
                    try storage.record(file)
                }
                try model.change {
                    $0.base = file.metadata
                    $0.entries.removeFirst(3)
                } by: { wanted in
                    try storage.trim(to: wanted.base)
                }
            case 2 where now.entries.count > 1:
                // Another leader's entries in the place of the last ones.
                let count = Int.random(in: 1...now.entries.count, using: &generator)
                try append(to: storage, &model, replacing: count, &generator)
            default: try append(to: storage, &model, replacing: 0, &generator)
            }
        }
    }

    private func append(
        to storage: RaftStorage, _ model: inout Model, replacing count: Int, _ generator: inout SplitMix64
    ) throws {
        let now = model.acknowledged
        let hardState = HardState(
            term: now.hardState.term + UInt64.random(in: 0..<2, using: &generator),
            vote: UInt64.random(in: 0..<4, using: &generator), commit: now.hardState.commit)
        let first = now.lastIndex - UInt64(count) + 1
        let new = (0..<UInt64.random(in: 1..<4, using: &generator)).map { offset in
            let text = String(repeating: "\(offset)", count: Int.random(in: 0..<3_000, using: &generator))
            return entry(first + offset, hardState.term, text)
        }
        try model.change {
            $0.hardState = hardState
            $0.entries.removeLast(count)
            $0.entries += new
        } by: { _ in
            try storage.save(hardState, new, behind: nil)
        }
    }

    @Test(
        "a change of any column of any table is found",
        arguments: [
            ("identity", ["member_id", "node_id", "address", "removed", "checksum"]),
            ("peer", ["member_id", "node_id", "address", "checksum"]),
            ("hard_state", ["term", "vote", "committed", "last", "checksum"]),
            ("base", ["idx", "term", "membership", "checksum"]),
            ("snapshot", ["idx", "term", "membership", "file", "bytes", "file_checksum", "checksum"]),
            ("log", ["term", "kind", "data", "checksum"]),
        ])
    func columns(table: String, columns: [String]) throws {
        let condition = table == "log" ? "WHERE idx = 9" : table == "peer" ? "WHERE member_id = 2" : ""
        for column in columns {
            let disk = SimulatedDisk(seed: 1)
            _ = try filled(disk)
            let database = try Database(path: path, on: disk)
            let old = try database.first("SELECT \(column) FROM \(table) \(condition)") { $0.value(0) }
            let new: StoredValue =
                switch try #require(old) {
                case .integer(let number): .integer(number ^ 1)
                case .text(let text): .text("X" + text.dropFirst())
                case .blob(let bytes): .blob([bytes[0] ^ 4] + bytes.dropFirst())
                default: .null
                }
            try database.execute("UPDATE \(table) SET \(column) = ? \(condition)", new)
            #expect(throws: RaftError.self, "\(table).\(column)") { try open(disk).load() }
        }
    }

    @Test("rows that are missing are missed")
    func missingRows() throws {
        for deletion in [
            "identity", "hard_state", "base", "snapshot", "log", "log WHERE idx = 13", "log WHERE idx = 5",
            "log WHERE idx = 8",
        ] {
            let disk = SimulatedDisk(seed: 1)
            _ = try filled(disk)
            try Database(path: path, on: disk).execute("DELETE FROM \(deletion)")
            let error = #expect(throws: RaftError.self) { try open(disk).load() }
            guard case .damaged(_, folder.path) = error else {
                Issue.record("\(deletion): \(String(describing: error))")
                continue
            }
            #expect(error.map { "\($0)" }?.contains("Demote this manager") == true)
        }
    }

    @Test("bytes that change at rest are found, or nothing of ours was there", arguments: [0, 1])
    func flips(part: Int) async throws {
        let disk = SimulatedDisk(seed: 1)
        let written = try filled(disk)
        let size = try #require(disk.contents(of: path)).count
        var found = 0
        var generator = SplitMix64(seed: UInt64(part))
        for _ in 0..<250 {
            await Task.yield()
            let offset = Int.random(in: 0..<size, using: &generator)
            let bit = UInt8.random(in: 0..<8, using: &generator)
            let spoilt = SimulatedDisk(seed: 1)
            _ = try filled(spoilt)
            spoilt.damage(path, at: offset) { $0 ^ 1 << bit }
            do {
                let read = try open(spoilt).load()
                #expect(Same(read) == Same(written), "bit \(bit) of byte \(offset)")
            } catch {
                found += 1
            }
        }
        #expect(found > 10)
    }

    @Test("a file of version 1 gets its checksums") func migration() throws {
        for isJoined in [false, true] {
            let disk = SimulatedDisk(seed: 1)
            let old = try Database(path: path, on: disk)
            try old.executeScript(Self.version1)
            try old.execute("INSERT INTO identity VALUES (1, 7, 'node7', '10.0.0.7:2377', 0)")
            try old.execute("INSERT INTO peer VALUES (1, 'node1', '10.0.0.1:2377')")
            if !isJoined {
                let file = snapshot(5, 3)
                try old.execute("INSERT INTO hard_state VALUES (1, 4, 2, 8)")
                try old.execute("INSERT INTO base VALUES (1, 4, 3, ?)", file.metadata.membership.encoded)
                try old.execute(
                    "INSERT INTO snapshot VALUES (1, 5, 3, ?, ?, ?, ?)", file.metadata.membership.encoded, file.name,
                    file.byteCount, file.checksum)
                for index in UInt64(5)...9 {
                    try old.execute("INSERT INTO log VALUES (?, 3, 1, ?)", index, Array("x".utf8))
                }
            }
            var expected = RaftContents()
            expected.member = member
            expected.peers = [RaftMember(id: 1, nodeID: "node1", address: "10.0.0.1:2377")]
            if !isJoined {
                expected.hardState = HardState(term: 4, vote: 2, commit: 8)
                expected.base = snapshot(4, 3).metadata
                expected.snapshot = snapshot(5, 3)
                expected.entries = (5...9).map { entry($0, 3) }
            }
            // A loss of power in the middle leaves the old file.
            disk.losePower(afterOperations: 4)
            #expect(throws: RaftError.self) { try open(disk) }
            disk.restorePower()
            for _ in 0..<2 {
                let storage = try open(disk)
                #expect(try Same(storage.load()) == Same(expected))
                #expect(try storage.database.pragma("user_version") == .integer(2))
            }
        }
    }

    @Test func filesOfOtherVersionsAreRefused() throws {
        let disk = SimulatedDisk(seed: 1)
        try Database(path: path, on: disk).setPragma("user_version", "3")
        let refusal = SchemaError(path: path, found: 3, known: 2)
        #expect(throws: RaftError.storage(refusal.description)) { try open(disk) }
        #expect(try Database(path: path, on: disk).pragma("user_version") == .integer(3))
    }

    @Test("damaged rows are written again from memory") func repair() throws {
        let disk = SimulatedDisk(seed: 1)
        _ = try filled(disk)
        var storage: RaftStorage? = try open(disk)
        let before = try storage?.load()
        for statement in [
            "UPDATE identity SET member_id = 8", "UPDATE peer SET address = 'x'", "UPDATE hard_state SET vote = 9",
            "UPDATE base SET term = 9", "UPDATE snapshot SET file = 'x'", "UPDATE log SET data = 'x' WHERE idx = 7",
            "DELETE FROM log WHERE idx = 13",
        ] { try Database(path: path, on: disk).execute(statement) }
        try storage?.repair([
            .row(.identity), .row(.peer), .row(.hardState), .row(.base), .row(.snapshot), .entry(7), .entry(13),
            .entry(99),
        ])
        storage = nil
        #expect(try Same(open(disk).load()) == Same(#require(before)))
    }

    @Test func errorsAreToldApart() throws {
        let disk = SimulatedDisk(seed: 1)
        let storage = try open(disk)
        try storage.join(member, peers: [])
        disk.capacityBytes = disk.usedBytes
        let full = #expect(throws: RaftError.self) {
            try storage.save(HardState(term: 1), [entry(1, 1)], behind: nil)
        }
        #expect(full.map(Self.isDiskFull) == true)
        disk.capacityBytes = nil
        #expect(storage.contents.lastIndex == 0)
        try storage.save(HardState(term: 1), [entry(1, 1)], behind: nil)
        disk.faults.series = [DiskFaults.Series(.sync)]
        let failed = #expect(throws: RaftError.self) { try storage.save(HardState(term: 2), [], behind: nil) }
        #expect(failed.map(Self.isDiskFull) == false)
    }

    private static func isDiskFull(_ error: RaftError) -> Bool {
        if case .diskFull = error { true } else { false }
    }

    private static let version1 = """
        BEGIN;
        CREATE TABLE identity (
            one INTEGER PRIMARY KEY CHECK (one = 1), member_id INTEGER NOT NULL, node_id TEXT NOT NULL,
            address TEXT NOT NULL, removed INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE peer (member_id INTEGER PRIMARY KEY, node_id TEXT NOT NULL, address TEXT NOT NULL);
        CREATE TABLE hard_state (
            one INTEGER PRIMARY KEY CHECK (one = 1), term INTEGER NOT NULL, vote INTEGER NOT NULL,
            committed INTEGER NOT NULL);
        CREATE TABLE base (
            one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
            membership BLOB NOT NULL);
        CREATE TABLE snapshot (
            one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
            membership BLOB NOT NULL, file TEXT NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL);
        CREATE TABLE log (
            idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL, data BLOB NOT NULL);
        PRAGMA user_version = 1;
        COMMIT;
        """
}

/// What a storage is to hold.
private struct Model {
    var acknowledged = RaftContents()
    /// What calls that have failed since would have made of it: one of them may be there.
    private var failed: [RaftContents] = []

    init(acknowledged: RaftContents = RaftContents()) { self.acknowledged = acknowledged }

    func allows(_ found: Same) -> Bool {
        found == Same(acknowledged) || failed.contains { found == Same($0) }
    }

    mutating func change(_ wish: (inout RaftContents) -> Void, by write: (RaftContents) throws -> Void) throws {
        var wanted = acknowledged
        wish(&wanted)
        failed.append(wanted)
        try write(wanted)
        self = Model(acknowledged: wanted)
    }
}

/// Contents that can be compared.
private struct Same: Equatable {
    let contents: RaftContents

    init(_ contents: RaftContents) { self.contents = contents }

    static func == (left: Same, right: Same) -> Bool {
        let (left, right) = (left.contents, right.contents)
        return left.member == right.member && left.isRemoved == right.isRemoved && left.peers == right.peers
            && left.hardState == right.hardState && left.base == right.base && left.snapshot == right.snapshot
            && left.entries == right.entries
    }
}
