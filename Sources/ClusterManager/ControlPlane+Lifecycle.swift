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
    private var directory: String { configuration.directory }
    private static let rootsFile = "ca.pem"

    /// Docker's defaults (Engine API: SwarmSpec).
    private static let defaultSpec: JSONValue = [
        "Name": "default", "Labels": [:], "Orchestration": ["TaskHistoryRetentionLimit": 5],
        "Raft": [
            "SnapshotInterval": 10000, "KeepOldSnapshots": 0, "LogEntriesForSlowFollowers": 500, "ElectionTick": 10,
            "HeartbeatTick": 1,
        ],
        "Dispatcher": ["HeartbeatPeriod": 5_000_000_000],
        "CAConfig": ["NodeCertExpiry": 7_776_000_000_000_000], "TaskDefaults": [:],
        "EncryptionConfig": ["AutoLockManagers": false],
    ]

    /// What a client leaves at its zero value is a default (Docker's clients send every member).
    private static func filled(_ wanted: JSONValue, beneath defaults: JSONValue) -> JSONValue {
        guard let members = wanted.object else {
            switch wanted {
            case .null, .integer(0), .string(""): return defaults
            default: return wanted
            }
        }
        var result = defaults
        for (key, value) in members { result[key] = filled(value, beneath: defaults[key] ?? .null) }
        return result
    }

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
        try identity.save(directory: directory)
        try Files.writeDurably("\(directory)/\(Self.rootsFile)", Array(authority.certificatePEM.utf8))
        let member = RaftMember(id: RaftMember.newID(using: &generator), nodeID: nodeID, address: "")
        let record = NodeRecord(
            nodeID: nodeID, clusterID: clusterID, isManager: true, raftMember: member.id, isOpen: false, address: "",
            port: configuration.port, managers: [])
        let manager = try Manager(directory: directory, nodeID: nodeID, connector: connector, logger: logger)
        try await manager.raft.bootstrap(member)
        let cluster = ClusterObject(
            id: clusterID, createdAt: now, spec: Self.defaultSpec, rootCertificate: authority.certificatePEM,
            rootKey: authority.keyPEM, workerToken: JoinToken(digest: authority.digest, using: &generator).text,
            managerToken: JoinToken(digest: authority.digest, using: &generator).text,
            addressPools: [OverlayDefaults.pool.base], subnetSize: OverlayDefaults.pool.prefixLength,
            dataPathPort: OverlayDefaults.port, gatewayPool: OverlayDefaults.gatewayPool)
        var node = NodeObject(
            id: nodeID, createdAt: now, spec: NodeSpec(role: .manager), description: configuration.description,
            status: NodeStatus(state: .ready, addr: ""), clusterAddress: "")
        node.raftMember = member.id
        _ = try await manager.proposeHere(
            [.putCluster(cluster, expected: 0), .putNode(node, expected: 0)], author: nodeID)
        // The record comes last: without it the next start begins anew.
        setCredentials(ClusterCredentials(identity: identity, roots: authority.roots))
        try adopt(record)
        shared.withLock { $0.manager = manager }
        manager.start()
    }

    /// Takes up what `node.json` says.
    func resume(_ record: NodeRecord) async throws {
        guard let identity = try NodeIdentity.load(directory: directory) else {
            throw EngineError(
                .internalError,
                "\(directory)/\(NodeIdentity.fileName) is missing: restore it, or remove "
                    + "\(directory) and join again")
        }
        let roots = try TrustRoots(pem: Files.text("\(directory)/\(Self.rootsFile)"))
        setCredentials(ClusterCredentials(identity: identity, roots: roots))
        shared.withLock { $0.record = record }
        if record.isManager {
            let manager = try Manager(
                directory: directory, nodeID: record.nodeID, connector: connector, logger: logger)
            shared.withLock { $0.manager = manager }
            manager.start()
            if manager.raft.status.role == .idle { becomeManagerSoon() }
        }
        if record.isOpen { listen(record) }
    }

    private func remember(_ change: (inout NodeRecord) -> Void) throws {
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
    private func adopt(_ record: NodeRecord) throws {
        try recordWrites.withLock { _ in
            try record.save(directory: directory)
            shared.withLock { $0.record = record }
        }
    }

    /// Removes what the host knew of a cluster.
    private func clean() async throws {
        // Without the record the rest counts for nothing.
        try Files.removeTree("\(directory)/\(NodeRecord.fileName)")
        try Files.removeTree(directory)
    }

    private func stopParts() async {
        let (manager, server) = shared.withLock { shared in
            defer {
                shared.manager = nil
                shared.server = nil
                shared.record = nil
            }
            return (shared.manager, shared.server)
        }
        server?.cancel()
        await server?.value
        await manager?.stop()
    }

    /// Answers peers from now on; throws where the port cannot be had.
    private func listenForSure(_ record: NodeRecord) async throws {
        let server = listen(record)
        do { _ = try await server.boundPort } catch {
            shared.withLock { shared in
                shared.server?.cancel()
                shared.server = nil
            }
            throw EngineError(.unavailable, "port \(record.port) cannot be listened on: \(error)")
        }
    }

    @discardableResult
    private func listen(_ record: NodeRecord) -> ClusterServer {
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

    /// What is asked for and missing is refused, never ignored.
    private static func refuse(_ wishes: (isAsked: Bool, name: String)...) throws(EngineError) {
        for wish in wishes where wish.isAsked {
            throw EngineError(.notImplemented, "\(wish.name) is not supported by this version")
        }
    }

    private static func availability(_ text: String) throws(EngineError) -> NodeSpec.Availability {
        if text.isEmpty { return .active }
        guard let availability = NodeSpec.Availability(rawValue: text) else {
            throw EngineError(.invalidParameter, "invalid availability \(text): use active, pause or drain")
        }
        return availability
    }

    // MARK: swarm init

    /// Opens this host's cluster of one to others; returns the node's identifier.
    public func initialise(_ request: SwarmInitRequest) async throws(EngineError) -> String {
        do {
            return try await transitions.pass { try await self.open(request) }
        } catch {
            throw EngineError(any: error)
        }
    }

    private func open(_ request: SwarmInitRequest) async throws -> String {
        guard let record = shared.withLock(\.record), let manager = shared.withLock(\.manager), !record.isOpen else {
            throw EngineError.alreadyInSwarm
        }
        try Self.refuse(
            (request.forceNewCluster, "--force-new-cluster"),
            (request.spec?["EncryptionConfig"]?["AutoLockManagers"]?.bool == true, "autolock"),
            (!request.dataPathAddr.isEmpty, "--data-path-addr"))
        let availability = try Self.availability(request.availability)
        let (address, port) = try HostAddresses.advertised(
            request.advertiseAddr, listen: request.listenAddr, defaultPort: configuration.port)
        guard var cluster = manager.store.state.cluster, var node = manager.store.state.nodes[record.nodeID] else {
            throw EngineError.noLeader
        }
        let now = Clock.now()
        cluster.isOpen = true
        if let spec = request.spec?.object {
            cluster.spec = Self.filled(.object(spec), beneath: cluster.spec)
        }
        if let pools = request.defaultAddrPool, !pools.isEmpty {
            cluster.addressPools = try pools.map { text in
                guard let pool = CIDR(text), pool.address.isV4 else {
                    throw EngineError(
                        .invalidParameter, "invalid default address pool \(text): use a subnet such as 10.0.0.0/8")
                }
                return pool.network
            }
        }
        if request.subnetSize != 0 {
            guard (8...29).contains(request.subnetSize),
                cluster.addressPools.allSatisfy({ $0.prefixLength <= request.subnetSize })
            else {
                throw EngineError(.invalidParameter, "invalid subnet size \(request.subnetSize): use 8 to 29")
            }
            cluster.subnetSize = request.subnetSize
        }
        if request.dataPathPort != 0, request.dataPathPort != OverlayDefaults.port {
            throw EngineError(
                .invalidParameter,
                "data path port \(request.dataPathPort) is not supported: use \(OverlayDefaults.port)")
        }
        var opened = record
        opened.isOpen = true
        opened.address = address
        opened.port = port
        node.status = NodeStatus(state: .ready, addr: address)
        node.clusterAddress = opened.clusterAddress
        node.spec.availability = availability
        node.description = configuration.description
        try await listenForSure(opened)
        var generator = SystemRandomNumberGenerator()
        var mutations: [Mutation] = [
            .putCluster(cluster, expected: cluster.version.index), .putNode(node, expected: node.version.index),
        ]
        if manager.store.state.ingressNetwork == nil {
            let spec = NetworkObject.Spec(name: "ingress", isIngress: true)
            let gateways = cluster.gatewayPool
            mutations.append(
                .putNetwork(
                    NetworkObject(
                        id: Identifiers.swarm(using: &generator), createdAt: now, spec: spec, subnet: gateways,
                        gateway: gateways.host(1), vni: OverlayDefaults.ingressVNI), expected: 0))
        }
        _ = try await manager.proposeHere(mutations, author: record.nodeID)
        if let member = manager.raft.status.member {
            try await manager.raft.addLearner(
                RaftMember(id: member.id, nodeID: member.nodeID, address: opened.clusterAddress))
        }
        opened.managers = [PeerAddress(nodeID: opened.nodeID, address: opened.clusterAddress, isManager: true)]
        try adopt(opened)
        return record.nodeID
    }

    // MARK: swarm join

    public func join(_ request: SwarmJoinRequest) async throws(EngineError) {
        do {
            try await transitions.pass { try await self.enter(request) }
        } catch {
            throw EngineError(any: error)
        }
    }

    private func enter(_ request: SwarmJoinRequest) async throws {
        if shared.withLock({ $0.record?.isOpen }) == true { throw EngineError.alreadyInSwarm }
        try Self.refuse((!request.dataPathAddr.isEmpty, "--data-path-addr"))
        let availability = try Self.availability(request.availability)
        let token: JoinToken
        do { token = try JoinToken(parsing: request.joinToken) } catch {
            throw EngineError(.invalidParameter, "\(error)")
        }
        let remotes = try (request.remoteAddrs ?? []).map { text in
            guard let address = ClusterAddress(parsing: text, defaultPort: Int(configuration.port)) else {
                throw EngineError(.invalidParameter, "invalid address \"\(text)\" of a manager")
            }
            return address
        }
        guard !remotes.isEmpty else {
            throw EngineError(.invalidParameter, "at least one address of a manager is needed to join a swarm")
        }
        shared.withLock { $0.isPending = true }
        defer { shared.withLock { $0.isPending = false } }
        let key = try CertificateRequest()
        var failure: any Error = EngineError.noLeader
        for remote in remotes {
            do {
                let (address, port) = try HostAddresses.advertised(
                    request.advertiseAddr, listen: request.listenAddr, defaultPort: configuration.port,
                    towards: remote.host)
                let enrolment = EnrolRequest(
                    token: request.joinToken, request: key.requestPEM, description: configuration.description,
                    address: address, port: port,
                    availability: availability)
                let (bytes, roots) = try await ClusterConnector.enrol(
                    at: remote, expecting: token.digest, JSONCoding.encode(enrolment), timeout: .seconds(20))
                let response = try JSONCoding.decode(EnrolResponse.self, from: bytes)
                return try await settle(response, key: key, roots: roots, port: port)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private func settle(_ response: EnrolResponse, key: CertificateRequest, roots: TrustRoots, port: UInt16)
        async throws
    {
        let identity = try NodeIdentity(keyPEM: key.keyPEM, certificatePEM: response.certificate)
        await stopParts()
        try await clean()
        try Files.makeDirectories(directory, mode: 0o700)
        try identity.save(directory: directory)
        try Files.writeDurably("\(directory)/\(Self.rootsFile)", Array(roots.pem.utf8))
        let record = NodeRecord(
            nodeID: response.nodeID, clusterID: response.clusterID, isManager: response.isManager, raftMember: 0,
            isOpen: true, address: response.address, port: port, managers: response.managers)
        setCredentials(ClusterCredentials(identity: identity, roots: roots))
        try adopt(record)
        try await listenForSure(record)
        if response.isManager { try await becomeManager() }
    }

    /// Gets this host its place in raft; it holds a manager's certificate.
    private func becomeManager() async throws {
        guard let record = shared.withLock(\.record) else { return }
        var generator = SystemRandomNumberGenerator()
        let member = RaftMember(
            id: RaftMember.newID(using: &generator), nodeID: record.nodeID, address: record.clusterAddress)
        let manager: Manager
        if let present = shared.withLock(\.manager) {
            manager = present
        } else {
            // What a demotion that was cut short left behind.
            if record.raftMember == 0 { try removeState() }
            manager = try Manager(
                directory: directory, nodeID: record.nodeID, connector: connector, logger: logger)
        }
        let question = JoinRaftRequest(member: member.id, address: member.address)
        let known = try await askManagers(ClusterMethodNames.joinRaft, JSONCoding.encode(question), record)
        let members = try JSONCoding.decode(JoinRaftResponse.self, from: known).members
        let peers = members.filter { $0.id != member.id }.map {
            RaftMember(id: $0.id, nodeID: $0.nodeID, address: $0.address)
        }
        try await manager.raft.join(as: member, peers: peers)
        try remember {
            $0.isManager = true
            $0.raftMember = member.id
        }
        shared.withLock { $0.manager = manager }
        manager.start()
        // The leader promotes it as soon as it has caught up; then it is a manager like any other.
        let deadline = Clock.sinceBoot() + 60_000_000_000
        while manager.store.state.nodes[record.nodeID]?.raftMember != member.id {
            guard Clock.sinceBoot() < deadline else {
                throw EngineError(
                    .unavailable,
                    "Timeout was reached before node joined. The attempt to join the swarm will "
                        + "continue in the background. Use the \"docker info\" command to see the current swarm "
                        + "status of your node."
                )
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Asks the managers of the record, not this host's own, which is not one of them yet.
    private func askManagers(_ method: String, _ payload: [UInt8], _ record: NodeRecord) async throws -> [UInt8] {
        let deadline = Clock.sinceBoot() + 4 * Manager.leaderPatienceNanoseconds
        var failure: any Error = EngineError.noLeader
        while Clock.sinceBoot() < deadline {
            for manager in record.managers where manager.nodeID != record.nodeID {
                guard let address = ClusterAddress(parsing: manager.address) else { continue }
                do {
                    return try await connector.call(
                        method, payload, to: ClusterPeer(nodeID: manager.nodeID, address: address))
                } catch {
                    failure = error
                }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw failure
    }

    /// Tries until it is a manager, or no longer meant to be one.
    private func becomeManagerSoon() {
        Task {
            while self.shared.withLock({ $0.record.map { $0.isManager && $0.raftMember == 0 } }) == true {
                do {
                    try await self.transitions.pass { try await self.becomeManager() }
                } catch {
                    self.logger.error("this host could not become a manager yet", metadata: ["reason": "\(error)"])
                }
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    // MARK: Roles

    /// What the session's picture says of this host: its role, and where the managers are.
    func follow(_ picture: HostPicture) {
        let managers = picture.peers.filter(\.isManager)
        do { try remember { $0.managers = managers.isEmpty ? $0.managers : managers } } catch {
            logger.warning("the managers' addresses could not be noted", metadata: ["reason": "\(error)"])
        }
        guard let record = shared.withLock(\.record), record.isOpen else { return }
        let isMember = managers.contains { $0.nodeID == record.nodeID }
        let changesRole = picture.role == .manager ? !record.isManager : record.isManager && !isMember
        guard changesRole else { return }
        Task {
            do { try await self.transitions.pass { try await self.changeRole(picture.role) } } catch {
                self.logger.error("this host could not change its role", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Asks for a new certificate when half of the present one's life is over; looked at as long as the daemon runs.
    func keepCertificate() async {
        while (try? await Task.sleep(for: Self.renewalPause)) != nil {
            guard shared.withLock({ $0.record?.isOpen }) == true else { continue }
            do {
                try await transitions.pass {
                    let identity = self.shared.withLock(\.credentials)?.identity
                    if identity?.isRenewalDue(at: Clock.now()) == true { try await self.renew() }
                }
            } catch {
                logger.error("this host could not renew its certificate", metadata: ["reason": "\(error)"])
            }
        }
    }

    private static let renewalPause: Duration = .seconds(60)

    /// A manager that becomes a worker was taken out of raft by the leader before.
    /// Removes raft's log and the state that was applied from it.
    private func removeState() throws {
        for name in try Files.list(directory)
        where name.hasPrefix("raft.sqlite") || name.hasPrefix("state-") || name.hasPrefix("snapshot") {
            try Files.removeTree("\(directory)/\(name)")
        }
    }

    private func changeRole(_ role: NodeSpec.Role) async throws {
        guard let record = shared.withLock(\.record), (role == .manager) != record.isManager else { return }
        let manager = shared.withLock(\.manager)
        if role == .worker, let manager {
            shared.withLock { $0.manager = nil }
            await manager.stop()
            try remember {
                $0.isManager = false
                $0.raftMember = 0
            }
            try removeState()
        }
        try await renew()
        if role == .manager {
            try remember {
                $0.isManager = true
                $0.raftMember = 0
            }
            becomeManagerSoon()
        }
    }

    /// Gets a certificate for a new key, with the role that the node has now.
    private func renew() async throws {
        guard let record = shared.withLock(\.record), let roots = shared.withLock({ $0.credentials?.roots }) else {
            return
        }
        let key = try CertificateRequest(nodeID: record.nodeID)
        let answer = try await callLeader(
            ClusterMethodNames.renew, JSONCoding.encode(RenewRequest(request: key.requestPEM)))
        let response = try JSONCoding.decode(EnrolResponse.self, from: answer)
        let identity = try NodeIdentity(keyPEM: key.keyPEM, certificatePEM: response.certificate)
        try identity.save(directory: directory)
        setCredentials(ClusterCredentials(identity: identity, roots: roots))
    }

    // MARK: swarm leave

    public func leave(force: Bool) async throws(EngineError) {
        do {
            try await transitions.pass { try await self.exit(force: force) }
        } catch {
            throw EngineError(any: error)
        }
    }

    private func exit(force: Bool) async throws {
        let (record, manager) = shared.withLock { ($0.record, $0.manager) }
        guard let record, record.isOpen else {
            throw EngineError(.unavailable, "This node is not part of a swarm")
        }
        if let manager, !force {
            let count = manager.raft.status.members.count { $0.isVoter }
            var text = "You are attempting to leave the swarm on a node that is participating as a manager. "
            if count == 1 {
                text += "Removing the last manager erases all current state of the swarm. "
            } else if count <= 2 {
                text +=
                    "Removing this node leaves \(count - 1) managers out of \(count). Without a Raft quorum your swarm "
                    + "will be inaccessible. "
            }
            throw EngineError(.unavailable, text + "Use `--force` to ignore this message.")
        }
        if let manager, manager.raft.status.members.count(where: \.isVoter) > 1 {
            if manager.isLeading { try? await manager.raft.transferLeadership() }
            let others = record.managers.filter { $0.nodeID != record.nodeID }
            let question = record.with(managers: others)
            _ = try? await withDeadline(.seconds(5)) {
                try await self.askManagers(ClusterMethodNames.leave, [], question)
            }
        } else if manager == nil {
            _ = try? await withDeadline(.seconds(5)) { try await self.callLeader(ClusterMethodNames.leave, []) }
        }
        await stopParts()
        try await begin()
    }

    /// Gives up on `body` after a while.
    private func withDeadline<Value: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw EngineError.noLeader
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }
}
