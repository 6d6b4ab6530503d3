import ClusterPKI
import DatabaseCipher
import SQLite

/// Where a manager's databases lie, sealed under keys of its host alone.
struct ManagerDisks {
    let log: SealedDisk
    /// Of snapshots and copies, too.
    let state: SealedDisk

    init(_ keys: DatabaseKeys) throws(PKIError) {
        guard let log = keys.cipher(for: .log), let state = keys.cipher(for: .state) else {
            throw .malformed(KeyFile.name, "it has no whole key of this manager's databases")
        }
        self.log = SealedDisk(log)
        self.state = SealedDisk(state)
    }
}
