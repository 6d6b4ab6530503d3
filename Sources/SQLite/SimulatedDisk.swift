import CSQLite
import Glibc
import Synchronization
import Values

/// Files in memory that are lost, torn and damaged as on a real disk, as a seed has it: for tests and simulations.
///
///     let disk = SimulatedDisk(seed: 7)
///     let database = try Database(path: "/raft.sqlite", on: disk)
///     disk.losePower()
///     disk.restorePower()
///     let later = try Database(path: "/raft.sqlite", on: disk)
///
/// What is written is visible at once and durable after a sync. What a disk may do to the rest when its power fails is
/// what SQLite expects of it (https://www.sqlite.org/atomiccommit.html, section 2, "Hardware Assumptions", with
/// "powersafe overwrite"; https://www.sqlite.org/wal.html): each write since the file's last sync survives, is lost or
/// is torn at sectors, whatever happens to those before it, and never touches bytes beside its own. Names of files
/// that were made or deleted since their directory's last sync are there or not. Paths are absolute; directories need
/// not be made.
///
/// The seed decides what is lost and what fails. It does not decide the random part of a write-ahead log's checksums,
/// which comes from SQLite's own generator, so two runs agree in everything but those bytes.
public final class SimulatedDisk: Disk, Volume {
    /// Bytes that a disk writes whole or not at all.
    public static let sectorByteCount = 512

    private let registration: VirtualFileSystem
    private let state: Mutex<DiskState>

    private static let lastNumber = Atomic(0)

    public init(seed: UInt64, faults: DiskFaults = DiskFaults()) {
        let number = Self.lastNumber.add(1, ordering: .relaxed).newValue
        registration = VirtualFileSystem(name: "simulated-\(number)")
        state = Mutex(DiskState(generator: SplitMix64(seed: seed), faults: faults))
        registration.register(self)
    }

    public var vfsName: String { registration.name }

    /// What fails from now on.
    public var faults: DiskFaults {
        get { state.withLock { $0.faults } }
        set { state.withLock { $0.faults = newValue } }
    }

    /// How many bytes all files may have together; what would need more gets `SQLITE_FULL`. Nil is no limit.
    public var capacityBytes: Int? {
        get { state.withLock { $0.capacityBytes } }
        set { state.withLock { $0.capacityBytes = newValue } }
    }

    /// How many bytes the files have together.
    public var usedBytes: Int { state.withLock { $0.usedBytes } }

    /// Whether there is power: without, nothing can be opened, read or written.
    public var isPowered: Bool { state.withLock { $0.isPowered } }

    /// The power fails. What databases have open now is of no use any more, also afterwards.
    public func losePower() { state.withLock { $0.losePower() } }

    /// The power fails in the middle of the write or sync that follows so many others.
    public func losePower(afterOperations count: Int) { state.withLock { $0.operationsToPowerLoss = count } }

    public func restorePower() {
        state.withLock {
            $0.operationsToPowerLoss = nil
            $0.isPowered = true
        }
    }

    /// The process dies, as with kill -9: what databases have open is of no use any more, and what they have written
    /// stays visible, durable or not.
    public func killProcess() { state.withLock { $0.killProcess() } }

    public func renew(_ path: String) throws(DatabaseError) { try asking(path) { $0.renew(path) } }

    public func replace(_ path: String, by other: String) throws(DatabaseError) {
        try asking(path) { $0.replace(path, by: other) }
    }

    private func asking(_ path: String, _ body: (inout DiskState) -> Result<Void, FileRefusal>) throws(DatabaseError) {
        do { try change(body) } catch { throw DatabaseError(error, path) }
    }

    /// The paths of all files, in order.
    public var paths: [String] { state.withLock { $0.names.keys.sorted() } }

    /// What a file holds, what is not durable included.
    public func contents(of path: String) -> [UInt8]? { state.withLock { $0.file(at: path)?.visible } }

    /// Changes bytes of a file at rest, as ageing media do. Connections may have others in their caches.
    public func damage(_ path: String, at offset: Int, _ change: (UInt8) -> UInt8) {
        state.withLock { state in
            guard let number = state.names[path] else { return }
            state.files[number]?.damage(at: offset, change)
        }
    }

    // The volume.

    func open(_ path: UnsafePointer<CChar>?, _ flags: Int32) throws(FileRefusal) -> (any VirtualFile, Int32) {
        let path = path.map { String(cString: $0) }
        let result = state.withLock { $0.open(path, flags) }
        let opened = try result.get()
        return (SimulatedFile(opened, path: path ?? "", disk: self), flags)
    }

    func delete(_ path: UnsafePointer<CChar>, synchronizingDirectory: Bool) throws(FileRefusal) {
        let path = String(cString: path)
        let result = state.withLock { $0.delete(path, synchronizingDirectory: synchronizingDirectory) }
        try result.get()
    }

    func allows(_ path: UnsafePointer<CChar>, _ flags: Int32) throws(FileRefusal) -> Bool {
        let path = String(cString: path)
        return state.withLock { state in
            // As on Unix, SQLite is not told of empty files.
            guard let file = state.file(at: path), state.isPowered else { return false }
            return flags != SQLITE_ACCESS_EXISTS || !file.visible.isEmpty
        }
    }

    func resolve(_ path: UnsafePointer<CChar>, into buffer: UnsafeMutableBufferPointer<CChar>) -> Int32? { nil }

    func change<Value: Sendable>(
        _ body: (inout DiskState) -> Result<Value, FileRefusal>
    ) throws(FileRefusal) -> Value {
        let result = state.withLock { body(&$0) }
        return try result.get()
    }
}
