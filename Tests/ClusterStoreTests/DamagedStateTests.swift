import ClusterModel
import JSON
import LinuxSystem
import Logging
import RaftNode
import TestSupport
import Testing
import Values

@testable import ClusterStore

/// Files of the state that are not what was written, and snapshots that are not what they should be.
@Suite struct DamagedStateTests {
    private let folder: TemporaryDirectory
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private var directory: String { folder.path("one") }

    init() throws { folder = try TemporaryDirectory("damaged-state") }

    private struct Silence: RaftTransport {
        func send(_ messages: [RaftMessage], to member: RaftMember) {}
    }

    private func bytes(_ name: String) throws -> [UInt8] {
        let config = ConfigObject(id: name, createdAt: .epoch, spec: PayloadSpec(name: name), data: "ZGF0YQ==")
        return try JSONCoding.encode(Transaction(time: .epoch, mutations: [.putConfig(config, expected: 0)]))
    }

    private func command(_ index: UInt64, _ name: String) throws -> CommittedCommand {
        CommittedCommand(index: index, term: 1, bytes: try bytes(name))
    }

    private func overwrite(_ path: String, from offset: Int) throws {
        var contents = try Files.read(path)
        for position in offset..<contents.count { contents[position] = 0x33 }
        try Files.write(path, contents)
    }

    private func files() throws -> [String] {
        try Files.list(directory).filter { $0.hasPrefix("state-") && $0 != "state-current" }.sorted()
    }

    /// A manager's life: with a cluster of one, or the one that was there.
    private func live(_ body: (ClusterStore, RaftNode) async throws -> Void) async throws {
        let store = try ClusterStore(directory: directory, logger: logger)
        let raft = try RaftNode(
            directory: directory, transport: Silence(), stateMachine: store, entriesPerSnapshot: 10, logger: logger)
        if raft.status.role == .idle { try await raft.bootstrap(RaftMember(id: 1, nodeID: "one", address: "")) }
        for await status in raft.statusChanges() where status.isLeading { break }
        try await body(store, raft)
        await raft.stop()
        store.close()
    }

    @Test("the state is made anew from raft's snapshot and log, and the file is kept beside it")
    func aStateIsMadeAnew() async throws {
        let names = (1...25).map { "config-\($0)" }
        try await live { _, raft in
            for name in names[..<20] { _ = try await raft.propose(bytes(name)) }
            try await waitUntil("a snapshot", every: .milliseconds(10)) { raft.status.snapshotIndex > 10 }
            for name in names[20...] { _ = try await raft.propose(bytes(name)) }
        }
        let file = try #require(try files().first { $0.hasSuffix(".sqlite") })
        try overwrite(directory + "/" + file, from: 4_096)
        for _ in 0..<2 {
            try await live { store, _ in
                #expect(Set(store.state.configs.values.map(\.spec.name)) == Set(names))
            }
        }
        #expect(try files().contains("state-damaged.sqlite"))
    }

    @Test("a file whose objects cannot be read is set aside too; one of another version's cluster is not touched")
    func unreadableObjects() throws {
        do {
            let store = try ClusterStore(directory: directory, logger: logger)
            _ = try store.apply([command(3, "a")])
            store.close()
            let database = try StateDatabase(path: directory + "/state-0.sqlite")
            try database.database.execute("UPDATE config SET body = '{'")
            try database.database.execute("UPDATE applied SET version = 9")
        }
        #expect(throws: ClusterStoreError.self) { try ClusterStore(directory: directory, logger: logger) }
        #expect(try files() == ["state-0.sqlite"])
        try Files.write(directory + "/state-1.sqlite", "left by a crash")
        try StateDatabase(path: directory + "/state-0.sqlite").database.execute("UPDATE applied SET version = 1")
        let store = try ClusterStore(directory: directory, logger: logger)
        #expect(store.appliedIndex == 0)
        #expect(try files().contains("state-damaged.sqlite"))
    }

    @Test("while a manager runs, what is wrong with the file ends in what to do about it")
    func damageWhileRunning() throws {
        let store = try ClusterStore(directory: directory, logger: logger)
        for index in 1...200 as ClosedRange<UInt64> { _ = try store.apply([command(index, "config-\(index)")]) }
        #expect(try store.writeSnapshot(to: folder.path("before")) == 200)
        try StateDatabase(path: directory + "/state-0.sqlite").database.checkpoint()
        try overwrite(directory + "/state-0.sqlite", from: 4_096)
        let error = #expect(throws: ClusterStoreError.self) { try store.writeSnapshot(to: folder.path("after")) }
        #expect(error?.description.contains("start martletd again on this host") == true)
    }

    @Test("a snapshot that is not what it should be is refused, and nothing is left of it", arguments: 0..<4)
    func uselessSnapshots(_ kind: Int) throws {
        let source = try ClusterStore(directory: folder.path("two"), logger: logger)
        for index in 1...50 as ClosedRange<UInt64> { _ = try source.apply([command(index, "config-\(index)")]) }
        let path = folder.path("snapshot")
        #expect(try source.writeSnapshot(to: path) == 50)
        switch kind {
        case 0: try overwrite(path, from: 4_096)
        case 1: try Files.write(path, "no database")
        case 2: try StateDatabase(path: path).database.execute("UPDATE config SET body = '{' WHERE name = 'config-7'")
        default: break
        }
        let store = try ClusterStore(directory: directory, logger: logger)
        _ = try store.apply([command(1, "own")])
        #expect(throws: (any Error).self) { try store.installation(of: path, index: kind == 3 ? 51 : 50) }
        #expect(try files().filter { $0.hasSuffix(".sqlite") } == ["state-0.sqlite"])
        #expect(store.state.configs.count == 1)
    }

    @Test("what was made ready and is let go leaves nothing; what is installed stays")
    func installations() throws {
        let source = try ClusterStore(directory: folder.path("two"), logger: logger)
        _ = try source.apply([command(1, "a"), command(2, "b")])
        let path = folder.path("snapshot")
        #expect(try source.writeSnapshot(to: path) == 2)
        let store = try ClusterStore(directory: directory, logger: logger)
        do {
            let install = try store.installation(of: path, index: 2)
            #expect(try files().count { $0.hasSuffix(".sqlite") } == 2)
            #expect(store.state.configs.count == 0)
            _ = install
        }
        #expect(try files().filter { $0.hasSuffix(".sqlite") } == ["state-0.sqlite"])
        let install = try store.installation(of: path, index: 2)
        _ = try store.apply([command(1, "a")])
        try install()
        #expect(store.appliedIndex == 2 && store.state.configs.count == 2)
        #expect(try files().count { $0.hasSuffix(".sqlite") } == 1)
    }
}
