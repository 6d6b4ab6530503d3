import ClusterBackup
import ClusterModel
import ClusterPKI
import ClusterStore
import DatabaseCipher
import EngineModel
import JSON
import LinuxSystem
import RaftNode
import SQLite
import SessionModel
import Values

/// How a restored or recovered host is to be reached.
public struct RestoreRequest: Hashable, Sendable {
    public var listenAddr = ""
    public var advertiseAddr = ""
    public var passphrase: [UInt8]?

    public init() {}
}

extension ControlPlane {
    /// Where a restored cluster is put together before it takes the place of what was there.
    private var stage: String { directory + ".restore" }

    /// Makes this host, which is in no cluster, the one manager of the cluster in a backup.
    ///
    /// The cluster keeps its identifier, CA, tokens and objects, and begins a new history. The host takes the place of
    /// the manager that wrote the backup; the other managers are none any more. Everything is checked and put together
    /// beside what is there; only then it takes its place, at once.
    ///
    /// - Parameter descriptor: where the backup is read from.
    public func restore(from descriptor: Int32, _ request: RestoreRequest) async throws(EngineError) -> BackupManifest {
        do {
            return try await transitions.pass { try await self.replace(from: descriptor, request) }
        } catch let error as BackupError {
            throw EngineError(error)
        } catch {
            throw EngineError(any: error)
        }
    }

    private func replace(from descriptor: Int32, _ request: RestoreRequest) async throws -> BackupManifest {
        guard let old = shared.withLock(\.record), let manager = shared.withLock(\.manager), !old.isOpen else {
            throw EngineError.alreadyInSwarm
        }
        let (address, port) = try HostAddresses.advertised(
            request.advertiseAddr, listen: request.listenAddr, defaultPort: configuration.port)
        let stage = stage
        try Files.removeTree(stage)
        try Files.makeDirectories(stage, mode: 0o700)
        do {
            let thread = StateReader(store: manager.store)
            let file = stage + "/received"
            var databaseKeys = DatabaseKeys()
            databaseKeys.add()
            let disks = try ManagerDisks(databaseKeys)
            let manifest = try await thread.read { _ in
                try BackupReader.read(from: descriptor, passphrase: request.passphrase, state: file, on: disks.state)
            }
            let record = try await assemble(
                manifest, file, databaseKeys, disks, address: address, port: port, on: thread)
            await stopParts()
            try await clean()
            try Files.rename(stage, to: directory)
            try await resume(record)
            try await waitUntilLeading()
            logger.info(
                "a backup was restored",
                metadata: ["cluster": "\(manifest.clusterID)", "revision": "\(manifest.revision)"])
            return manifest
        } catch {
            try? Files.removeTree(stage)
            // What was stopped goes on, or begins anew where it is gone.
            if shared.withLock(\.record) == nil { try await start(anew: ()) }
            throw error
        }
    }

    /// Ends a restore that an end of the daemon cut short: it is whole where the record is, which is written last.
    func finishRestore() throws {
        if !Files.exists(directory), try NodeRecord.load(directory: stage) != nil {
            try Files.rename(stage, to: directory)
        }
        try Files.removeTree(stage)
        removeBackupCopies()
    }

    /// Puts the cluster's directory together in the stage: the state, a log of one, the identity, the record.
    private func assemble(
        _ manifest: BackupManifest, _ file: String, _ databaseKeys: DatabaseKeys, _ disks: ManagerDisks,
        address: String, port: UInt16, on thread: StateReader
    ) async throws -> NodeRecord {
        let stage = stage
        let supported = configuration.supportedVersions
        let store = try await thread.read { [logger] _ in
            let mark = try ClusterStore.checkedMark(ofCopy: file, on: disks.state, supported: supported)
            guard mark.index == manifest.revision, mark.cluster?.id == manifest.clusterID else {
                throw BackupError.damaged("its state is not the one that its manifest names")
            }
            let store = try ClusterStore(directory: stage, on: disks.state, supported: supported, logger: logger)
            try store.install(snapshot: file, index: mark.index)
            try Files.removeTree(file)
            return store
        }
        guard let cluster = store.state.cluster else { throw BackupError.damaged("it holds no cluster") }
        let keys = try manifest.dataKeys.map { try JSONCoding.decode(DataKeys.self, from: JSONCoding.encode($0)) }
        let rootKey = try (keys ?? DataKeys()).open(cluster.rootKey, for: ClusterObject.place(cluster.id, .rootKey))
        let authority = try CertificateAuthority(
            keyPEM: String(decoding: rootKey, as: UTF8.self), certificatePEM: cluster.rootCertificate)
        let now = Clock.now()
        let identity = try authority.makeIdentity(for: manifest.nodeID, role: .manager, at: now)
        let hostKeys = HostKeys(identity: identity, dataKeys: keys ?? DataKeys(), databaseKeys: databaseKeys)
        try KeyFile(hostKeys, lock: KeyLock()).save(directory: stage)
        try Files.writeDurably("\(stage)/\(Self.rootsFile)", Array(authority.certificatePEM.utf8))
        var generator = SystemRandomNumberGenerator()
        var record = NodeRecord(
            nodeID: manifest.nodeID, clusterID: cluster.id, history: Identifiers.swarm(using: &generator),
            isManager: true, raftMember: RaftMember.newID(using: &generator), isOpen: true, address: address,
            port: port, managers: [])
        record.managers = [PeerAddress(nodeID: record.nodeID, address: record.clusterAddress, isManager: true)]
        try await refound(
            stage, record, store, on: disks.log, isFreshHost: true,
            note: "restored from the backup of revision \(manifest.revision)", after: manifest.term)
        try record.save(directory: stage)
        return record
    }

    /// Makes a directory that of a group of one, with one transaction that says what is other than before: among it
    /// the history, which is the record's.
    ///
    /// - Parameters:
    ///   - disk: of raft's log.
    ///   - isFreshHost: nothing of what the state says runs on this host.
    func refound(
        _ directory: String, _ record: NodeRecord, _ store: ClusterStore, on disk: SealedDisk, isFreshHost: Bool,
        note: String, after term: UInt64 = 0
    ) async throws {
        _ = try RaftNode.refound(
            directory: directory, as: record.ownMember, stateMachine: store, on: disk, after: term)
        try await renew(directory, record, store, on: disk, isFreshHost: isFreshHost, note: note)
    }

    /// Has a group of one that begins, in its first transaction, a history of its own; nothing to do where it has begun
    /// it already. The store is closed afterwards.
    func renew(
        _ directory: String, _ record: NodeRecord, _ store: ClusterStore, on disk: SealedDisk, isFreshHost: Bool,
        note: String
    ) async throws {
        guard let history = record.history else { preconditionFailure("a renewed cluster begins a history") }
        let raft = try RaftNode(
            directory: directory, transport: NoTransport(), stateMachine: store, on: disk, logger: logger)
        do {
            for await status in raft.statusChanges() where status.isLeading || status.impediment != nil { break }
            if let impediment = raft.status.impediment { throw EngineError(.unavailable, impediment) }
            if store.state.cluster?.historyID != history {
                let renewal = renewal(of: store.state, record, isFreshHost: isFreshHost)
                try await Proposer(store: store, raft: raft).propose(
                    renewal.mutations(history: history), by: .node(record.nodeID, through: RequestOrigin.client),
                    note: note
                ).applied()
            }
        } catch {
            await raft.stop()
            throw error
        }
        await raft.stop()
        store.close()
    }

    private func renewal(of state: ClusterState, _ record: NodeRecord, isFreshHost: Bool) -> ClusterRenewal {
        ClusterRenewal(
            state: state, nodeID: record.nodeID, member: record.raftMember, address: record.address,
            clusterAddress: record.clusterAddress, description: configuration.description, isFreshHost: isFreshHost,
            now: Clock.now())
    }

    /// Waits until this manager, the only one, answers.
    func waitUntilLeading() async throws {
        let deadline = Clock.sinceBoot() + 2 * Manager.leaderPatienceNanoseconds
        while shared.withLock(\.manager)?.isLeading != true {
            guard Clock.sinceBoot() < deadline else { throw EngineError.noLeader }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Takes up what the directory says, or makes this host a manager of a log of one.
    private func start(anew: Void) async throws {
        if let record = try NodeRecord.load(directory: directory) {
            try await resume(record)
        } else {
            try await begin()
        }
    }
}

extension EngineError {
    init(_ error: BackupError) {
        switch error {
        case .passphraseNeeded, .passphraseWrong: self.init(.unauthorized, error.description)
        case .storage: self.init(.internalError, error.description)
        case .foreign, .unknownVersion, .truncated, .damaged, .notEncrypted:
            self.init(.invalidParameter, error.description)
        }
    }
}

/// Sends nothing: a group of one has nobody to talk to.
private struct NoTransport: RaftTransport {
    func send(_ messages: [RaftMessage], to member: RaftMember) {}
}
