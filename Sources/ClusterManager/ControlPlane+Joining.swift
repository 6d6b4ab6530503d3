import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import NetworkModel
import RaftNode
import SessionModel
import Values

extension ControlPlane {
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
        if request.forceNewCluster, shared.withLock({ $0.record?.isOpen }) == true {
            return try await renewAlone(advertiseAddr: request.advertiseAddr, listenAddr: request.listenAddr)
        }
        guard let record = shared.withLock(\.record), let manager = shared.withLock(\.manager), !record.isOpen else {
            throw EngineError.alreadyInSwarm
        }
        try Self.refuse((!request.dataPathAddr.isEmpty, "--data-path-addr"))
        let availability = try Self.availability(request.availability)
        let (address, port) = try HostAddresses.advertised(
            request.advertiseAddr, listen: request.listenAddr, defaultPort: configuration.port)
        guard var cluster = manager.store.state.cluster, var node = manager.store.state.nodes[record.nodeID] else {
            throw EngineError.noLeader
        }
        let now = Clock.now()
        cluster.isOpen = true
        if let spec = request.spec, !spec.isNull {
            cluster.spec = try SwarmSpecification.merged(spec, over: cluster.spec)
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
        try await relock(&cluster, rotating: false)
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
        opened.managers = [PeerAddress(nodeID: opened.nodeID, address: opened.clusterAddress, isManager: true)]
        do {
            try await manager.proposeHere(mutations, by: author, note: "swarm init")
            if let member = manager.raft.status.member {
                try await manager.raft.addLearner(
                    RaftMember(id: member.id, nodeID: member.nodeID, address: opened.clusterAddress))
            }
            try adopt(opened)
        } catch {
            await stopListening()
            throw error
        }
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
            let (response, roots, port): (EnrolResponse, TrustRoots, UInt16)
            do {
                let address: String
                (address, port) = try HostAddresses.advertised(
                    request.advertiseAddr, listen: request.listenAddr, defaultPort: configuration.port,
                    towards: remote.host)
                try ListeningPort.requireFree(port, isV6: address.contains(":"))
                let enrolment = EnrolRequest(
                    token: request.joinToken, request: key.requestPEM, description: configuration.description,
                    address: address, port: port,
                    availability: availability, supported: configuration.supportedVersions)
                let bytes: [UInt8]
                (bytes, roots) = try await ClusterConnector.enrol(
                    at: remote, expecting: token.digest, JSONCoding.encode(enrolment), timeout: .seconds(20))
                response = try JSONCoding.decode(EnrolResponse.self, from: bytes)
            } catch let refused as RPCFailure where refused.kind == .unauthorized && refused.source == .transport {
                // Docker's status for a manager that is not to be trusted.
                failure = EngineError(.internalError, refused.message)
                continue
            } catch {
                failure = error
                continue
            }
            // It has its place in the cluster: asking another manager would give it a second one.
            return try await settle(response, key: key, roots: roots, port: port)
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
        try adopt(HostKeys(identity: identity))
        try Files.writeDurably("\(directory)/\(Self.rootsFile)", Array(roots.pem.utf8))
        let record = NodeRecord(
            nodeID: response.nodeID, clusterID: response.clusterID, history: response.history,
            isManager: response.isManager, raftMember: 0, isOpen: true, address: response.address, port: port,
            managers: response.managers)
        setCredentials(ClusterCredentials(identity: identity, roots: roots))
        try adopt(record)
        try await listenForSure(record)
        guard response.isManager else { return }
        do { try await becomeManager() } catch {
            becomeManagerSoon()
            throw error
        }
    }

    /// Asks the managers of the record, not this host's own, which is not one of them yet; until the time is over or
    /// nobody wants the answer any more.
    func askManagers(
        _ method: String, _ payload: [UInt8], _ record: NodeRecord, until isAbandoned: () -> Bool = { false }
    ) async throws -> [UInt8] {
        let deadline = Clock.sinceBoot() + 4 * Manager.leaderPatienceNanoseconds
        var failure: any Error = EngineError.noLeader
        while Clock.sinceBoot() < deadline, !isAbandoned() {
            for manager in record.managers where manager.nodeID != record.nodeID {
                guard let address = ClusterAddress(parsing: manager.address) else { continue }
                do {
                    return try await connector.call(
                        method, payload, to: ClusterPeer(nodeID: manager.nodeID, address: address))
                } catch let error where error.source == .handler && error.kind == .conflict {
                    // The leader's last word.
                    throw error
                } catch {
                    failure = error
                }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw failure
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
        let isLocked = shared.withLock(\.isLocked)
        if isLocked, !force { throw EngineError.lockedLeave }
        if shared.withLock({ $0.witness != nil }), !force {
            throw EngineError(
                .unavailable,
                "You are attempting to leave the swarm on the node that is its witness, without which its managers may "
                    + "lose their quorum. Use `--force` to ignore this message.")
        }
        if let manager, !force {
            let voters = manager.raft.status.members.filter(\.isVoter)
            // Nothing depends on a spare.
            let count = voters.contains { $0.member.nodeID == record.nodeID } ? voters.count : .max
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
        } else if manager == nil, !isLocked {
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

    // MARK: What clients ask for

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
}
