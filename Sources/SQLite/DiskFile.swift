import CSQLite
import Values

/// A file on a simulated disk.
struct DiskFile: Sendable {
    /// What readers see.
    private(set) var visible: [UInt8] = []
    /// What has been synced.
    private var durable: [UInt8] = []
    private var unsynced: [Change] = []
    var openCount = 0
    /// The level of each connection's lock.
    var locks: [Int: Int32] = [:]
    var shared: SharedMemory?

    private enum Change: Sendable {
        case write(offset: Int, bytes: [UInt8])
        case truncate(byteCount: Int)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = max(0, min(buffer.count, visible.count - offset))
        guard count > 0 else { return 0 }
        visible.withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
        }
        return count
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        Self.put(bytes, at: offset, into: &visible)
        let copy = [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
            count = bytes.count
        }
        unsynced.append(.write(offset: offset, bytes: copy))
    }

    mutating func truncate(to byteCount: Int) {
        Self.truncate(&visible, to: byteCount)
        unsynced.append(.truncate(byteCount: byteCount))
    }

    mutating func synchronize() {
        for change in unsynced { apply(change) }
        unsynced = []
    }

    /// Decides by chance what of the unsynced changes is durable. The rest stays visible and is never written.
    mutating func settle(_ survival: Survival, _ generator: inout SplitMix64) {
        for change in unsynced {
            switch survival.fate(&generator) {
            case .lost: break
            case .whole: apply(change)
            case .torn:
                guard case .write(let offset, let bytes) = change else { continue }
                tear(bytes, at: offset, &generator)
            }
        }
        unsynced = []
    }

    /// After a loss of power.
    mutating func becomeDurable() { visible = durable }

    /// After the death of whoever had it open.
    mutating func forgetConnections() {
        openCount = 0
        locks = [:]
        shared = nil
    }

    mutating func damage(at offset: Int, _ change: (UInt8) -> UInt8) {
        if offset < visible.count { visible[offset] = change(visible[offset]) }
        if offset < durable.count { durable[offset] = change(durable[offset]) }
    }

    private mutating func apply(_ change: Change) {
        switch change {
        case .write(let offset, let bytes): bytes.withUnsafeBytes { Self.put($0, at: offset, into: &durable) }
        case .truncate(let byteCount): Self.truncate(&durable, to: byteCount)
        }
    }

    /// Some sectors of a write are written, and one may hold anything.
    private mutating func tear(_ bytes: [UInt8], at offset: Int, _ generator: inout SplitMix64) {
        let sector = SimulatedDisk.sectorByteCount
        let mayHoldAnything = generator.chance(1, of: 4)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, ((offset + start) / sector + 1) * sector - offset)
            var piece = Array(bytes[start..<end])
            switch generator.below(mayHoldAnything ? 8 : 7) {
            case 0..<4: piece.withUnsafeBytes { Self.put($0, at: offset + start, into: &durable) }
            case 4..<7: break
            default:
                for position in piece.indices { piece[position] = UInt8(truncatingIfNeeded: generator.next()) }
                piece.withUnsafeBytes { Self.put($0, at: offset + start, into: &durable) }
            }
            start = end
        }
    }

    /// A gap before `offset` reads as zeros.
    private static func put(_ bytes: UnsafeRawBufferPointer, at offset: Int, into file: inout [UInt8]) {
        let end = offset + bytes.count
        if file.count < end { file += [UInt8](repeating: 0, count: end - file.count) }
        file.withUnsafeMutableBytes { file in
            UnsafeMutableRawBufferPointer(rebasing: file[offset..<end]).copyMemory(from: bytes)
        }
    }

    private static func truncate(_ file: inout [UInt8], to byteCount: Int) {
        if file.count > byteCount { file.removeLast(file.count - byteCount) }
    }

    // Locks (https://www.sqlite.org/lockingv3.html, section 3).

    /// False where another connection's lock is in the way.
    mutating func lock(_ level: Int32, by connection: Int) -> Bool {
        let held = locks[connection] ?? SQLITE_LOCK_NONE
        guard level > held else { return true }
        let others = locks.filter { $0.key != connection }.values.max() ?? SQLITE_LOCK_NONE
        switch level {
        case SQLITE_LOCK_SHARED: guard others < SQLITE_LOCK_PENDING else { return false }
        case SQLITE_LOCK_RESERVED: guard others < SQLITE_LOCK_RESERVED else { return false }
        default:
            guard others < SQLITE_LOCK_RESERVED else { return false }
            if others >= SQLITE_LOCK_SHARED {
                // Readers may end, new ones do not begin.
                locks[connection] = SQLITE_LOCK_PENDING
                return false
            }
        }
        locks[connection] = level
        return true
    }

    mutating func unlock(_ level: Int32, by connection: Int) {
        if level < locks[connection] ?? SQLITE_LOCK_NONE { locks[connection] = level }
    }

    var isReserved: Bool { locks.values.contains { $0 >= SQLITE_LOCK_RESERVED } }
}

/// How much of what was not synced is there after a loss of power.
struct Survival: Sendable {
    enum Fate { case lost, torn, whole }

    /// Of ten writes; the rest is torn or lost.
    private let whole: Int

    /// Everything and nothing are as likely as something between.
    static func random(_ generator: inout SplitMix64) -> Survival {
        Survival(whole: [0, 1, 5, 9, 10][generator.below(5)])
    }

    func fate(_ generator: inout SplitMix64) -> Fate {
        if generator.chance(whole, of: 10) { return .whole }
        return whole > 0 && generator.chance(1, of: 2) ? .torn : .lost
    }
}
