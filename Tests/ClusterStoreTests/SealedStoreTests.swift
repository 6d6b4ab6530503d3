import ClusterModel
import ClusterStore
import DatabaseCipher
import JSON
import LinuxSystem
import Logging
import RaftNode
import SQLite
import TestSupport
import Testing
import Values

/// The state on a sealed disk: what lies there, what leaves, and what an earlier version has left.
@Suite struct SealedStoreTests {
    private let folder: TemporaryDirectory
    private let disk: SealedDisk
    private let logger = Logger(label: "test")
    private var directory: String { folder.path("one") }
    private static let text = "what nobody may read"

    init() throws {
        folder = try TemporaryDirectory("sealed-store")
        disk = try Self.disk()
    }

    private static func disk() throws -> SealedDisk {
        var keys = DatabaseKeys()
        keys.add()
        return SealedDisk(try #require(keys.cipher(for: .state)))
    }

    private func command(_ index: UInt64, _ name: String) throws -> CommittedCommand {
        let config = ConfigObject(
            id: name, createdAt: .epoch, spec: PayloadSpec(name: name, labels: ["label": Self.text]), data: "ZGF0YQ==")
        let transaction = Transaction(
            time: Timestamp(secondsSinceEpoch: Int64(index)), mutations: [.putConfig(config, expected: 0)])
        return CommittedCommand(index: index, term: 1, bytes: try JSONCoding.encode(transaction))
    }

    private func whatShows() throws -> [String] {
        func files(_ directory: String) throws -> [String] {
            try Files.list(directory).flatMap { name in
                let path = directory + "/" + name
                return Files.isDirectory(path) ? try files(path) : [path]
            }
        }
        return try files(folder.path).filter { path in
            let bytes = try Files.read(path, limit: 1 << 30)
            return [Self.text, "CREATE TABLE"].contains { bytes.firstRange(of: Array($0.utf8)) != nil }
        }
    }

    @Test("nothing of it lies there open; all of it can be asked for")
    func nothingShows() throws {
        let snapshot = folder.path("snapshot")
        do {
            let store = try ClusterStore(directory: directory, on: disk, logger: logger)
            _ = try store.apply([command(3, "a"), command(4, "b")])
            #expect(try store.query("SELECT name FROM config ORDER BY name").rows == [["a"], ["b"]])
            #expect(try store.tellableRevisions().upperBound == 4)
            #expect(try whatShows() == [])
            #expect(try store.writeSnapshot(to: snapshot) == 4)
            #expect(try store.mark(ofCopy: snapshot).index == 4)
        }
        #expect(try whatShows() == [])
        #expect(throws: ClusterStoreError.self) { try ClusterStore.checkedMark(ofCopy: snapshot) }
        #expect(try ClusterStore.checkedMark(ofCopy: snapshot, on: disk).index == 4)
        #expect(try ClusterStore(directory: directory, on: disk, logger: logger).appliedIndex == 4)
        #expect(throws: ClusterStoreError.self, "without the key") {
            try ClusterStore(directory: directory, on: Self.disk(), logger: logger)
        }
        #expect(throws: ClusterStoreError.self, "without any") {
            try ClusterStore(directory: directory, logger: logger)
        }
    }

    @Test("a snapshot goes to another manager, which has other keys")
    func transfer() throws {
        let source = try ClusterStore(directory: directory, on: disk, logger: logger)
        _ = try source.apply([command(3, "a")])
        #expect(try source.writeSnapshot(to: folder.path("sent")) == 3)
        let elsewhere = try Self.disk()
        do {
            let file = try DatabaseFile(path: folder.path("sent"), on: disk)
            var arriving = try ArrivingDatabaseFile(path: folder.path("received"), on: elsewhere)
            try arriving.add(file.read(at: 0, upTo: 10_000))
            try arriving.add(file.read(at: 10_000, upTo: .max >> 1))
            try arriving.finish()
        }
        let target = try ClusterStore(directory: folder.path("two"), on: elsewhere, logger: logger)
        _ = try target.apply([command(1, "old")])
        try target.install(snapshot: folder.path("received"), index: 3)
        #expect(target.state.configs.values.map(\.spec.name) == ["a"])
        #expect(try whatShows() == [])
    }

    @Test("the state of an earlier version is sealed at the start, and its snapshot can still be installed")
    func adoption() throws {
        let snapshot = folder.path("snapshot")
        do {
            let store = try ClusterStore(directory: directory, logger: logger)
            _ = try store.apply([command(3, "a"), command(4, "b")])
            #expect(try store.writeSnapshot(to: snapshot) == 4)
        }
        // What a crash has left of an installation.
        try Files.write(directory + "/state-2-17.sqlite", Self.text)
        #expect(
            try whatShows().sorted() == [
                directory + "/state-0.sqlite", directory + "/state-2-17.sqlite", snapshot,
            ])
        do {
            let store = try ClusterStore(directory: directory, on: disk, logger: logger)
            #expect(store.state.configs.count == 2 && store.appliedIndex == 4)
            #expect(try store.query("SELECT count(*) FROM history WHERE kind = 'config'").rows.count == 1)
        }
        #expect(try whatShows() == [snapshot])
        let other = try ClusterStore(directory: folder.path("two"), on: disk, logger: logger)
        try other.install(snapshot: snapshot, index: 4)
        #expect(other.state.configs.count == 2)
        try Files.removeTree(snapshot)
        #expect(try whatShows() == [])
    }
}
