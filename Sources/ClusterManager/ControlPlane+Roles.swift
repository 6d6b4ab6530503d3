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
    ///
    /// - Parameter isOwn: the picture is this host's own manager's, whose state says which history it is in.
    /// - Throws: where the picture is one of a history that this host does not follow.
    func follow(_ picture: HostPicture, isOwn: Bool = false) throws(RPCFailure) {
        let history = picture.revision.history
        func isOfThisHost(_ record: NodeRecord) -> Bool {
            isOwn ? localState?.cluster?.historyID == history : record.follows(history)
        }
        guard shared.withLock(\.record).map(isOfThisHost) ?? true else {
            throw RPCFailure(
                .unavailable, "a leader of another history of the cluster is not followed", source: .transport)
        }
        let managers = picture.peers.filter(\.isManager)
        shared.withLock { shared in
            shared.peers = Set(picture.peers.map(\.nodeID))
            shared.knownAddress = picture.peers.first { $0.nodeID == picture.nodeID }?.address
            shared.assigned = RoleStep.Assigned(
                role: picture.role, isMember: managers.contains { $0.nodeID == picture.nodeID },
                isWitness: picture.isWitness ?? false)
        }
        do {
            try remember { record in
                // Another one may have been adopted meanwhile.
                guard isOfThisHost(record) else { return }
                record.history = history
                if !managers.isEmpty { record.managers = managers }
            }
        } catch {
            logger.warning("the managers' addresses could not be noted", metadata: ["reason": "\(error)"])
        }
        takeRoleSoon()
    }

    /// Takes step after step until this host has the role that it is to have. One that fails is tried again: no other
    /// picture need come.
    private func takeRoleSoon() {
        let isAlone = shared.withLock { shared in
            guard !shared.takesRole, shared.roleStep != nil else { return false }
            shared.takesRole = true
            return true
        }
        guard isAlone else { return }
        Task {
            while self.hasRoleToTake() {
                do {
                    // The newest picture counts: it may have come while the step before was taken.
                    try await self.transitions.pass {
                        guard let step = self.shared.withLock(\.roleStep) else { return }
                        try await self.take(step)
                    }
                    try? await Task.sleep(for: .milliseconds(20))
                } catch {
                    self.logger.error("this host could not change its role", metadata: ["reason": "\(error)"])
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        }
    }

    private func hasRoleToTake() -> Bool {
        shared.withLock { shared in
            shared.takesRole = shared.roleStep != nil
            return shared.takesRole
        }
    }

    /// Whether the newest picture wants something else than what this host is at.
    var isStepDue: Bool { shared.withLock(\.roleStep) != nil }

    private func take(_ step: RoleStep) async throws {
        switch step {
        case .renew: try await renew()
        case .becomeManager:
            try remember {
                $0.isManager = true
                $0.raftMember = 0
            }
            becomeManagerSoon()
        case .becomeWorker:
            if let manager = shared.withLock(\.manager) {
                shared.withLock { $0.manager = nil }
                await manager.stop()
            }
            try remember {
                $0.isManager = false
                $0.raftMember = 0
            }
            try removeState()
        case .becomeWitness:
            try remember {
                $0.isWitness = true
                $0.raftMember = 0
            }
            becomeWitnessSoon()
        case .endWitness: try await endWitness()
        }
    }

    /// Looks at this host's role and certificate as long as the daemon runs. Raft may say after the last picture that
    /// it took this host out.
    func keepRoleAndCertificate() async {
        var nextRenewal = Clock.sinceBoot() + Self.renewalPauseNanoseconds
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            takeRoleSoon()
            guard Clock.sinceBoot() >= nextRenewal else { continue }
            nextRenewal = Clock.sinceBoot() + Self.renewalPauseNanoseconds
            await renewWhenDue()
        }
    }

    private static let renewalPauseNanoseconds: Int64 = 60_000_000_000

    /// Asks for a new certificate when half of the present one's life is over. What a demotion could not remove goes,
    /// too.
    private func renewWhenDue() async {
        guard shared.withLock({ $0.record?.isOpen }) == true else { return }
        do {
            try await transitions.pass {
                let identity = self.shared.withLock(\.credentials)?.identity
                if identity?.isRenewalDue(at: Clock.now()) == true { try await self.renew() }
                try self.removeRemains()
            }
        } catch {
            logger.error(
                "this host could not renew its certificate, or remove what it had as a manager",
                metadata: ["reason": "\(error)"])
        }
    }

    /// Removes raft's log, the state that was applied from it, and the keys to what is sealed in it.
    func removeState() throws {
        for name in try raftFiles() { try Files.removeTree("\(directory)/\(name)") }
        try forgetManagersKeys()
    }

    private func raftFiles() throws -> [String] {
        try Files.list(directory).filter { name in
            ["raft.", "state-", "snapshot"].contains { name.hasPrefix($0) }
        }
    }

    /// Removes what a demotion that failed midway, or was cut short, has left on a host that is a worker.
    func removeRemains() throws {
        let (record, keys) = shared.withLock { ($0.record, $0.keys) }
        guard let record, record.isOpen, !record.isManager, record.isWitness != true, let keys else { return }
        guard try !raftFiles().isEmpty || !keys.dataKeys.ids.isEmpty else { return }
        logger.warning("what this host had as a manager is removed: its demotion had not come so far")
        try removeState()
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
        try changeKeys { $0.identity = identity }
        setCredentials(ClusterCredentials(identity: identity, roots: roots))
    }

    // MARK: Becoming a manager

    /// Gets this host its place in raft; it holds a manager's certificate.
    func becomeManager() async throws {
        guard let record = shared.withLock(\.record) else { return }
        if let manager = shared.withLock(\.manager) { return try await takePlace(manager, record) }
        // What a demotion that was cut short left behind.
        if record.raftMember == 0 { try removeState() }
        let manager = try makeManager()
        do { try await takePlace(manager, record) } catch {
            // The next attempt opens files of the same names.
            if shared.withLock({ $0.manager !== manager }) { await manager.stop() }
            throw error
        }
    }

    private func takePlace(_ manager: Manager, _ record: NodeRecord) async throws {
        var generator = SystemRandomNumberGenerator()
        let member =
            manager.raft.status.member
            ?? RaftMember(
                id: RaftMember.newID(using: &generator), nodeID: record.nodeID, address: record.clusterAddress)
        // The leader promotes it as soon as it has caught up; then it is a manager like any other. Who led when it
        // asked may not lead any more, so it asks until it is one.
        let deadline = Clock.sinceBoot() + 60_000_000_000
        var nextQuestion = Clock.sinceBoot()
        while manager.store.state.nodes[record.nodeID]?.raftMember != member.id {
            if Clock.sinceBoot() >= nextQuestion {
                do { try await askForPlace(member, manager, record) } catch {
                    // Once it has its log, the leader may have it already.
                    guard manager.raft.status.member != nil else { throw error }
                }
                nextQuestion = Clock.sinceBoot() + Self.placeQuestionPauseNanoseconds
            }
            if isStepDue { throw EngineError.roleChanged }
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
        try note(member, manager)
    }

    /// Between two questions for a place in raft.
    private static let placeQuestionPauseNanoseconds: Int64 = 2_000_000_000

    /// Asks the managers for this member's place in raft; the first answer begins its log.
    private func askForPlace(_ member: RaftMember, _ manager: Manager, _ record: NodeRecord) async throws {
        let question = JoinRaftRequest(
            member: member.id, address: member.address, supported: configuration.supportedVersions)
        let known = try await askManagers(
            ClusterMethodNames.joinRaft, JSONCoding.encode(question), record, until: { isStepDue })
        let response = try JSONCoding.decode(JoinRaftResponse.self, from: known)
        if let keys = response.dataKeys { try take(keys) }
        if manager.raft.status.member == nil {
            let peers = response.members.filter { $0.id != member.id }.map {
                RaftMember(id: $0.id, nodeID: $0.nodeID, address: $0.address)
            }
            try await manager.raft.join(as: member, peers: peers)
        }
        try note(member, manager)
    }

    /// From here on it may be a voter, whatever else fails: an earlier attempt, or life, may have come no further.
    private func note(_ member: RaftMember, _ manager: Manager) throws {
        if shared.withLock({ $0.manager == nil }) { takeUp(manager) }
        try remember {
            $0.isManager = true
            $0.raftMember = member.id
        }
    }

    /// Whether this host is meant to be a manager and raft has not taken it for one yet.
    private var lacksPlace: Bool {
        let (record, manager, isShutDown) = shared.withLock { ($0.record, $0.manager, $0.isShutDown) }
        guard let record, record.isManager, !isShutDown else { return false }
        guard record.raftMember != 0, let manager, manager.raft.status.role != .idle else { return true }
        return manager.store.state.nodes[record.nodeID]?.raftMember != record.raftMember
            && manager.raft.status.role != .removed
    }

    /// Tries until it is a manager, or no longer meant to be one.
    func becomeManagerSoon() {
        Task {
            while self.lacksPlace {
                do {
                    try await self.transitions.pass { if self.lacksPlace { try await self.becomeManager() } }
                } catch {
                    self.logger.error("this host could not become a manager yet", metadata: ["reason": "\(error)"])
                }
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }
}

extension ControlPlane.Shared {
    /// What the newest picture wants this host to do next.
    var roleStep: RoleStep? {
        guard !isShutDown, let record, record.isOpen, let assigned,
            let certificate = credentials?.identity.identity.role
        else { return nil }
        let present = RoleStep.Present(
            isManager: record.isManager, certificate: certificate,
            isRemoved: (manager?.raft ?? witness?.raft)?.status.role == .removed,
            isWitness: record.isWitness == true)
        return RoleStep.next(from: present, to: assigned)
    }
}
