import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import Logging
import NetworkModel
import RaftNode
import SessionModel
import Values

extension ControlPlane {
    var directory: String { configuration.directory }
    static let rootsFile = "ca.pem"

    // MARK: Beginning

    /// Makes this host the manager of a log of one that nobody else may join yet.
    func begin() async throws {
        var generator = SystemRandomNumberGenerator()
        let now = Clock.now()
        let clusterID = Identifiers.swarm(using: &generator)
        let nodeID = Identifiers.swarm(using: &generator)
        let authority = try CertificateAuthority.create(clusterID: clusterID, at: now)
        let identity = try authority.makeIdentity(for: nodeID, role: .manager, at: now)
        try await clean()
        try Files.makeDirectories(directory, mode: 0o700)
        var made = DataKeys()
        made.add(using: &generator)
        let keys = made
        try adopt(HostKeys(identity: identity, dataKeys: keys))
        try Files.writeDurably("\(directory)/\(Self.rootsFile)", Array(authority.certificatePEM.utf8))
        func sealed(_ text: String, _ field: ClusterObject.SealedField) throws -> SealedValue {
            try keys.seal(Array(text.utf8), for: ClusterObject.place(clusterID, field))
        }
        func token() -> String { JoinToken(digest: authority.digest, using: &generator).text }
        let member = RaftMember(id: RaftMember.newID(using: &generator), nodeID: nodeID, address: "")
        let record = NodeRecord(
            nodeID: nodeID, clusterID: clusterID, history: clusterID, isManager: true, raftMember: member.id,
            isOpen: false, address: "",
            port: configuration.port, managers: [])
        let manager = try makeManager()
        do { try await manager.raft.bootstrap(member) } catch {
            // Whoever tries again opens files of the same names.
            await manager.stop()
            throw error
        }
        var cluster = ClusterObject(
            id: clusterID, createdAt: now, spec: SwarmSpecification.standard, rootCertificate: authority.certificatePEM,
            rootKey: try sealed(authority.keyPEM, .rootKey), workerToken: try sealed(token(), .workerToken),
            managerToken: try sealed(token(), .managerToken), addressPools: [OverlayDefaults.pool.base],
            subnetSize: OverlayDefaults.pool.prefixLength, dataPathPort: OverlayDefaults.port,
            gatewayPool: OverlayDefaults.gatewayPool)
        cluster.sealingKey = keys.ids.last
        var node = NodeObject(
            id: nodeID, createdAt: now, spec: NodeSpec(role: .manager), description: configuration.description,
            status: NodeStatus(state: .ready, addr: ""), clusterAddress: "")
        node.raftMember = member.id
        // A new cluster has all that its first manager knows.
        let version = configuration.supportedVersions.highest
        let raising: [Mutation] = version > .first ? [.raiseVersion(to: version)] : []
        do {
            try await manager.proposeHere(
                raising + [.putCluster(cluster, expected: 0), .putNode(node, expected: 0)],
                by: .node(id: nodeID, client: nil))
            // The record comes last: without it the next start begins anew.
            setCredentials(ClusterCredentials(identity: identity, roots: authority.roots))
            try adopt(record)
        } catch {
            await manager.stop()
            throw error
        }
        takeUp(manager)
    }

    func makeManager() throws -> Manager {
        try Manager(
            directory: directory, keys: databaseKeys(), versions: configuration.versions,
            entriesPerSnapshot: configuration.entriesPerSnapshot, connector: connector, logger: logger)
    }

    /// Lets a manager work, and follows what its state says of this host's keys.
    func takeUp(_ manager: Manager) {
        shared.withLock { $0.manager = manager }
        manager.sessions.onOpening { [weak self] in self?.takeSessionHome() }
        manager.start { [weak self, weak manager] in
            guard let self, let manager else { return }
            await self.keepKeys(manager)
        }
    }

    /// Takes up what `node.json` says. Where the host's keys are locked it waits for `unlock`.
    ///
    /// - Parameter unlockKey: what unlocks them, where it is known.
    func resume(_ record: NodeRecord, unlockKey: UnlockKey? = nil) async throws {
        guard let identity = try openKeys(of: record, with: unlockKey)?.identity else { return }
        let roots = try TrustRoots(pem: Files.text("\(directory)/\(Self.rootsFile)"))
        setCredentials(ClusterCredentials(identity: identity, roots: roots))
        shared.withLock { $0.record = record }
        let record = record.isManager ? try await finishRenewal(of: record) : record
        if record.isManager {
            let manager = try makeManager()
            takeUp(manager)
            becomeManagerSoon()
        }
        if record.isWitness == true {
            let witness = try Witness(directory: directory, keys: databaseKeys(), connector: connector, logger: logger)
            shared.withLock { $0.witness = witness }
            becomeWitnessSoon()
        }
        if record.isOpen { listen(record) }
    }

    func remember(_ change: (inout NodeRecord) -> Void) throws {
        try recordWrites.withLock { _ in
            guard var record = shared.withLock(\.record) else { return }
            let before = record
            change(&record)
            guard record != before else { return }
            try record.save(directory: directory)
            shared.withLock { [record] in $0.record = record }
        }
    }

    /// Takes another record, durably; a change of the one before that is under way ends first.
    func adopt(_ record: NodeRecord) throws {
        try recordWrites.withLock { _ in
            try record.save(directory: directory)
            shared.withLock { $0.record = record }
        }
    }

    /// Removes what the host knew of a cluster.
    func clean() async throws {
        // Without the record the rest counts for nothing.
        try Files.removeTree("\(directory)/\(NodeRecord.fileName)")
        try Files.removeTree(directory)
    }

    func stopParts() async {
        let (manager, witness, server, session) = shared.withLock { shared in
            defer {
                shared.manager = nil
                shared.witness = nil
                shared.server = nil
                shared.session = nil
                shared.record = nil
                shared.peers = []
                shared.knownAddress = nil
                shared.assigned = nil
                shared.keys = nil
                shared.lock = KeyLock()
                shared.isLocked = false
            }
            return (shared.manager, shared.witness, shared.server, shared.session)
        }
        session?.cancel()
        server?.cancel()
        await server?.value
        await manager?.stop()
        await witness?.stop()
    }

    /// Answers peers from now on; throws where the port cannot be had.
    func listenForSure(_ record: NodeRecord) async throws {
        let server = listen(record)
        do { _ = try await server.boundPort } catch {
            await stopListening()
            throw EngineError(.unavailable, "port \(record.port) cannot be listened on: \(error)")
        }
    }

    /// Returns when the port is free.
    func stopListening() async {
        let server = shared.withLock { shared in
            defer { shared.server = nil }
            return shared.server
        }
        server?.cancel()
        await server?.value
    }

    @discardableResult
    func listen(_ record: NodeRecord) -> ClusterServer {
        let address: IPAddress = record.address.contains(":") ? IPAddress("::")! : .v4Unspecified
        let server = ClusterServer(
            address: address, port: Int(record.port), credentials: provider, handlers: PeerHandlers(control: self),
            logger: logger)
        let logger = logger
        let task = Task {
            do {
                try await server.run()
            } catch {
                logger.critical("the cluster's port cannot be listened on", metadata: ["reason": "\(error)"])
            }
        }
        shared.withLock { $0.server = task }
        return server
    }
}
