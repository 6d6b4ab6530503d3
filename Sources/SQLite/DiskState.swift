import CSQLite
import Glibc
import Values

/// What is on a simulated disk.
struct DiskState: Sendable {
    var generator: SplitMix64
    var faults: DiskFaults
    var capacityBytes: Int?
    var isPowered = true
    /// How often the power has failed: files that were opened in an earlier life are of no use.
    private(set) var life = 0
    /// Writes and syncs until the power fails.
    var operationsToPowerLoss: Int?
    var files: [Int: DiskFile] = [:]
    private(set) var names: [String: Int] = [:]
    private var durableNames: [String: Int] = [:]
    /// Names that were made (with a file) or deleted (without) since their directory was synced.
    private var unsyncedNames: [(path: String, file: Int?)] = []
    private var lastNumber = 0

    init(generator: SplitMix64, faults: DiskFaults) {
        self.generator = generator
        self.faults = faults
    }

    /// What an open file is to the disk.
    struct Opened: Sendable {
        let file: Int
        let connection: Int
        let life: Int
        /// Its first sync is one of its directory too, as SQLite has it on Unix for journals that may be new.
        let synchronizesDirectory: Bool
        let isDeletedOnClose: Bool
    }

    func file(at path: String) -> DiskFile? { names[path].flatMap { files[$0] } }

    var usedBytes: Int { files.values.reduce(0) { $0 + $1.visible.count } }

    // Names.

    mutating func open(_ path: String?, _ flags: Int32) -> Result<Opened, FileRefusal> {
        guard isPowered else { return .failure(FileRefusal(SQLITE_CANTOPEN)) }
        let known = path.flatMap { names[$0] }
        if known == nil, path != nil, flags & SQLITE_OPEN_CREATE == 0 {
            return .failure(FileRefusal(SQLITE_CANTOPEN, ENOENT))
        }
        if known != nil, flags & SQLITE_OPEN_EXCLUSIVE != 0 { return .failure(FileRefusal(SQLITE_CANTOPEN, EEXIST)) }
        let number = known ?? newNumber()
        if known == nil {
            files[number] = DiskFile()
            if let path { rename(path, to: number) }
        }
        files[number]?.openCount += 1
        let journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL
        return .success(
            Opened(
                file: number, connection: newNumber(), life: life,
                synchronizesDirectory: flags & SQLITE_OPEN_CREATE != 0 && flags & journals != 0,
                isDeletedOnClose: flags & SQLITE_OPEN_DELETEONCLOSE != 0))
    }

    mutating func close(_ opened: Opened, path: String) {
        guard opened.life == life else { return }
        files[opened.file]?.locks[opened.connection] = nil
        files[opened.file]?.openCount -= 1
        if opened.isDeletedOnClose, names[path] == opened.file { rename(path, to: nil) }
        removeUnreachable(opened.file)
    }

    mutating func delete(_ path: String, synchronizingDirectory: Bool) -> Result<Void, FileRefusal> {
        guard isPowered else { return .failure(FileRefusal(FileCode.delete)) }
        guard let number = names[path] else { return .failure(FileRefusal(FileCode.deleteMissing, ENOENT)) }
        rename(path, to: nil)
        removeUnreachable(number)
        guard synchronizingDirectory else { return .success(()) }
        if isPowerFailing() || fails(.sync, path) { return .failure(FileRefusal(FileCode.directorySync)) }
        synchronizeDirectory(of: path)
        return .success(())
    }

    private mutating func rename(_ path: String, to number: Int?) {
        names[path] = number
        unsyncedNames.append((path, number))
    }

    mutating func synchronizeDirectory(of path: String) {
        let directory = Self.parent(of: path)
        for change in unsyncedNames where Self.parent(of: change.path) == directory {
            let old = durableNames[change.path]
            durableNames[change.path] = change.file
            if let old { removeUnreachable(old) }
        }
        unsyncedNames.removeAll { Self.parent(of: $0.path) == directory }
    }

    /// A copy under another name, synced, renamed, and the directory synced.
    mutating func renew(_ path: String) -> Result<Void, FileRefusal> {
        guard isPowered else { return .failure(FileRefusal(FileCode.write)) }
        guard let old = names[path], let bytes = files[old]?.visible else { return .success(()) }
        if isPowerFailing() || fails(.write, path) { return .failure(FileRefusal(FileCode.write)) }
        var copy = DiskFile()
        bytes.withUnsafeBytes { copy.write($0, at: 0) }
        if isPowerFailing() || fails(.sync, path) { return .failure(FileRefusal(FileCode.sync)) }
        copy.synchronize()
        let number = newNumber()
        files[number] = copy
        rename(path, to: number)
        removeUnreachable(old)
        if isPowerFailing() || fails(.sync, path) { return .failure(FileRefusal(FileCode.directorySync)) }
        synchronizeDirectory(of: path)
        return .success(())
    }

    /// The directory synced, the other file synced, renamed, and the directory synced again.
    mutating func replace(_ path: String, by other: String) -> Result<Void, FileRefusal> {
        guard isPowered, let number = names[other] else { return .failure(FileRefusal(FileCode.write, ENOENT)) }
        if isPowerFailing() || fails(.sync, path) { return .failure(FileRefusal(FileCode.directorySync)) }
        synchronizeDirectory(of: path)
        if isPowerFailing() || fails(.sync, other) { return .failure(FileRefusal(FileCode.sync)) }
        files[number]?.synchronize()
        let old = names[path]
        rename(path, to: number)
        rename(other, to: nil)
        if let old { removeUnreachable(old) }
        if isPowerFailing() || fails(.sync, path) { return .failure(FileRefusal(FileCode.directorySync)) }
        synchronizeDirectory(of: path)
        return .success(())
    }

    private static func parent(of path: String) -> Substring {
        path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
    }

    private mutating func newNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    /// Frees a file that has no name, now or after a loss of power, and that nobody has open.
    private mutating func removeUnreachable(_ number: Int) {
        guard files[number]?.openCount == 0, !names.values.contains(number), !durableNames.values.contains(number),
            !unsyncedNames.contains(where: { $0.file == number })
        else { return }
        files[number] = nil
    }

    // Contents.

    mutating func read(
        _ opened: Opened, _ path: String, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) -> Result<Int, FileRefusal> {
        guard isUsable(opened), !fails(.read, path) else { return .failure(FileRefusal(FileCode.read)) }
        return .success(files[opened.file]?.read(into: buffer, at: offset) ?? 0)
    }

    mutating func write(
        _ opened: Opened, _ path: String, _ bytes: UnsafeRawBufferPointer, at offset: Int
    ) -> Result<Void, FileRefusal> {
        guard isUsable(opened) else { return .failure(FileRefusal(FileCode.write)) }
        if fails(.write, path) {
            // Some of it may have been written.
            let count = generator.below(bytes.count + 1)
            files[opened.file]?.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
            return .failure(FileRefusal(FileCode.write))
        }
        var count = bytes.count
        if let capacityBytes, let size = files[opened.file]?.visible.count {
            let free = max(0, capacityBytes - usedBytes)
            count = min(count, max(0, size + free - offset))
        }
        files[opened.file]?.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
        if isPowerFailing() { return .failure(FileRefusal(FileCode.write)) }
        return count == bytes.count ? .success(()) : .failure(FileRefusal(SQLITE_FULL, ENOSPC))
    }

    mutating func truncate(_ opened: Opened, _ path: String, to byteCount: Int) -> Result<Void, FileRefusal> {
        guard isUsable(opened), !fails(.write, path) else { return .failure(FileRefusal(FileCode.truncate)) }
        files[opened.file]?.truncate(to: byteCount)
        return isPowerFailing() ? .failure(FileRefusal(FileCode.truncate)) : .success(())
    }

    mutating func synchronize(
        _ opened: Opened, _ path: String, withDirectory: Bool
    ) -> Result<Void, FileRefusal> {
        guard isUsable(opened) else { return .failure(FileRefusal(FileCode.sync)) }
        if isPowerFailing() { return .failure(FileRefusal(FileCode.sync)) }
        if fails(.sync, path) {
            // fsync(2) on Linux: pages that could not be written are clean afterwards, and the next call succeeds.
            let survival = Survival.random(&generator)
            files[opened.file]?.settle(survival, &generator)
            return .failure(FileRefusal(FileCode.sync))
        }
        files[opened.file]?.synchronize()
        if withDirectory { synchronizeDirectory(of: path) }
        return .success(())
    }

    // Faults.

    func isUsable(_ opened: Opened) -> Bool { isPowered && opened.life == life }

    private mutating func fails(_ operation: DiskFaults.Operation, _ path: String) -> Bool {
        faults.fails(operation, on: path, &generator)
    }

    private mutating func isPowerFailing() -> Bool {
        guard let left = operationsToPowerLoss else { return false }
        operationsToPowerLoss = left - 1
        if left <= 0 { losePower() }
        return left <= 0
    }

    mutating func losePower() {
        guard isPowered else { return }
        isPowered = false
        life += 1
        operationsToPowerLoss = nil
        settleNames()
        let survival = Survival.random(&generator)
        for number in files.keys.sorted() {
            files[number]?.settle(survival, &generator)
            files[number]?.becomeDurable()
            files[number]?.forgetConnections()
        }
    }

    mutating func killProcess() {
        life += 1
        for number in files.keys {
            files[number]?.forgetConnections()
            removeUnreachable(number)
        }
    }

    /// Of the changes of each name, those up to some point are durable.
    private mutating func settleNames() {
        for path in Set(unsyncedNames.map(\.path)).sorted() {
            let changes = unsyncedNames.filter { $0.path == path }
            let kept = generator.below(changes.count + 1)
            if kept > 0 { durableNames[path] = changes[kept - 1].file }
        }
        unsyncedNames = []
        names = durableNames
        let named = Set(names.values)
        files = files.filter { named.contains($0.key) }
    }
}
