import ClusterBackup
import ClusterModel
import EngineModel
import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import ClusterManager

/// Backups that a manager writes by itself (docs/operations.md, "Scheduled backups"). The options of martletd and the
/// service that runs `keepBackups` are in the program and not here.
@Suite(.serialized) struct BackupScheduleWriteTests {
    private static let second: Int64 = 1_000_000_000
    private static let hour = 3_600 * second

    /// Hidden names, too; none where there is no such directory.
    private func names(_ directory: String) -> [String] { (try? Files.list(directory)) ?? [] }

    private func mode(_ path: String) throws -> mode_t {
        var information = stat()
        try syscall("stat", on: path) { stat(path, &information) }
        return information.st_mode & 0o777
    }

    private func restore(
        _ path: String, on host: ControlHost, passphrase: [UInt8]?
    ) async throws -> BackupManifest {
        let file = try Descriptor.open(path, O_RDONLY)
        var request = RestoreRequest()
        request.advertiseAddr = host.address
        request.passphrase = passphrase
        return try await host.control.restore(from: file.rawValue, request)
    }

    @Test(
        "What a manager wrote by itself, over what an earlier life left half written, is restored on another host",
        arguments: [nil, Array("a passphrase".utf8)] as [[UInt8]?])
    func restoring(passphrase: [UInt8]?) async throws {
        let folder = try TemporaryDirectory("backups")
        let host = try await ControlHost("manager")
        try await host.initialise()
        let config = ConfigObject(id: "c", createdAt: .epoch, spec: PayloadSpec(name: "site"), data: "YWJj")
        try await host.control.propose([.putConfig(config, expected: 0)])
        let record = try #require(host.record)
        let halfWritten = String(repeating: "half", count: 1 << 20)
        try folder.write(".\(record.clusterID).partial", halfWritten, mode: 0o600)
        let schedule = BackupSchedule(
            directory: folder.path, intervalNanoseconds: Self.hour, count: 3, passphrase: passphrase)
        try await host.control.backUpIfDue(schedule)
        let written = names(folder.path)
        let name = try #require(written.first)
        #expect(written.count == 1)
        try await host.control.backUpIfDue(schedule)
        #expect(names(folder.path) == [name], "the next one is due in an hour")
        await host.stop()
        let next = try await host.restarted()
        try await waitUntil("it leads again") { next.isLeading }
        try await next.control.backUpIfDue(schedule)
        #expect(names(folder.path) == [name], "the hour counts from the file")
        await next.stop()

        let restored = try await ControlHost("restored")
        if passphrase != nil {
            let error = await #expect(throws: EngineError.self) {
                try await restore(folder.path(name), on: restored, passphrase: nil)
            }
            #expect(error?.kind == .unauthorized)
            #expect(restored.record?.isOpen == false)
        }
        let manifest = try await restore(folder.path(name), on: restored, passphrase: passphrase)
        #expect(name == BackupSchedule.name(manifest))
        #expect(manifest.clusterID == record.clusterID && manifest.nodeID == record.nodeID)
        #expect(restored.isLeading && restored.record?.nodeID == record.nodeID)
        #expect(restored.state?.cluster?.id == record.clusterID)
        #expect(restored.state?.configs.named("site")?.data == "YWJj")
        await restored.stop()
    }

    @Test("The newest of a cluster's backups stay, each an interval after the one before, and so does what is not ours")
    func keeping() async throws {
        let folder = try TemporaryDirectory("backups")
        let host = try await ControlHost("manager")
        try await host.initialise()
        let id = try #require(host.record?.clusterID)
        let old = ["\(id)-2020-01-01T00:00:00Z-3.backup", "\(id)-2020-01-02T00:00:00Z-4.backup"]
        let foreign = ["another-2019-01-01T00:00:00Z-3.backup", "\(id)-notes.txt"]
        for name in old + foreign { try folder.write(name, "x") }
        let schedule = BackupSchedule(
            directory: folder.path, intervalNanoseconds: Self.second, count: 2, passphrase: nil)
        try await host.control.backUpIfDue(schedule)
        var written = Set(names(folder.path)).subtracting(old + foreign)
        #expect(written.count == 1)
        #expect(Set(names(folder.path)) == written.union(foreign + [old[1]]))
        try await waitUntil("three are written", within: .seconds(20), every: .milliseconds(50)) {
            try await host.control.backUpIfDue(schedule)
            written.formUnion(Set(names(folder.path)).subtracting(old + foreign))
            return written.count >= 3
        }
        #expect(names(folder.path) == (Array(written.sorted().suffix(2)) + foreign).sorted())
        let times = written.sorted().compactMap { BackupSchedule.time(of: $0, cluster: id) }
        #expect(times.count == written.count)
        #expect(zip(times, times.dropFirst()).allSatisfy { $1.nanoseconds(since: $0) >= Self.second })
        await host.stop()
    }

    @Test("A manager keeps at it until it is told to end, and what it writes is for nobody else's eyes")
    func running() async throws {
        let folder = try TemporaryDirectory("backups")
        let directory = folder.path("of/the/cluster")
        let host = try await ControlHost("manager")
        try await host.initialise()
        let schedule = BackupSchedule(
            directory: directory, intervalNanoseconds: Self.hour, count: 1, passphrase: nil)
        let keeping = Task { await host.control.keepBackups(schedule) }
        let name = try await waitFor("a backup") { names(directory).first { $0.hasSuffix(".backup") } }
        keeping.cancel()
        let cancelled = ContinuousClock.now
        await keeping.value
        #expect(ContinuousClock.now - cancelled < BackupSchedule.pause)
        #expect(names(directory) == [name])
        #expect(try mode(directory) == 0o700)
        #expect(try mode(directory + "/" + name) == 0o600)
        let copies = names(host.control.directory).filter { $0.hasPrefix(ControlPlane.backupPrefix) }
        #expect(copies == [])
        await host.stop()
    }

    @Test("A host that is in no cluster writes nothing, and neither does a worker") func others() async throws {
        let folder = try TemporaryDirectory("backups")
        let directory = folder.path("backups")
        let schedule = BackupSchedule(
            directory: directory, intervalNanoseconds: Self.hour, count: 1, passphrase: nil)
        let (manager, worker) = (try await ControlHost("manager"), try await ControlHost("worker"))
        try await worker.control.backUpIfDue(schedule)
        #expect(!Files.exists(directory))
        try await manager.initialise()
        try await worker.join(manager, asManager: false)
        try await worker.control.backUpIfDue(schedule)
        #expect(!Files.exists(directory))
        try await manager.control.backUpIfDue(schedule)
        #expect(names(directory).count == 1)
        for host in [worker, manager] { await host.stop() }
    }

    @Test(
        "One that cannot be written leaves nothing of itself and removes no older one; the next look writes it",
        .enabled(if: TestEnvironment.isRoot, "mounts a file system"))
    func failing() async throws {
        let folder = try TemporaryDirectory("backups")
        let disk = folder.path("disk")
        try Files.makeDirectories(disk)
        try syscall("mount", on: disk) { mount("none", disk, "tmpfs", 0, "size=16m") }
        let host = try await ControlHost("manager")
        try await host.initialise()
        let id = try #require(host.record?.clusterID)
        let directory = disk + "/backups"
        let old = ["\(id)-2020-01-01T00:00:00Z-3.backup", "\(id)-2020-01-02T00:00:00Z-4.backup"]
        for name in old { try folder.write("disk/backups/" + name, "x") }
        let filler = disk + "/filler"
        do {
            let file = try Descriptor.open(filler, O_WRONLY | O_CREAT, mode: 0o600)
            let zeros = [UInt8](repeating: 0, count: 4_096)
            while (try? Bytes.writeAll(file.rawValue, zeros)) != nil {}
        }
        let schedule = BackupSchedule(
            directory: directory, intervalNanoseconds: Self.hour, count: 1, passphrase: nil)
        let error = await #expect(throws: BackupError.self) { try await host.control.backUpIfDue(schedule) }
        #expect(error?.description.contains("No space left") == true, "\(error?.description ?? "")")
        #expect(names(directory) == old)
        let copies = names(host.control.directory).filter { $0.hasPrefix(ControlPlane.backupPrefix) }
        #expect(copies == [])
        try Files.removeTree(filler)
        try await host.control.backUpIfDue(schedule)
        let kept = names(directory)
        #expect(kept.count == 1 && kept.allSatisfy { !old.contains($0) && $0.hasSuffix(".backup") }, "\(kept)")
        await host.stop()
    }
}
