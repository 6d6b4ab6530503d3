import AgentModel
import ClusterModel
import Dataplane
import Engine
import EngineModel
import JSON
import LinuxSystem
import Logging
import NetworkModel
import SessionModel
import Values

/// Carries out on this host what the managers assign: tasks become containers, the cluster's networks become kernel
/// state, and what comes of both is reported. Without managers it keeps what it has.
public actor Agent {
    /// How long it waits before it looks for a manager again.
    static let reconnectPause: Duration = .milliseconds(200)
    /// How long news of tasks wait for others to go with.
    static let reportPause: Duration = .milliseconds(10)
    /// How long it waits before it tries again what the kernel refused.
    static let repairPause: Duration = .seconds(1)
    /// How often the data plane is compared with the kernel although nothing changes.
    static let verifyPeriodNanoseconds: Int64 = 10_000_000_000

    let engine: Engine
    let access: any ClusterAccess
    let description: NodeDescription
    let bootID: String
    let logger: Logger
    let images: ImageFetcher

    private(set) var ledger = AgentLedger()
    private var workers: [String: TaskWorker] = [:]
    private var outgoing: AsyncStream<AgentMessage>.Continuation?
    /// The manager of the session has said something in it.
    private var isAnswered = false
    private var waiters: [UInt64: (check: (HostPicture) -> Bool, continuation: CheckedContinuation<Bool, Never>)] = [:]
    private var nextWaiter: UInt64 = 0
    /// When the manager said something last, in nanoseconds since boot.
    private var lastHeard: Int64 = 0
    private let work: AsyncStream<Void>
    private let workSignal: AsyncStream<Void>.Continuation

    /// - Parameter bootID: new at every boot of the host.
    public init(
        engine: Engine, access: any ClusterAccess, description: NodeDescription, bootID: String, logger: Logger
    ) {
        self.engine = engine
        self.access = access
        self.description = description
        self.bootID = bootID
        self.logger = logger
        images = ImageFetcher(store: engine.images, access: access, logger: logger)
        (work, workSignal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Works until the task is cancelled.
    public func run() async {
        await engine.setClusterNetworks(self)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.keepSession() }
            group.addTask { await self.followEngine() }
            group.addTask { await self.applyPictures() }
        }
    }

    // MARK: The session

    /// Whether a manager hears what is reported. One that refuses a session has accepted its stream before.
    private var hasSession: Bool { outgoing != nil && isAnswered }

    private func keepSession() async {
        while !Task.isCancelled {
            do {
                try await access.withSession { session in try await self.serve(session) }
            } catch {
                logger.debug("no session with a manager", metadata: ["reason": "\(error)"])
            }
            try? await Task.sleep(for: Self.reconnectPause)
        }
    }

    private func serve(_ session: AgentSession) async throws {
        let (messages, continuation) = AsyncStream.makeStream(of: AgentMessage.self)
        let first = ledger.open(AgentHello(description: description, bootID: bootID))
        for message in first { continuation.yield(message) }
        outgoing = continuation
        // At once: the next manager is looked for before the call comes back.
        defer { (outgoing, isAnswered) = (nil, false) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for await message in messages { try await session.send(message) } }
            group.addTask {
                while true {
                    try await Task.sleep(for: .nanoseconds(SessionTiming.heartbeatNanoseconds))
                    continuation.yield(.heartbeat)
                }
            }
            group.addTask { for try await message in session.messages { await self.take(message) } }
            group.addTask { try await self.awaitSilence() }
            defer {
                continuation.finish()
                group.cancelAll()
            }
            try await group.next()
        }
    }

    private func take(_ message: ManagerMessage) {
        lastHeard = Clock.sinceBoot()
        isAnswered = true
        if ledger.take(message) { workSignal.yield() }
    }

    /// Until the manager has said nothing for as long as it takes a silent host for dead.
    private func awaitSilence() async throws {
        lastHeard = Clock.sinceBoot()
        while Clock.sinceBoot() - lastHeard < SessionTiming.leaseNanoseconds {
            try await Task.sleep(for: .nanoseconds(SessionTiming.heartbeatNanoseconds))
        }
    }

    // MARK: Carrying out

    /// One picture at a time; what came in between is in the newest.
    private func applyPictures() async {
        let timer = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .nanoseconds(Self.verifyPeriodNanoseconds))
                ledger.verify()
                workSignal.yield()
            }
        }
        defer { timer.cancel() }
        for await _ in work {
            if let picture = ledger.wanted { await apply(picture) }
        }
    }

    private func apply(_ picture: HostPicture) async {
        if ledger.isApplied {
            outgoing?.yield(ledger.apply(picture))
            await assign(picture)
            return
        }
        let receipt = await engine.dataplane.apply(picture.network)
        for repair in receipt.repairs {
            logger.warning("the kernel's network state was repaired", metadata: ["difference": "\(repair)"])
        }
        var failure: String?
        if case .failed(let reason) = receipt.outcome { failure = reason }
        do { try await engine.setClusterZones(picture.zones) } catch { failure = failure ?? "\(error)" }
        outgoing?.yield(ledger.apply(picture, failure: failure))
        if let failure {
            logger.error("the data plane could not be applied", metadata: ["reason": "\(failure)"])
            Task {
                try? await Task.sleep(for: Self.repairPause)
                workSignal.yield()
            }
        }
        await assign(picture)
        for (key, waiter) in waiters where waiter.check(picture) {
            waiters.removeValue(forKey: key)?.continuation.resume(returning: true)
        }
    }

    /// Waits until the data plane holds a picture of which `check` is true; false where that does not happen in time.
    func waitApplied(timeout: Duration = .seconds(10), _ check: @escaping (HostPicture) -> Bool) async -> Bool {
        if let applied = ledger.applied, check(applied) { return true }
        let key = nextWaiter
        nextWaiter += 1
        Task {
            try? await Task.sleep(for: timeout)
            waiters.removeValue(forKey: key)?.continuation.resume(returning: false)
        }
        return await withCheckedContinuation { waiters[key] = (check, $0) }
    }

    /// Every assigned task has a worker; what is assigned no more goes.
    private func assign(_ picture: HostPicture) async {
        let context = TaskContext(
            nodeID: picture.nodeID, nodeHostname: description.hostname, networks: picture.networks, peers: picture.peers
        )
        var known: Set<String> = []
        for assigned in picture.tasks {
            let id = assigned.task.id
            known.insert(id)
            let worker: TaskWorker
            if let present = workers[id] {
                worker = present
            } else {
                worker = TaskWorker(
                    engine: engine, images: images, logger: logger,
                    mayStart: { [weak self] in await self?.ledger.holds(id) ?? false },
                    hasSession: { [weak self] in await self?.hasSession ?? true },
                    report: { [weak self] observation in await self?.report(observation) })
                workers[id] = worker
            }
            await worker.update(assigned, context)
        }
        for (id, worker) in workers where !known.contains(id) {
            workers[id] = nil
            ledger.forget(id)
            Task { await worker.discard() }
        }
        // Containers of tasks that went while this host was away.
        for record in await engine.containers() {
            guard let task = record.taskID, !known.contains(task), workers[task] == nil else { continue }
            let engine = engine
            Task { try? await engine.removeContainer(record.id, force: true, removeVolumes: true) }
        }
    }

    /// News of tasks go out together: what a task was in between nobody needs to know.
    private func report(_ observation: TaskObservation) {
        guard ledger.observe(observation) else { return }
        Task {
            try? await Task.sleep(for: Self.reportPause)
            if let report = ledger.report() { outgoing?.yield(report) }
        }
    }

    /// The engine's news of tasks' containers go to their workers.
    private func followEngine() async {
        for await event in engine.events.subscribe() where event.kind == .container {
            guard let task = event.attributes["com.docker.swarm.task.id"], let worker = workers[task] else { continue }
            if event.action == "die" || event.action == "oom" || event.action.hasPrefix("health_status") {
                // Not waited for: one task's long end must not hide the news of the others.
                Task { await worker.look() }
            }
        }
    }
}
