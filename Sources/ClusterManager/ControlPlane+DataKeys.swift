import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import Logging
import RaftNode
import Values

/// This manager's data keys: made with the cluster, received when joining, kept with its other keys.
extension ControlPlane {
    /// The keys; asks the leader where this manager does not hold the one that is wanted.
    ///
    /// - Parameter id: a key that has to be among them; nil, or an empty one, for any.
    func dataKeys(with id: String? = nil) async throws(EngineError) -> DataKeys {
        let keys = heldDataKeys
        let isEnough = id.map { $0.isEmpty || keys.ids.contains($0) } ?? !keys.ids.isEmpty
        if isEnough { return keys }
        do {
            if try manager().isLeading { return try makeDataKeys() }
            let answer = try await callLeader(ClusterMethodNames.dataKeys, [])
            return try take(JSONCoding.decode(DataKeys.self, from: answer))
        } catch {
            throw EngineError(any: error)
        }
    }

    /// Makes the first key of a cluster that has sealed nothing yet; otherwise its keys have been lost.
    @discardableResult
    func makeDataKeys() throws -> DataKeys {
        if let key = localState?.cluster?.sealingKey { throw PKIError.noDataKey(key) }
        if let secret = localState?.secrets.values.first(where: { _ in true }) {
            throw PKIError.noDataKey(secret.data.keyID)
        }
        var generator = SystemRandomNumberGenerator()
        var keys = DataKeys()
        keys.add(using: &generator)
        return try take(keys)
    }

    /// Adds keys to those of this manager, durably.
    @discardableResult
    func take(_ keys: DataKeys) throws -> DataKeys { try changeDataKeys { $0.merge(keys) } }

    @discardableResult
    private func changeDataKeys(_ change: (inout DataKeys) -> Void) throws -> DataKeys {
        try changeKeys { change(&$0.dataKeys) }.dataKeys
    }

    /// None on a worker.
    var heldDataKeys: DataKeys { shared.withLock { $0.keys?.dataKeys ?? DataKeys() } }

    // MARK: What the cluster keeps sealed

    /// The CA, with its key.
    func authority(of cluster: ClusterObject) async throws(EngineError) -> CertificateAuthority {
        let key = try await text(.rootKey, of: cluster)
        do { return try CertificateAuthority(keyPEM: key, certificatePEM: cluster.rootCertificate) } catch {
            throw EngineError(.internalError, "\(error)")
        }
    }

    /// The tokens by which hosts join, for whoever may see them.
    public func joinTokens(of cluster: ClusterObject) async throws(EngineError) -> JoinTokens {
        JoinTokens(
            worker: try await text(.workerToken, of: cluster), manager: try await text(.managerToken, of: cluster))
    }

    /// What is in a sealed field; empty where there is nothing.
    func text(
        _ field: ClusterObject.SealedField, of cluster: ClusterObject
    ) async throws(EngineError) -> String {
        guard let value = cluster[field] else { return "" }
        let bytes = try await dataKeys(with: value.keyID).opened(value, for: ClusterObject.place(cluster.id, field))
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Following the state

    /// As long as `manager` works: locks this host's keys as the cluster wants it, takes data keys that the cluster
    /// seals under, forgets those that nothing needs, and, while it leads, seals anew what is sealed under another one.
    func keepKeys(_ manager: Manager) async {
        var done: KeyDuty?
        repeat {
            do { try forgetOlderDatabaseKeys(manager) } catch {
                logger.warning("an older key could not be forgotten", metadata: ["reason": "\(error)"])
            }
            let duty = KeyDuty(state: manager.store.state, term: manager.isLeading ? manager.raft.status.term : nil)
            guard duty != done else { continue }
            do {
                try await lookAfterKeys(manager, term: duty.term)
                done = duty
            } catch {
                // Somebody changed what was to be sealed, or the leader does not answer yet.
                logger.debug("this host's keys are not in order yet", metadata: ["reason": "\(error)"])
            }
        } while (try? await Task.sleep(for: Self.keyPause)) != nil
    }

    /// Every change of what has to do with keys changes this: the cluster's row is written last.
    private struct KeyDuty: Hashable {
        var version: UInt64
        var term: UInt64?

        init(state: ClusterState, term: UInt64?) {
            version = state.cluster?.version.index ?? 0
            self.term = term
        }
    }

    /// Between two looks at whether there is something to do.
    private static let keyPause: Duration = .milliseconds(100)

    private func lookAfterKeys(_ manager: Manager, term: UInt64?) async throws {
        // Not what a host that starts, or catches up, has known before.
        guard let cluster = try await manager.latest().cluster else { return }
        try await followLock(of: cluster, manager)
        if let term {
            while let step = try await Resealing(
                state: manager.store.state, keys: dataKeys(with: manager.store.state.cluster?.sealingKey)
            ).next() {
                try await manager.proposer.propose([step], by: .orchestrator, term: term).applied()
            }
        }
        let state = manager.store.state
        guard let sealing = state.cluster?.sealingKey else { return }
        let keys = try await dataKeys(with: sealing)
        guard Resealing(state: state, keys: keys).isDone else { return }
        try changeDataKeys { $0.removeKeys(olderThan: sealing) }
    }

    // MARK: Rotation

    /// Makes a new data key, gives it to every manager, and seals under it from then on; what is sealed under the one
    /// before is sealed anew soon after.
    ///
    /// - Returns: the new key's identifier.
    public func rotateDataKeys() async throws(EngineError) -> String {
        do {
            _ = try manager()
            return try await JSONCoding.decode(String.self, from: callLeader(ClusterMethodNames.rotateKeys, []))
        } catch {
            throw EngineError(any: error)
        }
    }

    /// The leader's part. Nothing is sealed under the new key before every manager has it on its disk, so that no loss
    /// of managers can take a key that is needed.
    func rotateDataKeys(_ manager: Manager, for node: String) async throws -> String {
        guard var cluster = try await manager.latest().cluster, let before = cluster.sealingKey else {
            throw EngineError.noLeader
        }
        var keys = try await dataKeys(with: before)
        var generator = SystemRandomNumberGenerator()
        let id = keys.add(using: &generator)
        try take(keys)
        do {
            let lacking = await managers(of: manager, lacking: id)
            guard lacking.isEmpty else {
                throw EngineError(
                    .unavailable,
                    "managers \(lacking.sorted().joined(separator: ", ")) cannot be given a new data key, which all "
                        + "managers must have: start or demote them. Nothing was changed")
            }
            cluster.sealingKey = id
            try await manager.proposeHere(
                [.putCluster(cluster, expected: cluster.version.index)], by: .node(id: node, client: nil),
                note: "rotation of the data key")
        } catch let refusal as Refusal {
            try changeDataKeys { $0.remove(id) }
            throw refusal
        } catch let error as EngineError {
            try changeDataKeys { $0.remove(id) }
            throw error
        }
        return id
    }

    /// The names of managers that do not say that they have a key.
    private func managers(of manager: Manager, lacking id: String) async -> [String] {
        let own = shared.withLock { $0.record?.nodeID }
        let nodes = manager.store.state.nodes
        return await withTaskGroup(of: String?.self) { group in
            for member in manager.raft.status.members.map(\.member) where member.nodeID != own {
                group.addTask {
                    if await self.holds(id, member) { return nil }
                    return nodes[member.nodeID]?.hostname ?? member.nodeID
                }
            }
            var lacking: [String] = []
            for await name in group { if let name { lacking.append(name) } }
            return lacking
        }
    }

    private func holds(_ id: String, _ member: RaftMember) async -> Bool {
        guard let address = ClusterAddress(parsing: member.address), let question = try? JSONCoding.encode(id),
            let answer = try? await connector.call(
                ClusterMethodNames.holdsKey, question, to: ClusterPeer(nodeID: member.nodeID, address: address),
                timeout: Self.keyPatience)
        else { return false }
        return (try? JSONCoding.decode(Bool.self, from: answer)) == true
    }

    /// How long a manager may take to fetch a key.
    private static let keyPatience: Duration = .seconds(10)

    /// A manager's answer to whether it has a key: it fetches the leader's first where it has not.
    func holdsKey(_ id: String) async throws -> Bool { try await dataKeys(with: id).ids.contains(id) }
}

/// The tokens by which hosts join. Never log them.
public struct JoinTokens: Hashable, Sendable {
    public var worker: String
    public var manager: String
}

extension DataKeys {
    func sealed(
        _ bytes: [UInt8], for place: SealedValue.Place, under id: String? = nil
    ) throws(EngineError) -> SealedValue {
        do { return try seal(bytes, for: place, under: id) } catch { throw EngineError(.internalError, "\(error)") }
    }

    func opened(_ value: SealedValue, for place: SealedValue.Place) throws(EngineError) -> [UInt8] {
        do { return try open(value, for: place) } catch { throw EngineError(.internalError, "\(error)") }
    }
}
