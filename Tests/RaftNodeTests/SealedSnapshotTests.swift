import DatabaseCipher
import LinuxSystem
import RaftCore
import SQLite
import TestSupport
import Testing

@testable import RaftNode

/// Snapshots that are sealed on either side, and not on their way.
@Suite struct SealedSnapshotTests {
    private let folder: TemporaryDirectory
    private static let text = "what nobody may read"

    init() throws {
        folder = try TemporaryDirectory("sealed-snapshot")
        for name in ["one", "two"] { try Files.makeDirectories(folder.path(name)) }
    }

    private func disk() throws -> SealedDisk {
        var keys = DatabaseKeys()
        keys.add()
        return SealedDisk(try #require(keys.cipher(for: .state)))
    }

    /// A snapshot with so many rows in the first directory.
    private func snapshot(_ rows: Int, on disk: SealedDisk?) throws -> SnapshotFile {
        let path = folder.path("one/snapshot")
        do {
            let database = try Database(path: folder.path("one/state"), on: disk)
            try database.executeScript("CREATE TABLE t (a)")
            try database.transaction {
                for row in 0..<rows { try database.execute("INSERT INTO t VALUES (?)", Self.text + " \(row)") }
            }
            try database.vacuum(into: path)
        }
        let (byteCount, checksum) = try SnapshotFile.seal(path, on: disk)
        let metadata = SnapshotMetadata(index: 7, term: 2, membership: Membership([]))
        return SnapshotFile(metadata: metadata, name: "snapshot", byteCount: byteCount, checksum: checksum)
    }

    private func send(_ file: SnapshotFile, from: SealedDisk?, to: SealedDisk?) throws -> (SnapshotFile?, [UInt8]) {
        let sender = try SnapshotSender(file, directory: folder.path("one"), on: from, now: 0)
        var receiver: SnapshotReceiver?
        var sent: [UInt8] = []
        for now in UInt64(0)... {
            for chunk in try sender.chunks(now: now) {
                sent += chunk.bytes
                receiver = try receiver ?? SnapshotReceiver(chunk, from: 1, directory: folder.path("two"), on: to)
                switch try receiver?.add(chunk) {
                case .whole(let file): return (file, sent)
                case .damaged, nil: return (nil, sent)
                case .partial: sender.receive(receiver?.arrival.received ?? 0, now: now)
                }
            }
        }
        return (nil, sent)
    }

    private func rows(on disk: SealedDisk?, _ name: String) throws -> Int64? {
        let database = try Database(path: folder.path("two/" + name), access: .readOnly, on: disk)
        return try database.first("SELECT count(*) FROM t") { $0.integer(0) }
    }

    @Test("sealed here and there under other keys, open on the way", arguments: [1, 40_000])
    func betweenSealed(count: Int) throws {
        let (here, there) = (try disk(), try disk())
        let file = try snapshot(count, on: here)
        let (received, sent) = try send(file, from: here, to: there)
        let arrived = try #require(received)
        #expect(arrived.byteCount == file.byteCount && arrived.checksum == file.checksum)
        #expect(arrived.isWhole(in: folder.path("two"), on: there) && file.isWhole(in: folder.path("one"), on: here))
        #expect(try rows(on: there, arrived.name) == Int64(count))
        #expect(there.hasSealed(folder.path("two/" + arrived.name)))
        #expect(sent.starts(with: Array("SQLite format 3".utf8)))
        for path in ["one/snapshot", "one/state", "two/" + arrived.name] {
            let bytes = try Files.read(folder.path(path), limit: 1 << 30)
            #expect(bytes.firstRange(of: Array(Self.text.utf8)) == nil, "\(path)")
        }
    }

    @Test("to and from managers that do not seal")
    func mixed() throws {
        let here = try disk()
        let (fromSealed, _) = try send(snapshot(500, on: here), from: here, to: nil)
        #expect(try rows(on: nil, #require(fromSealed).name) == 500)
        for name in try Files.list(folder.path("one")) { try Files.removeTree(folder.path("one/" + name)) }
        let open = try snapshot(500, on: nil)
        let (toSealed, _) = try send(open, from: nil, to: here)
        let arrived = try #require(toSealed)
        #expect(try rows(on: here, arrived.name) == 500)
        #expect(arrived.isWhole(in: folder.path("two"), on: here))
        #expect(!here.hasSealed(folder.path("two/" + arrived.name)), "its pages have no room: it is written anew")
    }

    @Test("one that was altered is not sent")
    func altered() throws {
        let here = try disk()
        let file = try snapshot(500, on: here)
        var bytes = try Files.read(folder.path("one/snapshot"))
        bytes[5_000] ^= 1
        try Files.write(folder.path("one/snapshot"), bytes)
        #expect(!file.isWhole(in: folder.path("one"), on: here))
        #expect(throws: SystemError.self) { try send(file, from: here, to: nil) }
    }
}
