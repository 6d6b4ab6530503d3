import ClusterModel
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import SessionModel
import Values

extension ControlPlane: ClusterAccess {
    public func withSession(_ body: @escaping @Sendable (AgentSession) async throws -> Void) async throws {
        let session = Task { try await self.openSession(body) }
        // A host that leaves its cluster ends it.
        shared.withLock { $0.session = session }
        try await withTaskCancellationHandler {
            try await session.value
        } onCancel: {
            session.cancel()
        }
    }

    private func openSession(_ body: @escaping @Sendable (AgentSession) async throws -> Void) async throws {
        let (record, manager) = shared.withLock { ($0.record, $0.manager) }
        guard let record else { throw EngineError.noLeader }
        if shared.withLock(\.isLocked) { throw EngineError.locked }
        if let manager, manager.sessions.isOpen {
            return try await localSession(record.nodeID, manager, body)
        }
        var failure: any Error = EngineError.noLeader
        for peer in await sessionCandidates(record) {
            do {
                shared.withLock { $0.sessionPeer = peer.nodeID }
                defer { shared.withLock { $0.sessionPeer = nil } }
                return try await connector.withSession(to: peer, timeout: .seconds(2)) { inbound, outbound in
                    let session = self.reader.begin()
                    let (messages, continuation) = AsyncThrowingStream.makeStream(
                        of: ManagerMessage.self, bufferingPolicy: .bufferingOldest(SessionLimits.waitingMessages))
                    let reader = Task {
                        do {
                            for try await bytes in inbound {
                                let message = try self.reader.read(bytes, in: session)
                                if case .picture(let picture) = message { try self.follow(picture) }
                                if case .dropped = continuation.yield(message) {
                                    throw RPCFailure(.tooLarge, "more messages than this host takes in")
                                }
                            }
                            continuation.finish()
                        } catch {
                            continuation.finish(throwing: error)
                        }
                    }
                    defer { reader.cancel() }
                    try await body(
                        AgentSession(messages: messages) { message in
                            try await outbound.write(self.reader.complete(message).encoded())
                        })
                }
            } catch let error as RPCFailure where error.kind == .unavailable || error.kind == .timeout {
                // It serves none, or is not reachable: the next one.
                failure = error
            }
        }
        throw failure
    }

    /// The managers that this host may have its session with. A worker's are in an order of its own, so that they share
    /// the work; a manager's host goes to the leader where it cannot serve itself.
    private func sessionCandidates(_ record: NodeRecord) async -> [ClusterPeer] {
        if shared.withLock(\.manager) != nil { return await leaderCandidates().filter { $0.nodeID != record.nodeID } }
        let managers = record.managers.filter { $0.nodeID != record.nodeID }
        return SessionChoice.order(managers.map(\.nodeID), for: record.nodeID).compactMap { id in
            guard let manager = managers.first(where: { $0.nodeID == id }) else { return nil }
            return ClusterAddress(parsing: manager.address).map { ClusterPeer(nodeID: id, address: $0) }
        }
    }

    /// This host's manager serves from now on: its own host first of all.
    func takeSessionHome() {
        shared.withLock { $0.sessionPeer == nil ? nil : $0.session }?.cancel()
    }

    /// The session of a manager's own host does not leave the process.
    private func localSession(
        _ nodeID: String, _ manager: Manager, _ body: @escaping @Sendable (AgentSession) async throws -> Void
    ) async throws {
        let limit = SessionLimits.waitingMessages
        let (toAgent, agentEnd) = AsyncThrowingStream.makeStream(
            of: ManagerMessage.self, bufferingPolicy: .bufferingOldest(limit))
        let (toManager, managerEnd) = AsyncThrowingStream.makeStream(
            of: AgentMessage.self, bufferingPolicy: .bufferingOldest(limit))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await manager.serve(nodeID: nodeID, inbound: toManager) { message in
                        if case .picture(let picture) = message { try self.follow(picture, isOwn: true) }
                        if case .dropped = agentEnd.yield(message) { throw SessionRefused.over(nodeID) }
                    }
                    agentEnd.finish()
                } catch {
                    agentEnd.finish(throwing: error)
                    throw error
                }
            }
            group.addTask {
                let session = AgentSession(messages: toAgent) { message in
                    manager.sessions.heard(nodeID)
                    if case .dropped = managerEnd.yield(message) { throw SessionRefused.over(nodeID) }
                }
                try await body(session)
            }
            defer {
                managerEnd.finish()
                group.cancelAll()
            }
            try await group.next()
        }
    }

    public func call(_ method: String, _ payload: [UInt8], node: PeerAddress) async throws -> [UInt8] {
        if node.nodeID == shared.withLock({ $0.record?.nodeID }) {
            return try await answer(method, payload, from: nil)
        }
        return try await connector.call(method, payload, to: peer(node))
    }

    public func fetchBlob(
        _ digest: Digest, offset: Int64, node: PeerAddress,
        _ receive: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await connector.fetchBlob(digest, offset: offset, from: peer(node), receive)
    }

    private func peer(_ node: PeerAddress) throws -> ClusterPeer {
        guard let address = ClusterAddress(parsing: node.address) else {
            throw EngineError(.unavailable, "node \(node.nodeID) has no address")
        }
        return ClusterPeer(nodeID: node.nodeID, address: address)
    }
}
