import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import RaftNode
import SessionModel
import Values

extension ControlPlane {
    // MARK: Roles

    /// What the session's picture says of this host: its role, and where the managers are.
    func follow(_ picture: HostPicture) {
        let managers = picture.peers.filter(\.isManager)
        shared.withLock { $0.peers = Set(picture.peers.map(\.nodeID)) }
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

    /// Removes raft's log, the state that was applied from it, and the keys to what is sealed in it.
    func removeState() throws {
        for name in try Files.list(directory)
        where name.hasPrefix("raft.sqlite") || name.hasPrefix("state-") || name.hasPrefix("snapshot")
            || name == DataKeys.fileName
        {
            try Files.removeTree("\(directory)/\(name)")
        }
        shared.withLock { $0.dataKeys = DataKeys() }
    }

    /// A manager that becomes a worker was taken out of raft by the leader before.
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

    // MARK: Becoming a manager

    /// Gets this host its place in raft; it holds a manager's certificate.
    func becomeManager() async throws {
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
        let response = try JSONCoding.decode(JoinRaftResponse.self, from: known)
        if let keys = response.dataKeys { try take(keys) }
        let peers = response.members.filter { $0.id != member.id }.map {
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

    /// Tries until it is a manager, or no longer meant to be one.
    func becomeManagerSoon() {
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
}
