import CSQLite
import Glibc
import Synchronization
import Values

/// The host's file system with faults, for tests of real processes: operations fail by chance, and what is not synced
/// is lost when the process is killed, as it is when a machine loses power.
///
/// **Never where data matters.** Writes that were not synced are kept in this process's memory and only some of them,
/// by chance, go to the file at once; other processes that have the database open do not see them. What a connection
/// has written is in the file once it is synced or closed. Names of files, and truncation, are as the host has them.
public final class FaultyDisk: Disk, Volume {
    /// Bytes of one file that are kept back; where there are more, all are written.
    public static let heldByteLimit = 64 << 20
    /// Of so many writes one goes to the file at once.
    static let writesPerEarlyOne = 4

    private struct State: Sendable {
        var generator: SplitMix64
        var faults: DiskFaults
        /// By path, with how many connections have them.
        var held: [String: (writes: HeldWrites, count: Int)] = [:]
    }

    private let registration: VirtualFileSystem
    private let losesWrites: Bool
    private let state: Mutex<State>

    private static let lastNumber = Atomic(0)
    private static let standard = Mutex<FaultyDisk?>(nil)

    /// - Parameter losesWrites: whether what is not synced is kept back.
    public init(seed: UInt64, faults: DiskFaults, losesWrites: Bool) {
        let number = Self.lastNumber.add(1, ordering: .relaxed).newValue
        registration = VirtualFileSystem(name: "faulty-\(number)")
        self.losesWrites = losesWrites
        state = Mutex(State(generator: SplitMix64(seed: seed), faults: faults))
        registration.register(self)
    }

    /// Puts every database that this process opens from now on onto a disk with faults.
    ///
    /// - Parameter description: as of `DiskFaults.init(parsing:)`, with `lose` where writes are to be lost and
    ///   `seed=N`, which otherwise is taken at random.
    public static func makeStandard(_ description: String) throws(DiskFaultsError) {
        var seed = UInt64.random(in: 0 ... .max)
        var losesWrites = false
        var faults: [Substring] = []
        for part in description.split(separator: ",") {
            if part == "lose" {
                losesWrites = true
            } else if part.hasPrefix("seed=") {
                guard let number = UInt64(part.dropFirst(5)) else { throw DiskFaultsError(part: String(part)) }
                seed = number
            } else {
                faults.append(part)
            }
        }
        let disk = FaultyDisk(
            seed: seed, faults: try DiskFaults(parsing: faults.joined(separator: ",")), losesWrites: losesWrites)
        disk.registration.register(disk, asDefault: true)
        standard.withLock { $0 = disk }
    }

    public var vfsName: String { registration.name }

    public func renew(_ path: String) throws(DatabaseError) { try Database.renewHostFile(path) }

    public func replace(_ path: String, by other: String) throws(DatabaseError) {
        try Database.replaceHostFile(path, by: other)
    }

    /// What fails from now on.
    public var faults: DiskFaults {
        get { state.withLock { $0.faults } }
        set { state.withLock { $0.faults = newValue } }
    }

    func fails(_ operation: DiskFaults.Operation, on path: String) -> Bool {
        state.withLock { $0.faults.fails(operation, on: path, &$0.generator) }
    }

    func isEarly() -> Bool { state.withLock { $0.generator.chance(1, of: Self.writesPerEarlyOne) } }

    func release(_ writes: HeldWrites, of path: String) {
        state.withLock { state in
            guard let known = state.held[path], known.writes === writes else { return }
            state.held[path] = known.count > 1 ? (writes, known.count - 1) : nil
        }
    }

    // The volume.

    func open(_ path: UnsafePointer<CChar>?, _ flags: Int32) throws(FileRefusal) -> (any VirtualFile, Int32) {
        let real = try HostFile(path, flags, on: registration.host)
        let text = path.map { String(cString: $0) } ?? ""
        guard losesWrites, path != nil, flags & SQLITE_OPEN_DELETEONCLOSE == 0 else {
            return (FaultyFile(real, path: text, held: nil, disk: self), real.flags)
        }
        let held = state.withLock { state in
            let known = state.held[text] ?? (HeldWrites(), 0)
            state.held[text] = (known.writes, known.count + 1)
            return known.writes
        }
        return (FaultyFile(real, path: text, held: held, disk: self), real.flags)
    }

    func delete(_ path: UnsafePointer<CChar>, synchronizingDirectory: Bool) throws(FileRefusal) {
        state.withLock { $0.held[String(cString: path)] = nil }
        let host = registration.host
        try HostFile.check(host.pointee.xDelete(host, path, synchronizingDirectory ? 1 : 0))
    }

    func allows(_ path: UnsafePointer<CChar>, _ flags: Int32) throws(FileRefusal) -> Bool {
        let host = registration.host
        var result: Int32 = 0
        try HostFile.check(host.pointee.xAccess(host, path, flags, &result))
        if result == 0, flags == SQLITE_ACCESS_EXISTS {
            // A file whose bytes are all kept back looks empty.
            return state.withLock { $0.held[String(cString: path)]?.writes.isEmpty == false }
        }
        return result != 0
    }

    func resolve(_ path: UnsafePointer<CChar>, into buffer: UnsafeMutableBufferPointer<CChar>) -> Int32? {
        let host = registration.host
        return host.pointee.xFullPathname(host, path, Int32(buffer.count), buffer.baseAddress)
    }
}
