import ClusterModel
import ClusterPKI
import EngineModel
import JSON
import LinuxSystem
import NetworkModel
import Orchestration
import SessionModel
import Values

// MARK: Looking up

extension ControlPlane {
    /// A node by identifier, host name, unique prefix, or `self`.
    public func node(_ reference: String, in state: ClusterState) throws(EngineError) -> NodeObject {
        let own = shared.withLock { $0.record?.nodeID }
        if reference == "self", let own, let node = state.nodes[own] { return node }
        if let node = state.nodes[reference] { return node }
        let named = state.nodes.values.filter { $0.hostname == reference || $0.spec.name == reference }
        if named.count == 1 { return named[0] }
        if named.count > 1 {
            throw EngineError(.invalidParameter, "node \(reference) is ambiguous (\(named.count) matches found)")
        }
        let prefixed = reference.isEmpty ? [] : state.nodes.values.filter { $0.id.hasPrefix(reference) }
        guard prefixed.count == 1 else {
            if prefixed.count > 1 {
                throw EngineError(.invalidParameter, "node \(reference) is ambiguous (\(prefixed.count) matches found)")
            }
            throw EngineError(.notFound, "node \(reference) not found")
        }
        return prefixed[0]
    }

    /// A service by identifier, name or unique prefix.
    public func service(_ reference: String, in state: ClusterState) throws(EngineError) -> ServiceObject {
        if let service = state.services[reference] ?? state.service(named: reference) { return service }
        let prefixed = reference.isEmpty ? [] : state.services.values.filter { $0.id.hasPrefix(reference) }
        guard prefixed.count == 1 else {
            if prefixed.count > 1 {
                throw EngineError(
                    .invalidParameter, "service \(reference) is ambiguous (\(prefixed.count) matches found)")
            }
            throw EngineError(.notFound, "service \(reference) not found")
        }
        return prefixed[0]
    }

    /// A network of the cluster by identifier, name or unique prefix.
    public func network(_ reference: String, in state: ClusterState) throws(EngineError) -> NetworkObject {
        guard let network = ServiceValidation.network(reference, in: state) else {
            throw EngineError.notFound(network: reference)
        }
        return network
    }
}

// MARK: Services

extension ControlPlane {
    /// Creates a service from the specification as the client wrote it; without a name it gets one.
    public func createService(_ document: JSONValue) async throws(EngineError) -> (id: String, warnings: [String]) {
        var generator = SystemRandomNumberGenerator()
        let id = Identifiers.swarm(using: &generator)
        var document = document
        if ["", nil, .null].contains(document["Name"]) {
            let known = try await state()
            document["Name"] = .string(
                ContainerNames.generate(using: &generator) { known.service(named: $0) != nil })
        }
        try await change { [document] state throws(EngineError) in
            let (spec, document) = try ServiceValidation(state: state).specification(from: document)
            let service = ServiceObject(
                id: id, createdAt: Clock.now(), spec: spec, document: document,
                endpoint: ServiceEndpoint(spec: spec.endpointSpec ?? EndpointSpec()))
            return [.putService(service, expected: 0)]
        }
        return (id, [])
    }

    /// - Parameter rollback: `previous` takes the specification before the last update instead of `document`.
    public func updateService(
        _ reference: String, version: UInt64, document: JSONValue, rollback: String?
    ) async throws(EngineError) -> [String] {
        let state = try await state()
        var service = try service(reference, in: state)
        if let rollback, rollback != "previous" {
            throw EngineError(.invalidParameter, "unrecognized rollback option \(rollback)")
        }
        let now = Clock.now()
        if rollback == "previous" {
            guard service.rollBack(message: "rollback in progress", at: now) else {
                throw EngineError(
                    .invalidParameter,
                    "rpc error: code = FailedPrecondition desc = service \(service.spec.name) does not have a "
                        + "previous spec"
                )
            }
        } else {
            let (spec, document) = try ServiceValidation(state: state).specification(from: document)
            guard spec.name == service.spec.name else {
                throw EngineError(
                    .invalidParameter, "rpc error: code = Unimplemented desc = renaming services is not supported")
            }
            guard spec.isGlobal == service.spec.isGlobal else {
                throw EngineError(
                    .invalidParameter, "rpc error: code = Unimplemented desc = service mode change is not allowed")
            }
            service.update(to: spec, document: document, at: now)
        }
        try await propose([.putService(service, expected: version)])
        return []
    }

    public func removeService(_ reference: String) async throws(EngineError) {
        let service = try await service(reference, in: state())
        try await propose([.removeService(service.id, expected: nil)])
    }
}

// MARK: Nodes

extension ControlPlane {
    public func updateNode(_ reference: String, version: UInt64, spec: NodeSpec) async throws(EngineError) {
        let state = try await state()
        var node = try node(reference, in: state)
        if node.spec.role == .manager, spec.role == .worker {
            let managers = state.nodes.values.filter { $0.spec.role == .manager }
            guard managers.count > 1 else {
                throw EngineError(
                    .invalidParameter,
                    "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm")
            }
            try await checkLoss(of: node.id, in: state)
        }
        if spec.role == .manager, state.isWitness(node.id) { throw .isWitness(node.id) }
        if node.spec.role == .worker, spec.role == .manager { try await requireSupport(of: node, in: state) }
        node.spec = spec
        try await propose([.putNode(node, expected: version)])
    }

    /// Refuses that raft loses a voter which it cannot do without.
    func checkLoss(of nodeID: String, in state: ClusterState) async throws(EngineError) {
        let voters = try manager().raft.status.members.filter(\.isVoter).map(\.member.nodeID)
        let ready = Set(state.nodes.values.filter { $0.status.state == .ready }.map(\.id))
        // Raft notices earlier than sessions do.
        let heard: Set<String>
        do {
            heard = try JSONCoding.decode(
                Set<String>.self, from: await callLeader(ClusterMethodNames.reachability, []))
        } catch {
            throw EngineError(any: error)
        }
        guard ManagerPlan.canLose(nodeID, voters: Set(voters), living: ready.intersection(heard)) else {
            throw EngineError(
                .invalidParameter,
                "rpc error: code = FailedPrecondition desc = can't remove member from the raft: this would "
                    + "result in a loss of quorum")
        }
    }

    public func removeNode(_ reference: String, force: Bool) async throws(EngineError) {
        let state = try await state()
        let node = try node(reference, in: state)
        if state.isWitness(node.id) { throw .isWitness(node.id) }
        // One that never got its place in raft is no member of it.
        if node.spec.role == .manager,
            try manager().raft.status.members.contains(where: { $0.member.nodeID == node.id })
        {
            throw EngineError(
                .invalidParameter,
                "rpc error: code = FailedPrecondition desc = node \(node.id) is a cluster manager and is a member of "
                    + "the "
                    + "raft cluster. It must be demoted to worker before removal")
        }
        if !force, node.status.state == .ready {
            throw EngineError(
                .invalidParameter,
                "rpc error: code = FailedPrecondition desc = node \(node.id) is not down and can't be removed")
        }
        let attachments = state.attachments.values.filter { $0.nodeID == node.id }
        try await propose(
            [.removeNode(node.id, expected: nil)] + attachments.map { .removeAttachment($0.id) })
    }
}

// MARK: The swarm

extension ControlPlane {
    public func updateSwarm(
        version: UInt64, spec: JSONValue, rotateWorkerToken: Bool, rotateManagerToken: Bool,
        rotateUnlockKey: Bool
    ) async throws(EngineError) {
        guard var cluster = try await state().cluster else { throw .noLeader }
        cluster.spec = try SwarmSpecification.merged(spec, over: cluster.spec)
        try await checkWitness(cluster.managerPolicy, in: state())
        try await relock(&cluster, rotating: rotateUnlockKey)
        let sealing = cluster.sealingKey
        let keys = try await dataKeys(with: sealing)
        do {
            var generator = SystemRandomNumberGenerator()
            let digest = try TrustRoots(pem: cluster.rootCertificate).digest
            let rotated: [(ClusterObject.SealedField, Bool)] = [
                (.workerToken, rotateWorkerToken), (.managerToken, rotateManagerToken),
            ]
            for (field, isRotated) in rotated where isRotated {
                let token = JoinToken(digest: digest, using: &generator).text
                cluster[field] = try keys.seal(
                    Array(token.utf8), for: ClusterObject.place(cluster.id, field), under: sealing)
            }
        } catch {
            throw EngineError(.internalError, "\(error)")
        }
        try await propose([.putCluster(cluster, expected: version)])
    }
}

// MARK: Networks

extension ControlPlane {
    public func createNetwork(_ request: ClusterNetworkRequest) async throws(EngineError) -> String {
        guard ServiceValidation.isValidName(request.name) else {
            throw EngineError(.invalidParameter, "invalid network name \"\(request.name)\"")
        }
        if let subnet = request.subnet {
            guard subnet.address.isV4, (8...29).contains(subnet.prefixLength) else {
                throw EngineError(
                    .invalidParameter, "invalid subnet \(subnet): overlay networks have IPv4 subnets of /8 to /29")
            }
            if let gateway = request.gateway, !subnet.contains(gateway) {
                throw EngineError(.invalidParameter, "gateway \(gateway) is not in subnet \(subnet)")
            }
        }
        if request.options["encrypted"] != nil {
            throw EngineError(.notImplemented, "encrypted overlay networks are not supported by this version")
        }
        var generator = SystemRandomNumberGenerator()
        let id = Identifiers.swarm(using: &generator)
        try await change { state throws(EngineError) in
            guard var cluster = state.cluster else { throw .noLeader }
            if request.isIngress, let ingress = state.ingressNetwork {
                throw EngineError(
                    .conflict,
                    "rpc error: code = AlreadyExists desc = ingress network (\(ingress.id)) is already present")
            }
            if let other = state.network(named: request.name) {
                throw EngineError(.conflict, "network with name \(other.spec.name) already exists")
            }
            let used = state.networks.values.map(\.subnet)
            let subnet: CIDR
            if let wanted = request.subnet?.network {
                if let other = state.networks.values.first(where: { $0.subnet.overlaps(wanted) }) {
                    throw EngineError(
                        .forbidden,
                        "invalid pool request: Pool overlaps with other one on this address space: \(wanted) is used "
                            + "by "
                            + "network \(other.spec.name)")
                }
                subnet = wanted
            } else {
                let pools = cluster.addressPools.map { SubnetPool(base: $0, prefixLength: cluster.subnetSize) }
                guard let free = pools.firstFree(avoiding: used + [cluster.gatewayPool]) else {
                    throw EngineError(
                        .invalidParameter,
                        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign "
                            + "to "
                            + "the network")
                }
                subnet = free
            }
            guard OverlayDefaults.vniRange.contains(cluster.nextVNI) else {
                throw EngineError(.invalidParameter, "every VXLAN network identifier has been used")
            }
            let spec = NetworkObject.Spec(
                name: request.name, labels: request.labels, isInternal: request.isInternal,
                isAttachable: request.isAttachable, isIngress: request.isIngress, options: request.options)
            let network = NetworkObject(
                id: id, createdAt: Clock.now(), spec: spec, subnet: subnet,
                gateway: request.gateway ?? subnet.host(1), vni: cluster.nextVNI)
            cluster.nextVNI += 1
            return [.putNetwork(network, expected: 0), .putCluster(cluster, expected: cluster.version.index)]
        }
        return id
    }

    public func removeNetwork(_ reference: String) async throws(EngineError) {
        let state = try await state()
        let network = try network(reference, in: state)
        if network.spec.isIngress,
            let user = state.services.values.first(where: { $0.endpoint.ports.contains(where: \.isIngress) })
        {
            throw EngineError(
                .invalidParameter,
                "rpc error: code = FailedPrecondition desc = ingress network cannot be removed because service "
                    + "\(user.id) depends on it")
        }
        if let user = state.user(ofNetwork: network.id) {
            throw EngineError(
                .invalidParameter,
                "rpc error: code = FailedPrecondition desc = network \(network.id) is in use by \(user)")
        }
        try await propose([.removeNetwork(network.id, expected: nil)])
    }

    /// A place for a container outside services; the leader allocates alone.
    func attach(_ question: AttachmentQuestion, node: String, _ manager: Manager) async throws -> [UInt8] {
        guard question.nodeID == node else { throw EngineError(.forbidden, "the container is on another node") }
        for _ in 0..<5 {
            let state = manager.store.state
            let network = try network(question.networkID, in: state)
            guard network.spec.isAttachable else {
                throw EngineError(
                    .forbidden,
                    "Could not attach to network \(network.spec.name): rpc error: code = PermissionDenied desc = "
                        + "network "
                        + "\(network.spec.name) not manually attachable")
            }
            // The answer to an earlier question may have been lost, or the end of an earlier life not have been told.
            let present = state.attachments.values.first {
                $0.nodeID == node && $0.networkID == network.id && $0.containerID == question.containerID
            }
            if let present, present.names == question.names,
                question.address == nil || question.address == present.address.address
            {
                return try JSONCoding.encode(present)
            }
            let address = question.address ?? Orchestrator.nextAddress(in: network, of: state)
            guard let address, network.subnet.contains(address) else {
                throw EngineError(
                    .invalidParameter, "could not find an available IP in network \(network.spec.name)")
            }
            var generator = SystemRandomNumberGenerator()
            let attachment = AttachmentObject(
                id: Identifiers.swarm(using: &generator), nodeID: node, networkID: network.id,
                containerID: question.containerID, address: CIDR(address, prefixLength: network.subnet.prefixLength),
                names: question.names)
            let offset = UInt64((address.v4Value ?? 0) &- (network.subnet.network.address.v4Value ?? 0))
            do {
                let replacing: [Mutation] = present.map { [.removeAttachment($0.id)] } ?? []
                try await manager.proposeHere(
                    replacing + [.putAttachment(attachment), .moveCursor(networkID: network.id, offset)],
                    by: .node(id: node, client: nil))
                return try JSONCoding.encode(attachment)
            } catch let refusal as Refusal {
                if case .alreadyExists = refusal, question.address == nil { continue }
                throw refusal
            }
        }
        throw EngineError(.unavailable, "no address could be allocated, try again")
    }
}
