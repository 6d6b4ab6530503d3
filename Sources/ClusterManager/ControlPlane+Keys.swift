import ClusterModel
import ClusterPKI
import DatabaseCipher
import EngineModel
import LinuxSystem
import Logging

/// This host's keys and what locks them: they are in the clear in memory alone where the cluster locks its managers.
extension ControlPlane {
    // MARK: The file

    /// Changes this host's keys, durably.
    @discardableResult
    func changeKeys(_ change: (inout HostKeys) -> Void) throws -> HostKeys {
        try recordWrites.withLock { _ in
            let (known, lock) = shared.withLock { ($0.keys, $0.lock) }
            guard let known else { throw EngineError.locked }
            var keys = known
            change(&keys)
            guard keys != known else { return keys }
            try KeyFile(keys, lock: lock).save(directory: directory)
            shared.withLock { [keys] in $0.keys = keys }
            return keys
        }
    }

    /// The first keys of a host in a cluster. Nothing locks them yet.
    func adopt(_ keys: HostKeys) throws {
        try recordWrites.withLock { _ in
            try KeyFile(keys, lock: KeyLock()).save(directory: directory)
            shared.withLock { shared in
                shared.keys = keys
                shared.lock = KeyLock()
                shared.isLocked = false
            }
        }
    }

    /// The keys of this host's databases, of which the first is made where there is none: before anything is written
    /// under it, it is on the disk.
    func databaseKeys() throws -> DatabaseKeys {
        try changeKeys { if $0.databaseKeys.isEmpty { $0.databaseKeys.add() } }.databaseKeys
    }

    /// A worker has no data keys and no databases, and nothing locks what it has.
    func forgetManagersKeys() throws {
        try recordWrites.withLock { _ in
            guard var keys = shared.withLock(\.keys) else { return }
            keys.dataKeys = DataKeys()
            keys.databaseKeys = DatabaseKeys()
            try KeyFile(keys, lock: KeyLock()).save(directory: directory)
            shared.withLock { [keys] shared in
                shared.keys = keys
                shared.lock = KeyLock()
            }
        }
    }

    /// Reads this host's keys; nil where they are locked and no key is given.
    func openKeys(of record: NodeRecord, with unlockKey: UnlockKey?) throws -> HostKeys? {
        guard let file = try KeyFile.load(directory: directory) else {
            throw EngineError(
                .internalError,
                "\(directory)/\(KeyFile.name) is missing: restore it, or remove \(directory) and join again")
        }
        if file.isLocked, unlockKey == nil {
            logger.warning("this manager is locked: it waits for \"docker swarm unlock\"")
            shared.withLock { shared in
                shared.record = record
                shared.isLocked = true
            }
            return nil
        }
        let (keys, lock) = try file.open(with: unlockKey)
        let owner = keys.identity.identity.nodeID
        guard owner == record.nodeID else {
            throw EngineError(
                .internalError,
                "\(directory)/\(KeyFile.name) belongs to node \(owner), not to \(record.nodeID): restore this node's")
        }
        shared.withLock { shared in
            shared.keys = keys
            shared.lock = lock
            shared.isLocked = false
        }
        return keys
    }

    // MARK: The lock

    /// Locks this host's keys as the newest state of `manager` wants it.
    func followLock(of cluster: ClusterObject, _ manager: Manager) async throws {
        let text = try await text(.unlockKey, of: cluster)
        let wanted = text.isEmpty ? nil : try UnlockKey(parsing: text)
        try recordWrites.withLock { _ in
            let (known, lockBefore, current) = shared.withLock { ($0.keys, $0.lock, $0.manager) }
            // A host that has left, and has other keys by now, is nothing to this cluster.
            guard var keys = known, current === manager else { return }
            var lock = lockBefore
            if lock.follow(wanted, version: cluster.version.index) {
                // Who could read the keys of before shall not read what is written from the next start on.
                if wanted != nil {
                    keys.databaseKeys = manager.databaseKeys
                    keys.databaseKeys.add()
                }
                try KeyFile(keys, lock: lock).save(directory: directory)
                logger.info(
                    "this host's keys were written under another lock", metadata: ["locked": "\(wanted != nil)"])
            }
            shared.withLock { [keys, lock] in ($0.keys, $0.lock) = (keys, lock) }
        }
    }

    /// Forgets the older keys of this host's databases as soon as nothing is under them any more.
    func forgetOlderDatabaseKeys(_ manager: Manager) throws {
        let (keys, current) = shared.withLock { ($0.keys?.databaseKeys, $0.manager) }
        guard let keys, keys.hasOlder, current === manager, keys == manager.databaseKeys, manager.needsNewestKeyAlone
        else { return }
        try changeKeys { if $0.databaseKeys == keys { $0.databaseKeys.removeOlder() } }
        logger.info("the databases are under another key than before")
    }

    /// Gives a cluster the unlock key that its specification asks for, or takes it away.
    ///
    /// - Parameter rotating: whether it gets another one in any case.
    func relock(_ cluster: inout ClusterObject, rotating: Bool) async throws(EngineError) {
        guard cluster.locksManagers else {
            cluster.unlockKey = nil
            return
        }
        guard rotating || cluster.unlockKey == nil else { return }
        cluster.unlockKey = try await dataKeys(with: cluster.sealingKey).sealed(
            Array(UnlockKey().text.utf8), for: ClusterObject.place(cluster.id, .unlockKey), under: cluster.sealingKey)
    }

    /// The key that unlocks managers, for whoever may see it; empty where nothing locks them.
    public func unlockKey() async throws(EngineError) -> String {
        guard let cluster = try await state().cluster else { throw .noLeader }
        return try await text(.unlockKey, of: cluster)
    }

    /// Unlocks this manager, which then takes up its work (Docker: `swarm unlock`).
    ///
    /// - Throws: 400 for a text that is no key, 401 for another manager's, 409 where nothing is locked.
    public func unlock(with text: String) async throws(EngineError) {
        do {
            try await transitions.pass {
                let (record, isLocked) = self.shared.withLock { ($0.record, $0.isLocked) }
                guard let record, isLocked else {
                    _ = try self.manager()
                    throw EngineError(.conflict, "swarm is not locked")
                }
                let key = try UnlockKey(parsing: text)
                do { try await self.resume(record, unlockKey: key) } catch {
                    self.shared.withLock { shared in
                        shared.keys = nil
                        shared.lock = KeyLock()
                        shared.isLocked = true
                    }
                    throw error
                }
                self.logger.info("this manager was unlocked")
            }
        } catch {
            throw EngineError(any: error)
        }
    }
}
