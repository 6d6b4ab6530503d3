import ClusterModel
import ClusterStore
import LinuxSystem
import Logging
import Orchestration
import SessionModel
import Synchronization
import Values

/// The leader's side of all sessions: who was heard when, what each host's data plane holds, and what each has to know.
final class SessionServer: Sendable {
    private struct Shared {
        var registry = SessionRegistry()
        var tasks: [String: Task<Void, any Error>] = [:]
        var picture: (index: UInt64, picture: ClusterPicture)?
        var propose: (@Sendable ([Mutation]) async throws -> Void)?
        var onReceipt: (@Sendable () -> Void)?
    }

    private let store: ClusterStore
    private let logger: Logger
    private let shared = Mutex(Shared())

    init(store: ClusterStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    // MARK: The leader's look at them

    /// Begins a term: every node gets a full lease.
    func begin(nodes: some Sequence<String>, propose: @escaping @Sendable ([Mutation]) async throws -> Void) {
        shared.withLock { shared in
            shared.registry.begin(nodes: nodes, at: Clock.sinceBoot())
            shared.propose = propose
        }
    }

    /// Every node gets a full lease from now on.
    func renewLeases() { shared.withLock { $0.registry.renewLeases(at: Clock.sinceBoot()) } }

    /// A node was heard, whatever it said.
    func heard(_ nodeID: String) { shared.withLock { $0.registry.heard(nodeID, at: Clock.sinceBoot()) } }

    /// Ends the sessions of nodes.
    func end(_ nodes: [String]) {
        let tasks = shared.withLock { shared in nodes.compactMap { shared.tasks[$0] } }
        for task in tasks { task.cancel() }
    }

    func onReceipt(_ body: @escaping @Sendable () -> Void) { shared.withLock { $0.onReceipt = body } }

    /// Ends the term: agents look for the next leader.
    func endAll() {
        let tasks = shared.withLock { shared in
            shared.registry.end()
            shared.propose = nil
            shared.onReceipt = nil
            defer { shared.tasks = [:] }
            return Array(shared.tasks.values)
        }
        for task in tasks { task.cancel() }
    }

    var receipts: DataplaneReceipts { shared.withLock { DataplaneReceipts(applied: $0.registry.receipts) } }

    /// Nodes that were not heard for longer than the lease.
    func silentNodes(in state: ClusterState) -> [String] {
        shared.withLock { $0.registry.silentNodes(in: state, at: Clock.sinceBoot()) }
    }

    /// The picture of the newest state, computed once for all sessions.
    private func picture() -> ClusterPicture {
        let state = store.state
        if let picture = shared.withLock({ $0.picture?.index == state.index ? $0.picture?.picture : nil }) {
            return picture
        }
        let picture = ClusterPicture(state, history: state.cluster?.historyID ?? "")
        shared.withLock { shared in
            if shared.picture.map({ $0.index < state.index }) ?? true { shared.picture = (state.index, picture) }
        }
        return picture
    }

    // MARK: One session

    /// Serves a node until its session ends.
    func serve(
        nodeID: String, inbound: AsyncThrowingStream<AgentMessage, any Error>,
        send: @escaping @Sendable (ManagerMessage) async throws -> Void
    ) async throws {
        guard shared.withLock({ $0.registry.isOpen }) else { throw SessionRefused.notLeading }
        guard store.state.nodes[nodeID] != nil else { throw SessionRefused.unknownNode(nodeID) }
        // Registered before it does anything, so that its first message counts.
        let opened = shared.withLock { shared -> (UInt64, @Sendable ([Mutation]) async throws -> Void)? in
            guard let propose = shared.propose, let number = shared.registry.open(nodeID, at: Clock.sinceBoot())
            else { return nil }
            shared.tasks.removeValue(forKey: nodeID)?.cancel()
            return (number, propose)
        }
        guard let (number, propose) = opened else { throw SessionRefused.notLeading }
        let task = Task { [self] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await self.receive(nodeID: nodeID, number: number, inbound: inbound, propose: propose)
                }
                group.addTask { try await self.inform(nodeID: nodeID, send: send) }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        let isCurrent = shared.withLock { shared in
            guard shared.registry.isCurrent(number, of: nodeID) else { return false }
            shared.tasks[nodeID] = task
            return true
        }
        if !isCurrent { task.cancel() }
        defer {
            shared.withLock { shared in
                guard shared.registry.isCurrent(number, of: nodeID) else { return }
                shared.registry.close(number, of: nodeID)
                shared.tasks[nodeID] = nil
            }
        }
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    private func receive(
        nodeID: String, number: UInt64, inbound: AsyncThrowingStream<AgentMessage, any Error>,
        propose: @escaping @Sendable ([Mutation]) async throws -> Void
    ) async throws {
        for try await message in inbound {
            let state = store.state
            let (outcome, notify) = shared.withLock { shared in
                let outcome = shared.registry.take(
                    message, from: nodeID, session: number, in: state, at: Clock.sinceBoot())
                return (outcome, shared.onReceipt)
            }
            switch outcome {
            case .nothing: break
            case .propose(let mutations):
                try await propose(mutations)
                if case .hello = message { logger.info("a node is ready", metadata: ["node": "\(nodeID)"]) }
            case .advanced: notify?()
            case .failed(let receipt):
                logger.warning(
                    "a host could not apply its data plane",
                    metadata: [
                        "node": "\(nodeID)", "revision": "\(receipt.revision)", "reason": "\(receipt.failure ?? "")",
                    ])
            case .over: return
            }
        }
    }

    /// Sends the node's picture whenever it changes, and how far nothing did.
    private func inform(nodeID: String, send: @escaping @Sendable (ManagerMessage) async throws -> Void) async throws {
        let watch = store.watch(ObjectKind.ofOrchestration)
        defer { watch.finish() }
        var feed = SessionFeed()
        var lastSaid = Clock.sinceBoot()
        while true {
            try Task.checkCancellation()
            let cluster = picture()
            guard let picture = cluster.host(nodeID) else { throw SessionRefused.unknownNode(nodeID) }
            if let message = feed.next(picture) {
                try await send(message)
                lastSaid = Clock.sinceBoot()
            } else if Clock.sinceBoot() - lastSaid >= SessionTiming.heartbeatNanoseconds {
                try await send(.heartbeat)
                lastSaid = Clock.sinceBoot()
            }
            let timer = Task {
                try await Task.sleep(for: .nanoseconds(SessionTiming.heartbeatNanoseconds))
                watch.wake()
            }
            guard await watch.next() != nil else { throw CancellationError() }
            timer.cancel()
            try await Task.sleep(for: .nanoseconds(SessionTiming.mergeNanoseconds))
        }
    }
}

/// Why a session is refused.
enum SessionRefused: Error, CustomStringConvertible {
    case notLeading
    case unknownNode(String)

    var description: String {
        switch self {
        case .notLeading: "this manager does not lead"
        case .unknownNode(let id): "node \(id) is not part of the cluster"
        }
    }
}
