import ClusterHistory
import ClusterModel
import Glibc
import JSON
import LinuxSystem
import Logging
import RaftNode
import SQLite
import Synchronization
import Values

/// The replicated state of the cluster: in memory as a value that anybody may copy, and in a SQLite file.
///
/// The file may lag behind after a loss of power; Raft then applies again what is missing.
public final class ClusterStore: RaftStateMachine {
    private struct Shared {
        var state: ClusterState
        var watchers: [UInt64: ClusterWatch] = [:]
        var nextWatcher: UInt64 = 0
    }

    private struct Storage {
        var database: StateDatabase
        var path: String
    }

    private let directory: String
    private let logger: Logger
    private let shared: Mutex<Shared>
    private let storage: StorageBox

    /// SAFETY: touched under its lock alone.
    private final class StorageBox: @unchecked Sendable {
        private let lock = Mutex(())
        private var storage: Storage

        init(_ storage: Storage) { self.storage = storage }

        func withLock<Result>(_ body: (inout Storage) throws -> Result) rethrows -> Result {
            try lock.withLock { _ in try body(&storage) }
        }
    }

    /// The file that names the current state file.
    private static let pointerName = "state-current"

    /// Opens the state in a directory, or begins an empty one.
    public init(directory: String, logger: Logger) throws(ClusterStoreError) {
        self.directory = directory
        self.logger = logger
        do {
            try Files.makeDirectories(directory, mode: 0o700)
            let pointer = directory + "/" + Self.pointerName
            let name = Files.exists(pointer) ? try Files.text(pointer) : "state-0.sqlite"
            let path = directory + "/" + name
            let database = try StateDatabase(path: path)
            storage = StorageBox(Storage(database: database, path: path))
            shared = Mutex(Shared(state: try database.load()))
        } catch let error as JSONError {
            throw .corrupted(path: directory, reason: error.description)
        } catch {
            throw .storage("\(error)")
        }
    }

    /// The state as applied so far. A copy costs nothing.
    public var state: ClusterState { shared.withLock(\.state) }

    /// The file that holds the state now.
    var path: String { storage.withLock(\.path) }

    /// What changes from now on.
    public func watch() -> ClusterWatch {
        shared.withLock { shared in
            let key = shared.nextWatcher
            shared.nextWatcher += 1
            let watch = ClusterWatch { [weak self] in self?.shared.withLock { _ = $0.watchers.removeValue(forKey: key) }
            }
            shared.watchers[key] = watch
            return watch
        }
    }

    // MARK: RaftStateMachine

    public var appliedIndex: UInt64 { shared.withLock(\.state.index) }

    public func apply(_ commands: [CommittedCommand]) throws -> [[UInt8]] {
        var state = self.state
        let before = state.index
        var changed: [AppliedChange] = []
        var records: [HistoryRecord] = []
        var results: [[UInt8]] = []
        for command in commands {
            let transaction: Transaction
            do {
                transaction = try JSONCoding.decode(Transaction.self, from: command.bytes)
            } catch {
                throw ClusterStoreError.unknownCommand(index: command.index, reason: error.description)
            }
            var outcome = CommandOutcome(refusal: nil)
            let previous = state
            do throws(Refusal) {
                let changes = try state.apply(transaction, at: command.index)
                records += HistoryRecord.records(of: transaction, changes: changes, from: previous, to: state)
                changed += changes
            } catch {
                outcome.refusal = error
            }
            results.append(try outcome.encoded())
        }
        let keys = Set(changed.map { ObjectKey(kind: $0.kind, id: $0.id) })
        try storage.withLock { try $0.database.write(keys, records, of: state, since: before) }
        publish(state, changed)
        return results
    }

    public func writeSnapshot(to path: String) throws -> UInt64? {
        let source = self.path
        // A reader of its own, so that nothing waits for the copy.
        let reader = try Database(path: source, access: .readOnly)
        try reader.vacuum(into: path)
        let copy = try Database(path: path, access: .readOnly)
        return try copy.first("SELECT idx FROM applied") { $0.unsigned(0) }
    }

    /// How far the state in a copy has come, and its cluster, without loading the rest.
    public static func mark(
        ofCopy path: String
    ) throws -> (index: UInt64, time: Timestamp, cluster: ClusterObject?) {
        try StateDatabase(copy: Database(path: path, access: .readOnly)).mark()
    }

    /// The state in a copy that `writeSnapshot` made, or in any other file of the kind; it must hold together.
    public static func state(inCopy path: String) throws(ClusterStoreError) -> ClusterState {
        do {
            let copy = try Database(path: path, access: .readOnly)
            let check = try copy.query("PRAGMA quick_check(1)") { $0.text(0) }
            guard check == ["ok"] else { throw ClusterStoreError.corrupted(path: path, reason: check.joined()) }
            return try StateDatabase(copy: copy).loadState()
        } catch let error as ClusterStoreError {
            throw error
        } catch let error as JSONError {
            throw .corrupted(path: path, reason: error.description)
        } catch {
            throw .storage("\(error)")
        }
    }

    public func install(snapshot path: String, index: UInt64) throws {
        let name = "state-\(index)-\(Clock.sinceBoot()).sqlite"
        let target = directory + "/" + name
        let (database, state): (StateDatabase, ClusterState)
        do {
            (database, state) = try Self.copy(path, to: target, index: index)
            try Files.writeDurably(directory + "/" + Self.pointerName, Array(name.utf8), mode: 0o600)
        } catch {
            // It is tried again where the disk is full: what is half made would keep it so.
            Self.removeDatabase(target)
            throw error
        }
        let old = storage.withLock { storage in
            defer { storage = Storage(database: database, path: target) }
            return storage.path
        }
        Self.removeDatabase(old)
        logger.info("the cluster's state was replaced by a snapshot", metadata: ["index": "\(index)"])
        publish(state, nil)
    }

    /// A durable copy of a snapshot that holds what it should.
    private static func copy(
        _ path: String, to target: String, index: UInt64
    ) throws -> (StateDatabase, ClusterState) {
        let reader = try Database(path: path, access: .readOnly)
        try reader.vacuum(into: target)
        do {
            let file = try Descriptor.open(target, O_RDONLY)
            try syscall("fsync", on: target) { fsync(file.rawValue) }
        }
        let database = try StateDatabase(path: target)
        let state = try database.load()
        guard state.index == index else {
            throw ClusterStoreError.corrupted(path: path, reason: "it holds index \(state.index), not \(index)")
        }
        return (database, state)
    }

    private static func removeDatabase(_ path: String) {
        for suffix in ["", "-wal", "-shm"] { try? Files.removeTree(path + suffix) }
    }

    private func publish(_ state: ClusterState, _ changes: [AppliedChange]?) {
        let watchers = shared.withLock { shared in
            shared.state = state
            return Array(shared.watchers.values)
        }
        for watcher in watchers { watcher.add(changes) }
    }
}

/// What became of a proposed transaction. It stays on the manager that applied it.
public struct CommandOutcome: Hashable, Sendable {
    /// nil where it was applied.
    public var refusal: Refusal?

    public init(refusal: Refusal?) { self.refusal = refusal }

    /// Nothing where it was applied, as nearly all are.
    public init(decoding bytes: [UInt8]) throws(JSONError) {
        refusal = bytes.isEmpty ? nil : try JSONCoding.decode(Refusal.self, from: bytes)
    }

    public func encoded() throws -> [UInt8] { try refusal.map { try JSONCoding.encode($0) } ?? [] }
}
