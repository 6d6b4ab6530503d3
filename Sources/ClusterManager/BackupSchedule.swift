import ClusterBackup
import EngineModel
import Glibc
import LinuxSystem
import Logging
import Values

/// Backups that a manager writes by itself.
public struct BackupSchedule: Sendable {
    /// Between two looks whether a backup is due.
    static let pause: Duration = .seconds(30)

    /// Where they are written; made where it is missing.
    public var directory: String
    public var intervalNanoseconds: Int64
    /// How many of a cluster's are kept, at least one.
    public var count: Int
    /// nil leaves them unencrypted.
    public var passphrase: [UInt8]?

    public init(directory: String, intervalNanoseconds: Int64, count: Int, passphrase: [UInt8]?) {
        self.directory = directory
        self.intervalNanoseconds = intervalNanoseconds
        self.count = max(1, count)
        self.passphrase = passphrase
    }

    private static let suffix = ".backup"

    /// `ID-2026-03-01T10:20:30Z-17.backup`: names in order are in the order of time.
    static func name(_ manifest: BackupManifest) -> String {
        let time = Timestamp(secondsSinceEpoch: manifest.writtenAt.secondsSinceEpoch)
        return "\(manifest.clusterID)-\(time)-\(manifest.revision)\(suffix)"
    }

    /// When a backup of the cluster was written, by its name; nil for other files.
    static func time(of name: String, cluster id: String) -> Timestamp? {
        guard name.hasPrefix(id + "-"), name.hasSuffix(suffix) else { return nil }
        return Timestamp(rfc3339: name.dropFirst(id.utf8.count + 1).prefix(20))
    }

    /// Whether a backup is due beside those that are there.
    func isDue(at now: Timestamp, beside names: [String], cluster id: String) -> Bool {
        guard let newest = names.compactMap({ Self.time(of: $0, cluster: id) }).max() else { return true }
        // A clock that was set back is no reason to stop.
        return abs(now.nanoseconds(since: newest)) >= intervalNanoseconds
    }

    /// The backups that are too many, oldest first.
    func surplus(among names: [String], cluster id: String) -> [String] {
        Array(names.filter { Self.time(of: $0, cluster: id) != nil }.sorted().dropLast(count))
    }
}

extension ControlPlane {
    /// Writes backups while this host is a manager, until it is cancelled. What fails is tried again at the next look.
    public func keepBackups(_ schedule: BackupSchedule) async {
        repeat {
            do { try await backUpIfDue(schedule) } catch {
                logger.error("a backup could not be written", metadata: ["reason": "\(error)"])
            }
        } while (try? await Task.sleep(for: BackupSchedule.pause)) != nil
    }

    func backUpIfDue(_ schedule: BackupSchedule) async throws {
        let (record, isLocked) = shared.withLock { ($0.record, $0.isLocked) }
        guard let record, record.isOpen, record.isManager, !isLocked else { return }
        try Files.makeDirectories(schedule.directory, mode: 0o700)
        let names = try Files.list(schedule.directory)
        guard schedule.isDue(at: Clock.now(), beside: names, cluster: record.clusterID) else { return }
        let backup = try await prepareBackup()
        let name = BackupSchedule.name(backup.manifest)
        let partial = "\(schedule.directory)/.\(record.clusterID).partial"
        do {
            let file = try Descriptor.open(partial, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try await backup.write(to: file.rawValue, passphrase: schedule.passphrase)
            try syscall("fsync", on: partial) { fsync(file.rawValue) }
            try Files.rename(partial, to: "\(schedule.directory)/\(name)")
        } catch {
            try? Files.removeTree(partial)
            throw error
        }
        logger.info("wrote a backup", metadata: ["file": "\(name)", "revision": "\(backup.manifest.revision)"])
        for old in schedule.surplus(among: names + [name], cluster: record.clusterID) {
            try Files.removeTree("\(schedule.directory)/\(old)")
        }
    }
}
