import ClusterBackup
import ClusterStore
import EngineModel
import JSON
import LinuxSystem
import Values

/// A consistent copy of the state that waits to be sent. Its file goes with it.
public final class PreparedBackup: Sendable {
    public let manifest: BackupManifest
    private let path: String
    private let reader: StateReader

    init(_ manifest: BackupManifest, path: String, reader: StateReader) {
        self.manifest = manifest
        self.path = path
        self.reader = reader
    }

    deinit { try? Files.removeTree(path) }

    /// Writes the backup to a descriptor; it waits for whoever reads, on a thread of its own.
    public func write(to descriptor: Int32, passphrase: [UInt8]?) async throws {
        let (manifest, path) = (manifest, path)
        try await reader.read { store in
            try BackupWriter.write(
                manifest, state: path, on: store.snapshotDisk, to: descriptor, passphrase: passphrase)
        }
    }
}

extension ControlPlane {
    static let backupPrefix = "backup-"

    /// Copies the state while changes go on. What was acknowledged before the call is in it where there is a leader;
    /// without one it is what this manager has.
    public func prepareBackup() async throws(EngineError) -> PreparedBackup {
        let manager = try manager()
        _ = try? await manager.latest()
        guard let record = shared.withLock(\.record) else { throw .notManager }
        // A thread of its own: a slow reader of one backup holds up nothing else.
        let reader = StateReader(store: manager.store)
        let path = "\(directory)/\(Self.backupPrefix)\(Clock.sinceBoot()).sqlite"
        let dataKeys = heldDataKeys
        let (term, version) = (manager.raft.status.term, configuration.description.engine.engineVersion)
        do {
            let manifest = try await reader.read { store in
                do {
                    _ = try store.writeSnapshot(to: path)
                    let mark = try store.mark(ofCopy: path)
                    let (digest, byteCount) = try FileDigest.of(path, on: store.snapshotDisk)
                    return BackupManifest(
                        clusterID: mark.cluster?.id ?? "", history: mark.cluster?.historyID ?? "",
                        revision: mark.index, time: mark.time, term: term, nodeID: record.nodeID,
                        writtenAt: Clock.now(), version: version,
                        clusterVersion: mark.version > .first ? mark.version.number : nil, stateBytes: byteCount,
                        stateDigest: digest,
                        dataKeys: try JSONCoding.decode(JSONValue.self, from: JSONCoding.encode(dataKeys)))
                } catch {
                    try? Files.removeTree(path)
                    throw error
                }
            }
            return PreparedBackup(manifest, path: path, reader: reader)
        } catch {
            throw EngineError(any: error)
        }
    }

    /// Removes copies of backups that an end of the daemon has left.
    func removeBackupCopies() {
        for name in (try? Files.list(directory)) ?? [] where name.hasPrefix(Self.backupPrefix) {
            try? Files.removeTree("\(directory)/\(name)")
        }
    }
}
