import ClusterModel
import ClusterRPC
import ClusterStore
import LinuxSystem
import Logging
import Orchestration
import SessionModel
import Synchronization
import Values

/// One manager's side of the sessions that it serves, and while it leads its knowledge of all nodes.
final class SessionServer: Sendable {
    private struct Served {
        /// There may be something to say.
        let signal: AsyncStream<Void>.Continuation
        var task: Task<Void, any Error>?
    }

    private struct Shared {
        var table: SessionTable
        var served: [String: Served] = [:]
        /// Only while this manager leads.
        var leases: NodeLeases?
        var onNews: (@Sendable () -> Void)?
        var onOpening: (@Sendable () -> Void)?
    }

    private let store: ClusterStore
    private let logger: Logger
    /// What is sent, as it is written.
    let sections = EncodedSections()
    private let shared: Mutex<Shared>
    /// Rung when sessions have to be compared with the state although it has not changed.
    private let looks: AsyncStream<Void>
    private let look: AsyncStream<Void>.Continuation
    /// Rung when there is something that the leader has to know.
    let news: AsyncStream<Void>
    private let newsSignal: AsyncStream<Void>.Continuation

    init(store: ClusterStore, logger: Logger) {
        self.store = store
        self.logger = logger
        shared = Mutex(Shared(table: SessionTable(server: Self.newName())))
        (looks, look) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (news, newsSignal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    private static func newName() -> String {
        var generator = SystemRandomNumberGenerator()
        return Identifiers.swarm(using: &generator)
    }

    // MARK: Whether it serves

    /// Ends all sessions: hosts look for another manager.
    func endAll() {
        let served = shared.withLock { shared in
            shared.table.end()
            defer { shared.served = [:] }
            return Array(shared.served.values)
        }
        for one in served { one.task?.cancel() }
    }

    var isOpen: Bool { shared.withLock(\.table.isOpen) }

    /// Has `body` called whenever this manager begins to serve.
    func onOpening(_ body: @escaping @Sendable () -> Void) { shared.withLock { $0.onOpening = body } }

    /// Those that have their sessions here.
    var nodes: Set<String> { shared.withLock { Set($0.served.keys) } }

    // MARK: The leader's knowledge

    /// A term begins: every node gets a full lease. What an earlier one has begun is over.
    func lead(in term: UInt64) {
        let state = store.state
        shared.withLock { shared in
            shared.leases = NodeLeases(
                term: term, server: shared.table.server, in: state, at: Clock.sinceBoot())
        }
        newsSignal.yield()
    }

    /// It ends. Sessions go on where other managers may serve.
    func leadNoMore() {
        shared.withLock { shared in
            shared.leases = nil
            shared.onNews = nil
        }
    }

    /// Every node gets a full lease from now on.
    func renewLeases() { shared.withLock { $0.leases?.renew(at: Clock.sinceBoot()) } }

    /// Has `body` called when something is new of what hosts hold, as long as this manager leads in that term.
    func onNews(in term: UInt64, _ body: @escaping @Sendable () -> Void) {
        shared.withLock { if $0.leases?.term == term { $0.onNews = body } }
    }

    /// Who leads may be another one.
    func reportSoon() { newsSignal.yield() }

    func receipts(in state: ClusterState) -> DataplaneReceipts {
        DataplaneReceipts(applied: shared.withLock { $0.leases?.receipts(in: state) } ?? [:])
    }

    /// Nodes that were not heard for longer than the lease.
    func silentNodes(in state: ClusterState) -> [String] {
        shared.withLock { $0.leases?.silentNodes(in: state, at: Clock.sinceBoot()) } ?? []
    }

    /// Takes in what a manager reports of its sessions.
    ///
    /// - Parameter manager: the node that reports it.
    /// - Returns: what this leader has applied; nil where the report was not meant for it.
    func take(_ report: SessionReport, from manager: String) -> UInt64? {
        let state = store.state
        let (isTaken, notify) = shared.withLock { shared -> (Bool, (@Sendable () -> Void)?) in
            guard shared.leases?.term == report.term else { return (false, nil) }
            let isNews = shared.leases?.take(report, from: manager, in: state, at: Clock.sinceBoot()) ?? false
            return (true, isNews ? shared.onNews : nil)
        }
        notify?()
        return isTaken ? state.index : nil
    }

    // MARK: What the leader has to know

    func report(term: UInt64) -> SessionReport { shared.withLock { $0.table.report(term: term) } }

    /// - Parameter leaderIndex: what the leader had applied; nil where it is this manager.
    func reportDelivered(leaderIndex: UInt64?) {
        let (now, applied) = (Clock.sinceBoot(), store.state.index)
        let (notify, mustEnd) = shared.withLock { shared in
            let wasOpen = shared.table.isOpen
            shared.table.delivered(at: now, leaderIndex: leaderIndex, applied: applied)
            let isOpening = !wasOpen && shared.table.isOpen
            return (isOpening ? shared.onOpening : nil, shared.table.mustEnd(mayServe: true, at: now))
        }
        notify?()
        if mustEnd { endAll() }
    }

    /// - Parameter mayServe: whether this manager leads, or others may serve, too.
    func reportLost(mayServe: Bool) {
        let mustEnd = shared.withLock { shared in
            shared.table.lost()
            return shared.table.mustEnd(mayServe: mayServe, at: Clock.sinceBoot())
        }
        if mustEnd { endAll() }
    }

    // MARK: All sessions

    /// Compares all sessions with each new state, until it is cancelled.
    func informAll() async {
        let watch = store.watch(ObjectKind.ofOrchestration)
        defer { watch.finish() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [looks] in for await _ in looks { watch.wake() } }
            group.addTask { await self.keepTalking() }
            var view: ClusterView?
            repeat {
                let begin = Clock.sinceBoot()
                look(&view)
                // No more than half of a processor goes into it.
                let pause = max(SessionTiming.mergeNanoseconds, Clock.sinceBoot() - begin)
                try? await Task.sleep(for: .nanoseconds(pause))
            } while await watch.next() != nil && !Task.isCancelled
            group.cancelAll()
        }
    }

    /// Looks at what has changed. Where nobody has a session no view is kept.
    private func look(_ view: inout ClusterView?) {
        var (state, changes): (ClusterState, [AppliedChange]?)
        if let view { (state, changes) = store.state(since: view.state) } else { (state, changes) = (store.state, []) }
        let (mustLook, isEmpty) = shared.withLock { ($0.table.mustLook(at: state.index), $0.table.isEmpty) }
        guard mustLook else { return }
        if isEmpty {
            view = nil
        } else {
            var next = view ?? ClusterView(state)
            view = nil
            let touched = next.update(to: state, changes)
            inform(&next, touched)
            view = next
        }
        let hasNews = shared.withLock { shared in
            shared.table.endLook(at: state.index)
            return shared.table.hasNews
        }
        if hasNews { newsSignal.yield() }
    }

    private func inform(_ view: inout ClusterView, _ touched: ClusterView.Touched) {
        let nodes = shared.withLock { $0.table.beginLook(touched) }
        // In parts, so that nobody who was heard waits for long.
        for start in stride(from: 0, to: nodes.count, by: Self.nodesAtOnce) {
            let part = nodes[start..<min(start + Self.nodesAtOnce, nodes.count)]
            let signals = shared.withLock { shared in
                shared.table.inform(part, &view).compactMap { shared.served[$0]?.signal }
            }
            for signal in signals { signal.yield() }
        }
    }

    private static let nodesAtOnce = 32

    /// Hosts to whom nothing was said for long are told that this manager lives.
    private func keepTalking() async {
        while (try? await Task.sleep(for: .nanoseconds(SessionTiming.reportNanoseconds))) != nil {
            let signals = shared.withLock { shared in
                shared.table.quietNodes(at: Clock.sinceBoot()).compactMap { shared.served[$0]?.signal }
            }
            for signal in signals { signal.yield() }
            newsSignal.yield()
            // Not every revision changes something that is watched.
            look.yield()
        }
    }

    // MARK: One session

    /// A node was heard, whatever it said.
    func heard(_ nodeID: String) { shared.withLock { $0.table.heard(nodeID) } }

    /// Puts mutations into the log, whoever leads; returns where they were applied, here too.
    typealias Propose = @Sendable ([Mutation]) async throws -> UInt64

    /// Serves a node until its session ends.
    func serve(
        nodeID: String, inbound: AsyncThrowingStream<AgentMessage, any Error>, propose: @escaping Propose,
        send: @escaping @Sendable (ManagerMessage) async throws -> Void
    ) async throws {
        guard store.state.nodes[nodeID] != nil else { throw SessionRefused.unknownNode(nodeID) }
        let id = Self.newName()
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        // Registered before it does anything, so that its first message counts.
        let (isOpen, previous) = shared.withLock { shared -> (Bool, Served?) in
            guard shared.table.open(nodeID, as: id, at: Clock.sinceBoot()) else { return (false, nil) }
            return (true, shared.served.updateValue(Served(signal: signal), forKey: nodeID))
        }
        guard isOpen else { throw SessionRefused.notServing }
        previous?.task?.cancel()
        let task = Task { [self] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.receive(nodeID: nodeID, id: id, inbound: inbound, propose) }
                group.addTask { try await self.speak(nodeID: nodeID, id: id, signals: signals, send: send) }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        let isCurrent = shared.withLock { shared in
            guard shared.table.isCurrent(id, of: nodeID) else { return false }
            shared.served[nodeID]?.task = task
            return true
        }
        if !isCurrent { task.cancel() }
        defer {
            shared.withLock { shared in
                guard shared.table.isCurrent(id, of: nodeID) else { return }
                shared.table.close(id, of: nodeID)
                shared.served[nodeID] = nil
            }
        }
        do {
            try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        } catch is CancellationError where !Task.isCancelled {
            throw SessionRefused.notServing
        }
    }

    private func receive(
        nodeID: String, id: String, inbound: AsyncThrowingStream<AgentMessage, any Error>,
        _ propose: @escaping Propose
    ) async throws {
        for try await message in inbound {
            let state = store.state
            switch shared.withLock({ $0.table.take(message, from: nodeID, session: id, in: state) }) {
            case .nothing: break
            case .propose(let mutations): _ = try await Self.untilCancelled { try await propose(mutations) }
            case .begin(let mutations):
                let index = try await Self.untilCancelled { try await propose(mutations) }
                shared.withLock { $0.table.begun(id, of: nodeID, at: index) }
                look.yield()
                logger.info("a node is ready", metadata: ["node": "\(nodeID)"])
            case .report: newsSignal.yield()
            case .failed(let receipt):
                newsSignal.yield()
                logger.warning(
                    "a host could not apply its data plane",
                    metadata: [
                        "node": "\(nodeID)", "revision": "\(receipt.revision)", "reason": "\(receipt.failure ?? "")",
                    ])
            case .over: return
            }
        }
    }

    /// What `body` returns; a session that ends does not wait for it.
    private static func untilCancelled(
        _ body: @escaping @Sendable () async throws -> UInt64
    ) async throws -> UInt64 {
        let (results, result) = AsyncThrowingStream.makeStream(of: UInt64.self)
        let work = Task {
            do {
                result.yield(try await body())
                result.finish()
            } catch {
                result.finish(throwing: error)
            }
        }
        for try await result in results { return result }
        work.cancel()
        throw CancellationError()
    }

    /// Says what there is to say whenever there may be something.
    private func speak(
        nodeID: String, id: String, signals: AsyncStream<Void>,
        send: @escaping @Sendable (ManagerMessage) async throws -> Void
    ) async throws {
        for await _ in signals {
            talking: while true {
                switch shared.withLock({ $0.table.next(id, of: nodeID, at: Clock.sinceBoot()) }) {
                case .say(let messages): for message in messages { try await send(message) }
                case .wait: break talking
                case .over: throw SessionRefused.over(nodeID)
                }
            }
        }
        throw CancellationError()
    }
}

/// Why a session is refused, or ends. The host asks the next manager.
enum SessionRefused: Error, RPCFailureConvertible, CustomStringConvertible {
    case notServing
    case unknownNode(String)
    case over(String)

    var description: String {
        switch self {
        case .notServing: "this manager serves no sessions now"
        case .unknownNode(let id): "node \(id) is not part of the cluster"
        case .over(let id): "node \(id) has another session, is gone, or was declared down"
        }
    }

    var rpcFailure: RPCFailure { RPCFailure(.unavailable, description) }
}
