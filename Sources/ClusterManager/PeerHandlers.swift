import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import RaftNode
import SessionModel
import Values

/// What this host answers its peers.
struct PeerHandlers: ClusterHandlers {
    let control: ControlPlane

    func enrol(_ request: [UInt8], remote: String) async throws -> [UInt8] {
        var enrolment = try ControlPlane.parse(EnrolRequest.self, request)
        if enrolment.address.isEmpty { enrolment.address = remote }
        let payload = try JSONCoding.encode(enrolment)
        return try await translated { try await control.callLeader(ClusterMethodNames.enrol, payload) }
    }

    func admit(_ peer: PeerIdentity, history: String?) throws {
        guard let record = control.shared.withLock(\.record), !record.admits(peer.role, of: history) else { return }
        // Whoever asks goes on to the next manager that it knows.
        throw RPCFailure(.unavailable, "node \(peer.nodeID) belongs to another history of the cluster")
    }

    func call(_ method: String, _ payload: [UInt8], from peer: PeerIdentity) async throws -> [UInt8] {
        try requireMember(peer)
        return try await translated { try await control.answer(method, payload, from: peer) }
    }

    func raft(_ messages: MessageStream, from peer: PeerIdentity) async throws {
        for try await message in messages {
            guard let raft = control.raft else { continue }
            // The group's word counts, not the certificate's: a manager that was taken out speaks to nobody.
            let peers = raft.status.peers
            let own = peers.filter { $0.nodeID == peer.nodeID }
            guard peers.isEmpty || !own.isEmpty else {
                throw RPCFailure(.forbidden, "node \(peer.nodeID) is no member of raft")
            }
            guard peer.role == .manager || own.contains(where: \.isWitness) else {
                throw RPCFailure(.forbidden, "a worker takes no part in raft")
            }
            raft.step(message, from: peer.nodeID)
            control.heard(manager: peer.nodeID)
        }
    }

    func session(_ inbound: MessageStream, _ outbound: MessageWriter, from peer: PeerIdentity) async throws {
        try requireMember(peer)
        guard let manager = control.shared.withLock(\.manager), manager.sessions.isOpen else {
            throw RPCFailure(.unavailable, "this manager serves no sessions now")
        }
        let (messages, continuation) = AsyncThrowingStream.makeStream(
            of: AgentMessage.self, bufferingPolicy: .bufferingOldest(SessionLimits.waitingMessages))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    for try await bytes in inbound {
                        manager.sessions.heard(peer.nodeID)
                        if case .dropped = continuation.yield(try AgentMessage(decoding: bytes)) {
                            throw RPCFailure(.tooLarge, "more messages than this manager takes in")
                        }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
                return false
            }
            group.addTask {
                try await manager.serve(nodeID: peer.nodeID, inbound: messages) { message in
                    try await outbound.write(manager.sessions.sections.bytes(of: message))
                }
                return true
            }
            defer { group.cancelAll() }
            // Whoever has said all may still be served; whoever is served no more would wait for ever.
            while let isOver = try await group.next() { if isOver { break } }
        }
    }

    func blob(_ digest: Digest, offset: Int64, _ writer: MessageWriter, from peer: PeerIdentity) async throws {
        try requireMember(peer)
        guard let services = control.shared.withLock(\.services) else {
            throw RPCFailure(.unavailable, "this host serves no images yet")
        }
        try await services.blob(digest, offset: offset) { try await writer.write($0) }
    }

    /// A removed node's certificate is worth nothing, though it has not expired.
    private func requireMember(_ peer: PeerIdentity) throws {
        guard let state = control.localState else {
            let peers = control.shared.withLock(\.peers)
            guard peers.isEmpty || peers.contains(peer.nodeID) else {
                throw RPCFailure(.forbidden, "node \(peer.nodeID) is not part of this cluster")
            }
            return
        }
        guard state.index == 0 || state.nodes.isEmpty || state.nodes[peer.nodeID] != nil else {
            throw RPCFailure(.forbidden, "node \(peer.nodeID) is not part of this cluster")
        }
    }

    private func translated(_ body: () async throws -> [UInt8]) async throws -> [UInt8] {
        do {
            return try await body()
        } catch let failure as RPCFailure {
            throw failure
        } catch {
            throw EngineError(any: error).failure
        }
    }
}

extension ControlPlane {
    /// Answers a call; `peer` is nil where this host asks itself.
    func answer(_ method: String, _ payload: [UInt8], from peer: PeerIdentity?) async throws -> [UInt8] {
        if method.hasPrefix("host.") {
            // A worker's certificate is good for its own session and for images.
            if let peer, method != HostMethods.image, peer.role != .manager || isKnownWorker(peer.nodeID) {
                throw EngineError(.forbidden, "node \(peer.nodeID) is no manager")
            }
            guard let services = shared.withLock(\.services) else {
                throw EngineError(.unavailable, "this host is not ready yet")
            }
            return try await services.call(method, payload)
        }
        if method == ClusterMethodNames.version {
            // Before it has a place in raft, too.
            guard peer?.role != .worker else { throw EngineError(.forbidden, "a worker has nothing to ask a manager") }
            return try JSONCoding.encode(configuration.versions)
        }
        if method == ClusterMethodNames.holdsKey, let manager = shared.withLock(\.manager) {
            try requireManager(peer, manager)
            return try await JSONCoding.encode(holdsKey(Self.parse(String.self, payload)))
        }
        guard let record = shared.withLock(\.record) else { throw EngineError.noLeader }
        let asker = peer?.nodeID ?? record.nodeID
        switch method {
        case ClusterMethodNames.address:
            return try await noteAddress(Self.parse(AddressAnnouncement.self, payload), of: asker)
        case ClusterMethodNames.managers:
            guard let peer else { return [] }
            return try noteManagers(Self.parse(ManagerAddresses.self, payload), from: peer)
        default: break
        }
        guard let manager = shared.withLock(\.manager), manager.isLeading else { throw EngineError.noLeader }
        switch method {
        case ClusterMethodNames.propose:
            try requireManager(peer, manager)
            let request = try Self.parse(ProposalRequest.self, payload, ProposalRequest.coding)
            return try await propose(request, of: asker, manager)
        case ClusterMethodNames.proposeAgain:
            try requireManager(peer, manager)
            let repeated = try Self.parse(RepeatedRequest.self, payload, RepeatedRequest.coding)
            return try await propose(repeated.request, of: asker, manager, notAfter: repeated.lastIndex)
        case ClusterMethodNames.sessions:
            try requireManager(peer, manager)
            // One that was taken out of raft learns of nothing any more.
            guard manager.raft.status.members.contains(where: { $0.member.nodeID == asker }),
                let index = manager.sessions.take(
                    try Self.parse(SessionReport.self, payload), from: asker)
            else { throw EngineError.noLeader }
            return try JSONCoding.encode(index)
        case ClusterMethodNames.enrol:
            return try await enrol(Self.parse(EnrolRequest.self, payload), manager)
        case ClusterMethodNames.renew:
            return try await renew(Self.parse(RenewRequest.self, payload), node: asker, manager)
        case ClusterMethodNames.joinRaft:
            if !manager.store.state.isWitness(asker) { try requireManager(peer, manager) }
            return try await joinRaft(Self.parse(JoinRaftRequest.self, payload), node: asker, manager)
        case ClusterMethodNames.leave: return try await farewell(asker, manager)
        case ClusterMethodNames.reachability:
            try requireManager(peer, manager)
            return try JSONCoding.encode(
                manager.raft.status.members.filter { $0.isActive ?? true }.map(\.member.nodeID))
        case ClusterMethodNames.dataKeys:
            try requireManager(peer, manager)
            return try await JSONCoding.encode(dataKeys())
        case ClusterMethodNames.rotateKeys:
            try requireManager(peer, manager)
            return try await JSONCoding.encode(rotateDataKeys(manager, for: asker))
        case HostMethods.attach:
            return try await attach(Self.parse(AttachmentQuestion.self, payload), node: asker, manager)
        case HostMethods.detach:
            let id = try Self.parse(String.self, payload)
            guard manager.store.state.attachments[id]?.nodeID == asker else { return [] }
            try await manager.proposeHere([.removeAttachment(id)], by: .node(id: asker, client: nil))
            return []
        default: throw EngineError(.notImplemented, "this manager does not know \"\(method)\"")
        }
    }

    fileprivate static func parse<T: Decodable>(
        _ type: T.Type, _ payload: [UInt8], _ coding: JSONCoding = .verbatim
    ) throws(RPCFailure) -> T {
        do { return try coding.decode(type, from: payload) } catch {
            throw RPCFailure(.invalidParameter, "\(error)")
        }
    }

    /// Whether this host has been told that a node is no manager, whatever its certificate said once.
    private func isKnownWorker(_ nodeID: String) -> Bool {
        if let state = localState, state.index > 0 { return state.nodes[nodeID]?.spec.role == .worker }
        return shared.withLock { shared in
            shared.peers.contains(nodeID) && shared.record?.managers.contains { $0.nodeID == nodeID } == false
        }
    }

    private func propose(
        _ request: ProposalRequest, of asker: String, _ manager: Manager, notAfter lastIndex: UInt64? = nil
    ) async throws -> [UInt8] {
        try await JSONCoding.encode(
            manager.proposer.propose(
                request.mutations, by: .node(asker, through: request.client), note: request.note, id: request.id,
                notAfter: lastIndex))
    }

    /// The certificate's word and the node's row: a demoted manager's certificate is a worker's.
    private func requireManager(_ peer: PeerIdentity?, _ manager: Manager) throws {
        guard let peer else { return }
        guard peer.role == .manager, manager.store.state.nodes[peer.nodeID]?.spec.role == .manager else {
            throw EngineError(.forbidden, "node \(peer.nodeID) is no manager")
        }
    }

    private func enrol(_ request: EnrolRequest, _ manager: Manager) async throws -> [UInt8] {
        let state = manager.store.state
        guard let cluster = state.cluster, cluster.isOpen else { throw EngineError.notManager }
        let token: JoinToken
        do { token = try JoinToken(parsing: request.token) } catch {
            throw EngineError(.invalidParameter, "\(error)")
        }
        let tokens = try await joinTokens(of: cluster)
        let isManager = try JoinToken(parsing: tokens.manager).matches(token)
        guard try isManager || JoinToken(parsing: tokens.worker).matches(token) else {
            throw EngineError(
                .invalidParameter,
                "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster")
        }
        let supported = request.supported ?? .unstated
        if isManager, !supported.contains(state.version) {
            throw EngineError.unsupported(state.version, by: supported)
        }
        guard IPAddress(request.address) != nil, request.port > 0 else {
            throw EngineError(.invalidParameter, "the joining host has no valid address: \"\(request.address)\"")
        }
        var generator = SystemRandomNumberGenerator()
        let nodeID = Identifiers.swarm(using: &generator)
        let now = Clock.now()
        let authority = try await authority(of: cluster)
        let certificate = try authority.issue(
            request.request, for: nodeID, role: isManager ? .manager : .worker, at: now,
            lifetimeSeconds: cluster.certificateLifetimeSeconds)
        let address = ClusterAddress(host: request.address, port: Int(request.port)).description
        let node = NodeObject(
            id: nodeID, createdAt: now,
            spec: NodeSpec(role: isManager ? .manager : .worker, availability: request.availability),
            description: request.description, status: NodeStatus(state: .unknown, addr: request.address),
            clusterAddress: address)
        try await manager.proposeHere(
            [.putNode(node, expected: 0)], by: .node(id: nodeID, client: nil), note: "swarm join")
        return try JSONCoding.encode(
            response(state, nodeID: nodeID, isManager: isManager, certificate, address: request.address))
    }

    private func response(
        _ state: ClusterState, nodeID: String, isManager: Bool, _ certificate: String, address: String
    ) -> EnrolResponse {
        EnrolResponse(
            nodeID: nodeID, clusterID: state.cluster?.id ?? "", history: state.cluster?.historyID,
            isManager: isManager, certificate: certificate, roots: state.cluster?.rootCertificate ?? "",
            address: address, managers: state.managerAddresses.managers)
    }

    private func renew(_ request: RenewRequest, node id: String, _ manager: Manager) async throws -> [UInt8] {
        let state = manager.store.state
        guard let cluster = state.cluster, let node = state.nodes[id] else {
            throw EngineError(.forbidden, "node \(id) is not part of this cluster")
        }
        let isManager = node.spec.role == .manager
        let authority = try await authority(of: cluster)
        let certificate = try authority.issue(
            request.request, for: id, role: isManager ? .manager : .worker, at: Clock.now(),
            lifetimeSeconds: cluster.certificateLifetimeSeconds)
        return try JSONCoding.encode(
            response(state, nodeID: id, isManager: isManager, certificate, address: node.status.addr))
    }

    /// Adds a manager to raft: it receives the log first, and votes when it has it.
    private func joinRaft(_ request: JoinRaftRequest, node id: String, _ manager: Manager) async throws -> [UInt8] {
        let isWitness = manager.store.state.isWitness(id)
        guard isWitness || manager.store.state.nodes[id]?.spec.role == .manager else {
            throw EngineError(.forbidden, "node \(id) is no manager")
        }
        let member = RaftMember(id: request.member, nodeID: id, address: request.address, isWitness: isWitness)
        let members = manager.raft.status.members
        // Asked again for one that is there already. The leader gives it its vote when it has caught up, and notes it
        // in the node's row then (LeaderLoop.keepMembers).
        if !members.contains(where: { $0.member == member }) {
            let supported = request.supported ?? .unstated
            let needed = manager.gate.value.withLock {
                $0.admit(member.id, supported, to: manager.store.state.version, term: manager.raft.status.term)
            }
            if let needed { throw EngineError.unsupported(needed, by: supported) }
            addLearner(member, manager, beside: members)
        }
        // Where the keys are lost, the new manager is one all the same. A witness has nothing to open.
        let keys = isWitness ? nil : try? await dataKeys()
        return try JSONCoding.encode(
            JoinRaftResponse(
                members: members.map {
                    JoinRaftResponse.Member(id: $0.member.id, nodeID: $0.member.nodeID, address: $0.member.address)
                }, dataKeys: keys))
    }

    private func addLearner(_ member: RaftMember, _ manager: Manager, beside members: [RaftStatus.Member]) {
        let logger = logger
        Task {
            do {
                // An identity from an attempt that did not end well never comes back.
                for old in members where old.member.nodeID == member.nodeID && old.member.id != member.id {
                    do { try await manager.raft.removeMember(old.member.id) } catch RaftError.unknownMember {}
                }
                try await manager.raft.addLearner(member)
                manager.gate.value.withLock { $0.joined(member.id) }
            } catch {
                manager.gate.value.withLock { $0.failed(member.id) }
                logger.error(
                    "a manager could not be added to raft",
                    metadata: ["node": "\(member.nodeID)", "reason": "\(error)"])
            }
        }
    }

    /// A node leaves for good: out of raft, and down at once.
    private func farewell(_ id: String, _ manager: Manager) async throws -> [UInt8] {
        for member in manager.raft.status.members where member.member.nodeID == id {
            try await manager.raft.removeMember(member.member.id)
        }
        guard var node = manager.store.state.nodes[id] else { return [] }
        node.raftMember = nil
        node.spec.role = .worker
        node.status.state = .down
        node.status.message = "node left the swarm"
        try await manager.proposeHere(
            [.putNode(node, expected: nil)], by: .node(id: id, client: nil), note: "swarm leave")
        return []
    }
}
