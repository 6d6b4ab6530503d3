import DatabaseCipher
import LinuxSystem
import Logging
import RaftCore
import SQLite
import Synchronization
import TestSupport
import Testing

@testable import RaftNode

/// A list of commands whose snapshots are databases.
private final class TableMachine: RaftStateMachine {
    let snapshotDisk: SealedDisk?
    private let commands = Mutex<[(index: UInt64, text: String)]>([])

    init(_ disk: SealedDisk?) { snapshotDisk = disk }

    var texts: [String] { commands.withLock { $0.map(\.text) } }
    var appliedIndex: UInt64 { commands.withLock { $0.last?.index ?? 0 } }

    func apply(_ new: [CommittedCommand]) -> [[UInt8]] {
        commands.withLock { $0 += new.map { ($0.index, String(decoding: $0.bytes, as: UTF8.self)) } }
        return new.map(\.bytes)
    }

    func writeSnapshot(to path: String) throws -> UInt64? {
        let rows = commands.withLock { $0 }
        let database = try Database(path: ":memory:", on: snapshotDisk)
        try database.executeScript("CREATE TABLE command (idx INTEGER PRIMARY KEY, text TEXT)")
        for row in rows { try database.execute("INSERT INTO command VALUES (?, ?)", row.index, row.text) }
        try database.vacuum(into: path)
        return rows.last?.index
    }

    func installation(of path: String, index: UInt64) throws -> () throws -> Void {
        let database = try Database(path: path, access: .readOnly, on: snapshotDisk)
        let rows = try database.query("SELECT idx, text FROM command ORDER BY idx") { ($0.unsigned(0), $0.text(1)) }
        return { self.commands.withLock { $0 = rows.map { (index: $0.0, text: $0.1) } } }
    }
}

/// A node from one way of keeping its files to the next.
@Suite struct SealedNodeTests {
    private let folder: TemporaryDirectory
    private static let text = "what nobody may read"

    init() throws { folder = try TemporaryDirectory("sealed-node") }

    private struct Silence: RaftTransport {
        func send(_ messages: [RaftMessage], to member: RaftMember) {}
    }

    private func snapshots() throws -> [String] {
        try Files.list(folder.path + "/snapshots").map { folder.path + "/snapshots/" + $0 }
    }

    private func whatShows() throws -> [String] {
        let files = try Files.list(folder.path).map { folder.path + "/" + $0 } + snapshots()
        return try files.filter {
            try !Files.isDirectory($0) && Files.read($0).firstRange(of: Array(Self.text.utf8)) != nil
        }
    }

    /// One life: the commands of before, one more, and whatever `condition` waits for.
    private func live(
        _ keys: DatabaseKeys?, entriesPerSnapshot: UInt64 = 50_000,
        until condition: (RaftNode, SealedDisk?) throws -> Bool
    ) async throws -> [String] {
        let state = keys.flatMap { $0.cipher(for: .state) }.map { SealedDisk($0) }
        let machine = TableMachine(state)
        var timing = RaftTiming()
        timing.tickMilliseconds = 20
        var trimming = RaftTrimming()
        trimming.entriesPerSnapshot = entriesPerSnapshot
        trimming.keptEntries = 1
        let node = try RaftNode(
            directory: folder.path, transport: Silence(), stateMachine: machine, timing: timing,
            limits: RaftLimits(trimming: trimming), on: keys.flatMap { $0.cipher(for: .log) }.map { SealedDisk($0) },
            logger: Logger(label: "test"))
        if node.status.role == .idle { try await node.bootstrap(RaftMember(id: 1, nodeID: "one", address: "")) }
        for await status in node.statusChanges() where status.isLeading { break }
        for number in 0..<3 { _ = try await node.propose(Array("\(Self.text) \(number)".utf8)) }
        try await waitUntil("the snapshot", every: .milliseconds(10)) { try condition(node, state) }
        await node.stop()
        return machine.texts
    }

    @Test("what an earlier version left is sealed at the start, and comes under another key at a later one")
    func fromLifeToLife() async throws {
        _ = try await live(nil, entriesPerSnapshot: 2) { node, _ in node.status.snapshotIndex > 0 }
        let open = try whatShows()
        #expect(open.count >= 2, "the log and a snapshot, or two when it ends: \(open)")
        var keys = DatabaseKeys()
        func isSealed(_ node: RaftNode, _ disk: SealedDisk?) throws -> Bool {
            let names = try snapshots()
            return names.count == 1 && names.allSatisfy { disk?.hasSealed($0) == true }
        }
        for life in 2...4 {
            keys.add()
            #expect(try await live(keys, until: isSealed).count == 3 * life)
            #expect(try whatShows() == [])
            // Nothing is left under the one before.
            keys.removeOlder()
        }
        #expect(try await live(keys, until: isSealed).count == 15)
        await #expect(throws: RaftError.self, "without the key it does not start") {
            try await live(nil) { _, _ in true }
        }
    }
}
