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
import WatchModel

/// The replicated state of the cluster: in memory as a value that anybody may copy, and in a SQLite file.
///
/// The file follows a fraction of a second behind; after a crash Raft applies again what it lacks.
public final class ClusterStore: RaftStateMachine {
    private let directory: String
    private let supported: SupportedVersions
    private let logger: Logger
    private let disk: SealedDisk?
    private let current: Mutex<ClusterState>
    private let writer: StateWriter
    private let hub: WatchHub

    /// The file that names the current state file.
    private static let pointerName = "state-current"

    /// Opens the state in a directory, or begins an empty one. A file that is damaged is set aside for an empty state,
    /// which Raft's snapshot and log, checked on their own, bring to where it was.
    ///
    /// - Parameters:
    ///   - disk: which seals the state's file, also one that an earlier version left open, and snapshots; nil leaves
    ///     them open.
    ///   - supported: the versions of clusters whose transactions are applied.
    public init(
        directory: String, on disk: SealedDisk? = nil, supported: SupportedVersions = .own, logger: Logger
    ) throws(ClusterStoreError) {
        self.directory = directory
        self.disk = disk
        self.supported = supported
        self.logger = logger
        do {
            try Files.makeDirectories(directory, mode: 0o700)
            let pointer = directory + "/" + Self.pointerName
            let name = Files.exists(pointer) ? try Files.text(pointer) : "state-0.sqlite"
            let path = directory + "/" + name
            try Self.removeLeftovers(directory, except: name)
            let (database, state) = try Self.open(path, on: disk, supported, logger)
            current = Mutex(state)
            hub = try WatchHub(at: state.position)
            writer = try StateWriter(database, path: path, index: state.index)
        } catch {
            throw ClusterStoreError(error, path: directory)
        }
    }

    private static func open(
        _ path: String, on disk: SealedDisk?, _ supported: SupportedVersions, _ logger: Logger
    ) throws -> (StateDatabase, ClusterState) {
        do {
            let database = try open(path, on: disk)
            return (database, try load(database, supported))
        } catch let error where error is JSONError || (error as? DatabaseError)?.isDamage == true {
            let remains = try StateCopy.setAside(path)
            logger.error(
                "the file of the cluster's state is damaged and set aside: Raft's snapshot and log make it anew",
                metadata: ["reason": "\(error)", "file": "\(remains)"])
            let database = try open(path, on: disk)
            return (database, try load(database, supported))
        }
    }

    /// A file of which not even the beginning can be read may be a whole one under other keys: it is left alone.
    private static func open(_ path: String, on disk: SealedDisk?) throws -> StateDatabase {
        do {
            try disk?.adopt(path)
            return try StateDatabase(path: path, on: disk)
        } catch let error as DatabaseError where error.isDamage {
            throw ClusterStoreError.corrupted(
                path: path,
                reason: "\(error). If \(Files.parent(of: path)) has the keys under which it was written, move the file "
                    + "away and start martletd again: it is made anew from Raft's snapshot and log")
        }
    }

    private static func load(_ database: StateDatabase, _ supported: SupportedVersions) throws -> ClusterState {
        // Before the objects are read, which another version may not understand. A state that is empty gets its version
        // with what it is given.
        let mark = try database.mark()
        if mark.index > 0 { try supported.check(mark.version) }
        return try database.load()
    }

    deinit { close() }

    /// Ends when the file has everything and is closed: whoever removes the directory calls it first, since SQLite
    /// removes its log by name. Nothing is applied afterwards.
    public func close() {
        hub.close()
        writer.close()
    }

    /// The state as applied so far. A copy costs nothing.
    public var state: ClusterState { current.withLock { $0 } }

    /// A connection of its own to the state's file, which has everything that was applied before. Call it where a
    /// thread may wait for the disk.
    func reader() throws -> Database {
        try writer.catchUp()
        return try Database(path: writer.path, access: .readOnly, on: disk)
    }

    /// A look at changes, without a watch yet.
    public func watch() -> ClusterWatch { ClusterWatch(hub) }

    /// What changes from now on of some kinds of object.
    public func watch(_ kinds: Set<ObjectKind>) -> ClusterWatch {
        let watch = watch()
        watch.follow(.kinds(kinds))
        return watch
    }

    /// Behind which the changes come since a moment, as far back as they are held.
    public func position(before time: Timestamp) -> WatchPosition {
        let window = hub.window
        return WatchPosition(history: window.history, revision: window.revision(before: time))
    }

    /// The state, and all that has changed since an earlier one; nil where that is not held any more, or where the
    /// earlier one is of another history.
    public func state(since earlier: ClusterState) -> (state: ClusterState, changes: [AppliedChange]?) {
        let (state, window) = current.withLock { ($0, hub.window) }
        guard earlier.position.history == window.history, earlier.index <= state.index else { return (state, nil) }
        return (state, window.changes(after: earlier.index)?.changes.map(\.change))
    }

    // MARK: RaftStateMachine

    public var snapshotDisk: SealedDisk? { disk }

    public var appliedIndex: UInt64 { current.withLock(\.index) }

    public func apply(_ commands: [CommittedCommand]) throws -> [[UInt8]] {
        try noticingDamage { try writer.check() }
        var news = AppliedCommands(state: state)
        var results: [[UInt8]] = []
        for command in commands {
            let transaction = try CommandReader(supported: supported).read(command)
            var outcome = CommandOutcome(refusal: nil)
            do throws(Refusal) {
                try news.add(transaction, at: command.index)
            } catch {
                outcome.refusal = error
            }
            news.byteCount += command.bytes.count
            results.append(try outcome.encoded())
        }
        try writer.add(news)
        publish(news.state, news.changes)
        return results
    }

    public func writeSnapshot(to path: String) throws -> UInt64? {
        // A reader of its own, so that nothing waits for the copy.
        try noticingDamage { try reader().vacuum(into: path) }
        let index = try StateDatabase.share(path, on: disk).index
        return index > 0 ? index : nil
    }

    private func noticingDamage(_ body: () throws -> Void) throws {
        do { try body() } catch let error as DatabaseError where error.isDamage {
            throw ClusterStoreError.corrupted(
                path: writer.path,
                reason: "\(error). Nothing is lost: start martletd again on this host, and the file is made anew from "
                    + "Raft's snapshot and log")
        }
    }

    /// How far the state in a copy has come, and its cluster, without loading the rest.
    public func mark(ofCopy path: String) throws -> StateMark {
        try StateDatabase(copy: Database(path: path, access: .readOnly, on: disk)).mark()
    }

    /// The same of a copy that comes from elsewhere, in this form or an earlier one: as far as SQLite can tell it holds
    /// together, and its cluster's version is supported. Whether its objects can be read shows when it is installed.
    ///
    /// - Parameters:
    ///   - disk: which may have sealed it.
    ///   - supported: the versions that will do.
    public static func checkedMark(
        ofCopy path: String, on disk: SealedDisk? = nil, supported: SupportedVersions = .own
    ) throws(ClusterStoreError) -> StateMark {
        do {
            let copy = try Database(path: path, access: .readOnly, on: disk)
            let check = try copy.query("PRAGMA quick_check(1)") { $0.text(0) }
            guard check == ["ok"] else { throw ClusterStoreError.corrupted(path: path, reason: check.joined()) }
            let mark = try StateDatabase(copy: copy).mark()
            try supported.check(mark.version)
            return mark
        } catch {
            throw ClusterStoreError(error, path: path)
        }
    }

    public func installation(of path: String, index: UInt64) throws -> () throws -> Void {
        let name = "state-\(index)-\(Clock.sinceBoot()).sqlite"
        let copy = StateCopy(directory + "/" + name)
        let state = try fill(copy, from: path, index: index)
        return { try self.install(copy, named: name, state) }
    }

    private func install(_ copy: StateCopy, named name: String, _ state: ClusterState) throws {
        try Files.writeDurably(directory + "/" + Self.pointerName, Array(name.utf8), mode: 0o600)
        guard let database = copy.take() else { preconditionFailure("a copy is installed once") }
        StateCopy.remove(writer.replace(by: database, path: copy.path, index: state.index))
        logger.info("the cluster's state was replaced by a snapshot", metadata: ["index": "\(state.index)"])
        publish(state, nil)
    }

    /// Makes a durable copy of a snapshot that holds what it should.
    private func fill(_ copy: StateCopy, from path: String, index: UInt64) throws -> ClusterState {
        let target = copy.path
        let reader = try Database(path: path, access: .readOnly, on: disk)
        _ = try StateDatabase.schema.check(reader)
        try reader.vacuum(into: target)
        do {
            let file = try Descriptor.open(target, O_RDONLY)
            try syscall("fsync", on: target) { fsync(file.rawValue) }
        }
        let database = try StateDatabase(path: target, on: disk)
        do {
            let state = try database.load()
            guard state.index == index else {
                throw ClusterStoreError.corrupted(path: path, reason: "it holds index \(state.index), not \(index)")
            }
            try supported.check(state.version)
            copy.database = database
            return state
        } catch let error as JSONError {
            throw ClusterStoreError.corrupted(path: path, reason: error.description)
        }
    }

    /// Removes what a crash has left of states that were replaced.
    private static func removeLeftovers(_ directory: String, except current: String) throws(SystemError) {
        for name in try Files.list(directory)
        where name.hasPrefix("state-") && name.contains(".sqlite") && !name.hasPrefix(current)
            && !name.hasPrefix(StateCopy.damagedName)
        {
            try Files.removeTree(directory + "/" + name)
        }
    }

    /// - Parameter changes: nil where the way to the state is not known.
    private func publish(_ state: ClusterState, _ changes: [RevisedChange]?) {
        // Whoever learns of a change finds a state that has it, and whoever sees a state all changes up to it.
        current.withLock { current in
            let isRenewed = current.position.history != state.position.history
            current = state
            if let changes, !isRenewed {
                hub.publish(changes, upTo: state.index)
            } else {
                hub.reset(to: state.position)
            }
        }
    }
}

extension ClusterState {
    /// Where it stands among all revisions.
    public var position: WatchPosition { WatchPosition(history: cluster?.historyID ?? "", revision: index) }
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
