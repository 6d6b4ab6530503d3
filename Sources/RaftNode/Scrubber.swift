import Executors
import Glibc
import LinuxSystem
import RaftCore
import SQLite

/// Reads the log and the snapshot again and again, slowly, on a thread and a connection of its own, and tells the node
/// of what does not fit its checksum any more.
///
/// It sees what the disk has once the kernel has let go of its own copy: what is read often is not read from the disk.
final class Scrubber: Sendable {
    private struct State {
        var isRunning = false
        var isStopped = false
    }

    private let database: String
    private let snapshotDirectory: String
    private let disk: (any Disk)?
    private let snapshotDisk: SealedDisk?
    private let pace: RaftScrubbing
    private let mailbox: Mailbox
    private let state = Monitor(State())

    init(_ storage: RaftStorage, _ pace: RaftScrubbing, _ mailbox: Mailbox, snapshotDisk: SealedDisk?) {
        self.snapshotDisk = snapshotDisk
        database = storage.path
        disk = storage.disk
        snapshotDirectory = storage.snapshotDirectory
        self.pace = pace
        self.mailbox = mailbox
    }

    /// Where the system has no thread left there is no scrub.
    func start() {
        state.change { $0.isRunning = true }
        do throws(SystemError) {
            try DetachedThread.start("raft-scrub", niceness: 10) { self.run() }
        } catch {
            state.change { $0.isRunning = false }
        }
    }

    /// Returns when the thread touches nothing any more.
    func stop() {
        state.change { $0.isStopped = true }
        state.wait({ !$0.isRunning }, then: { _ in })
    }

    private func run() {
        while true {
            if let damage = pass(), !damage.isEmpty { _ = mailbox.post(.damageFound(damage)) }
            guard pause(pace.passPauseMilliseconds) else { break }
        }
        state.change { $0.isRunning = false }
    }

    /// False where it is to stop.
    private func pause(_ milliseconds: Int) -> Bool {
        state.wait(
            until: Clock.sinceBoot() + Int64(milliseconds) * 1_000_000, { $0.isStopped }, then: { !$0.isStopped })
    }

    /// Everything once; what is damaged, or nil where it was stopped or could not read.
    private func pass() -> [Damage]? {
        do throws(DatabaseError) {
            // A new connection has none of the pages that an earlier pass has read.
            let tables = RaftTables(database: try Database(path: database, access: .readOnly, on: disk))
            var damage = try rows(tables)
            var next: UInt64? = 0
            while let index = next {
                guard pause(pace.stepPauseMilliseconds) else { return nil }
                next = try entries(tables, after: index, &damage)
            }
            guard let file = try tables.snapshot(), file.isWhole else { return damage }
            guard let isWhole = isWhole(file.value) else { return nil }
            // It may have been replaced meanwhile.
            if !isWhole, try tables.snapshot()?.value.name == file.value.name {
                damage.append(.snapshotFile(file.value.name))
            }
            return damage
        } catch {
            // No descriptor, no memory, or busy: another pass comes.
            if error.isDamage { return [.structure("\(error)")] }
            return error.primaryCode == Self.inputOutput ? [.unreadable("\(error)")] : nil
        }
    }

    /// SQLITE_IOERR (https://www.sqlite.org/rescode.html): a disk that cannot be read.
    private static let inputOutput: Int32 = 10

    /// The tables of one row.
    private func rows(_ tables: RaftTables) throws(DatabaseError) -> [Damage] {
        try tables.database.reading { () throws(DatabaseError) in
            guard let identity = try tables.identity() else { return [] }
            var damage: [Damage] = []
            if !identity.isWhole { damage.append(.row(.identity)) }
            if try tables.peers().contains(where: { !$0.isWhole }) { damage.append(.row(.peer)) }
            if try tables.hardState()?.isWhole != true { damage.append(.row(.hardState)) }
            if try tables.base()?.isWhole != true { damage.append(.row(.base)) }
            if try tables.snapshot()?.isWhole == false { damage.append(.row(.snapshot)) }
            return damage
        }
    }

    /// One step through the log; where the next one goes on.
    private func entries(
        _ tables: RaftTables, after index: UInt64, _ damage: inout [Damage]
    ) throws(DatabaseError) -> UInt64? {
        var found: [Damage] = []
        let next = try tables.database.reading { () throws(DatabaseError) -> UInt64? in
            guard let base = try tables.base(), base.isWhole, let hardState = try tables.hardState(), hardState.isWhole
            else { return nil }
            var expected = max(index, base.value.index) + 1
            var byteCount = 0
            try tables.forEachEntry(after: expected - 1) { row in
                // Rows that are missing before this one.
                while expected < row.value.index, found.count <= NodeLoop.repairLimit {
                    found.append(.entry(expected))
                    expected += 1
                }
                if !row.isWhole { found.append(.entry(row.value.index)) }
                expected = row.value.index + 1
                byteCount += row.value.data.count + Self.rowByteCount
                return byteCount < pace.bytesPerStep
            }
            if byteCount >= pace.bytesPerStep { return expected - 1 }
            while expected <= hardState.value.last, found.count <= NodeLoop.repairLimit {
                found.append(.entry(expected))
                expected += 1
            }
            return nil
        }
        damage += found
        return damage.count > NodeLoop.repairLimit ? nil : next
    }

    /// About what a row has beside its data.
    private static let rowByteCount = 32

    /// Whether a snapshot's file fits its checksum; nil where it was stopped.
    private func isWhole(_ snapshot: RaftTables.File) -> Bool? {
        guard let file = try? DatabaseFile(path: snapshotDirectory + "/" + snapshot.name, on: snapshotDisk) else {
            return false
        }
        var checksum = SnapshotChecksum()
        var byteCount: UInt64 = 0
        while true {
            guard pause(pace.stepPauseMilliseconds) else { return nil }
            guard let piece = try? file.read(at: byteCount, upTo: pace.bytesPerStep) else { return false }
            if piece.isEmpty { return byteCount == snapshot.byteCount && checksum.value == snapshot.checksum }
            checksum.add(piece)
            byteCount += UInt64(piece.count)
        }
    }
}
