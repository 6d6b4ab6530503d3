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
    private struct Session {
        var number: UInt64
        var task: Task<Void, any Error>?
        var receipt: UInt64?
    }

    private struct Shared {
        var isOpen = false
        var sessions: [String: Session] = [:]
        /// By the boot-time clock.
        var lastHeard: [String: Int64] = [:]
        var nextNumber: UInt64 = 0
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
        let now = Clock.sinceBoot()
        shared.withLock { shared in
            shared.isOpen = true
            shared.lastHeard = Dictionary(uniqueKeysWithValues: nodes.map { ($0, now) })
            shared.propose = propose
        }
    }

    /// Every node gets a full lease from now on.
    func renewLeases() {
        let now = Clock.sinceBoot()
        shared.withLock { shared in for id in shared.lastHeard.keys { shared.lastHeard[id] = now } }
    }

    /// A node was heard, whatever it said.
    func heard(_ nodeID: String) { shared.withLock { $0.lastHeard[nodeID] = Clock.sinceBoot() } }

    /// Ends the sessions of nodes.
    func end(_ nodes: [String]) {
        let tasks = shared.withLock { shared in nodes.compactMap { shared.sessions[$0]?.task } }
        for task in tasks { task.cancel() }
    }

    func onReceipt(_ body: @escaping @Sendable () -> Void) { shared.withLock { $0.onReceipt = body } }

    /// Ends the term: agents look for the next leader.
    func endAll() {
        let tasks = shared.withLock { shared in
            shared.isOpen = false
            shared.propose = nil
            shared.onReceipt = nil
            defer { shared.sessions = [:] }
            return shared.sessions.values.compactMap(\.task)
        }
        for task in tasks { task.cancel() }
    }

    var receipts: DataplaneReceipts {
        shared.withLock { DataplaneReceipts(applied: $0.sessions.compactMapValues(\.receipt)) }
    }

    /// Nodes that were not heard for longer than the lease.
    func silentNodes(in state: ClusterState) -> [String] {
        let now = Clock.sinceBoot()
        return shared.withLock { shared in
            state.nodes.keys.filter { id in
                guard let heard = shared.lastHeard[id] else {
                    shared.lastHeard[id] = now
                    return false
                }
                return now - heard > SessionTiming.leaseNanoseconds
            }.sorted()
        }
    }

    /// The picture of the newest state, computed once for all sessions.
    private func picture() -> ClusterPicture {
        let state = store.state
        if let picture = shared.withLock({ $0.picture?.index == state.index ? $0.picture?.picture : nil }) {
            return picture
        }
        let picture = ClusterPicture(state, history: state.cluster?.id ?? "")
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
        let (number, propose) = shared.withLock { shared in
            shared.nextNumber += 1
            return (shared.nextNumber, shared.isOpen ? shared.propose : nil)
        }
        guard let propose else { throw SessionRefused.notLeading }
        guard store.state.nodes[nodeID] != nil else { throw SessionRefused.unknownNode(nodeID) }
        // Registered before it does anything, so that its first message counts.
        let old = shared.withLock { shared in
            let old = shared.sessions[nodeID]?.task
            shared.sessions[nodeID] = Session(number: number)
            shared.lastHeard[nodeID] = Clock.sinceBoot()
            return old
        }
        old?.cancel()
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
        let isOpen = shared.withLock { shared in
            shared.sessions[nodeID]?.task = task
            return shared.isOpen && shared.sessions[nodeID]?.number == number
        }
        if !isOpen { task.cancel() }
        defer {
            shared.withLock { shared in
                if shared.sessions[nodeID]?.number == number { shared.sessions[nodeID] = nil }
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
            let isCurrent = shared.withLock { shared in
                guard shared.sessions[nodeID]?.number == number else { return false }
                shared.lastHeard[nodeID] = Clock.sinceBoot()
                return true
            }
            guard isCurrent else { return }
            switch message {
            case .hello(let hello):
                guard var status = store.state.nodes[nodeID]?.status else { throw SessionRefused.unknownNode(nodeID) }
                status.state = .ready
                status.message = ""
                try await propose([.observeNode(id: nodeID, status, hello.description)])
                logger.info("a node is ready", metadata: ["node": "\(nodeID)"])
            case .report(let observations):
                let own = observations.filter { $0.nodeID == nodeID }
                if !own.isEmpty { try await propose(own.map { .observe($0) }) }
            case .receipt(let receipt):
                if let failure = receipt.failure {
                    logger.warning(
                        "a host could not apply its data plane",
                        metadata: ["node": "\(nodeID)", "revision": "\(receipt.revision)", "reason": "\(failure)"])
                    continue
                }
                let notify = shared.withLock { shared in
                    guard shared.sessions[nodeID]?.number == number,
                        receipt.revision.history == store.state.cluster?.id
                    else { return nil as (@Sendable () -> Void)? }
                    shared.sessions[nodeID]?.receipt = receipt.revision.index
                    return shared.onReceipt
                }
                notify?()
            case .heartbeat: break
            }
        }
    }

    /// Sends the node's picture whenever it changes, and how far nothing did.
    private func inform(nodeID: String, send: @escaping @Sendable (ManagerMessage) async throws -> Void) async throws {
        let watch = store.watch()
        defer { watch.finish() }
        var last: HostPicture?
        var lastIndex: UInt64 = 0
        while true {
            try Task.checkCancellation()
            let cluster = picture()
            guard let picture = cluster.host(nodeID) else { throw SessionRefused.unknownNode(nodeID) }
            if last?.at(picture.revision) == picture {
                if picture.revision.index > lastIndex { try await send(.unchanged(picture.revision)) }
            } else {
                try await send(.picture(picture))
            }
            lastIndex = picture.revision.index
            last = picture
            let timer = Task {
                try await Task.sleep(for: .nanoseconds(SessionTiming.heartbeatNanoseconds))
                watch.wake()
            }
            let before = store.state.index
            guard await watch.next() != nil else { throw CancellationError() }
            timer.cancel()
            if store.state.index == before, before == lastIndex { try await send(.heartbeat) }
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
