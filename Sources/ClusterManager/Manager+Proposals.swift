import ClusterModel
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import RaftNode
import SessionModel
import Values

extension Manager {
    /// Between two attempts while there is no leader.
    private static let retryPause: Duration = .milliseconds(20)

    /// One proposal, whoever leads, and applied here when it returns: what a leader left unanswered when it died is
    /// asked for again, under the same identifier, so that it is applied once; where it was asked for so long ago that
    /// this is not certain, the error says so.
    ///
    /// - Parameter author: this host, perhaps for a client of its own.
    func attempt(
        _ mutations: [Mutation], by author: Author, note: String? = nil
    ) async throws(EngineError) -> ProposalAnswer {
        var generator = SystemRandomNumberGenerator()
        var request = ProposalRequest(id: Identifiers.swarm(using: &generator), note: note, mutations: mutations)
        if case .node(_, let client) = author { request.client = client }
        let deadline = Clock.sinceBoot() + 2 * Self.leaderPatienceNanoseconds
        let since = store.state.index
        var repeated: RepeatedRequest?
        while true {
            do {
                if isLeading {
                    return try await proposer.propose(
                        mutations, by: author, note: note, id: request.id, notAfter: repeated?.lastIndex)
                }
                let answer =
                    if let repeated { try await forwardAgain(repeated) } else { try await forward(request) }
                try await raft.waitApplied(answer.index)
                return answer
            } catch {
                let failure = EngineError(any: error)
                repeated = RepeatedRequest(request: request, since: since)
                guard failure.kind == .unavailable, Clock.sinceBoot() < deadline,
                    (try? await Task.sleep(for: Self.retryPause)) != nil
                else { throw failure }
            }
        }
    }

    /// Puts mutations into the log on this manager's own word; returns where they were applied.
    func submit(_ mutations: [Mutation]) async throws -> UInt64 {
        let author = Author.node(id: raft.status.member?.nodeID ?? "", client: nil)
        return try await attempt(mutations, by: author).applied()
    }

    /// Serves a node until its session ends.
    func serve(
        nodeID: String, inbound: AsyncThrowingStream<AgentMessage, any Error>,
        send: @escaping @Sendable (ManagerMessage) async throws -> Void
    ) async throws {
        try await sessions.serve(
            nodeID: nodeID, inbound: inbound, propose: { try await self.submit($0) }, send: send)
    }

    private func forward(_ request: ProposalRequest) async throws -> ProposalAnswer {
        let payload = try JSONCoding.encode(request)
        let answer = try await askLeader(leader(), ClusterMethodNames.propose, payload)
        return try JSONCoding.decode(ProposalAnswer.self, from: answer)
    }

    private func forwardAgain(_ repeated: RepeatedRequest) async throws -> ProposalAnswer {
        do {
            let payload = try JSONCoding.encode(repeated)
            let answer = try await askLeader(leader(), ClusterMethodNames.proposeAgain, payload)
            return try JSONCoding.decode(ProposalAnswer.self, from: answer)
        } catch let failure as RPCFailure where failure.kind == .notImplemented {
            // A leader whose program does not know it.
            return try await forward(repeated.request)
        }
    }

    /// Asks another manager, which leads. Gives up as soon as raft no longer takes it for the leader: where it lost its
    /// power, its connection shows that seconds later.
    func askLeader(
        _ leader: RaftMember, _ method: String, _ payload: [UInt8], timeout: Duration = RPCLimits.callTimeout
    ) async throws -> [UInt8] {
        guard leader.id != raft.status.member?.id, let address = ClusterAddress(parsing: leader.address) else {
            throw EngineError.noLeader
        }
        let peer = ClusterPeer(nodeID: leader.nodeID, address: address)
        let answer = try await withThrowingTaskGroup(of: [UInt8]?.self) { [connector, raft] group in
            group.addTask { try await connector.call(method, payload, to: peer, timeout: timeout) }
            group.addTask {
                for await status in raft.statusChanges() where status.leader?.id != leader.id { return nil }
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        guard let answer else { throw EngineError.noLeader }
        return answer
    }
}
