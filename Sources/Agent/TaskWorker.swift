import AgentModel
import ClusterModel
import Dataplane
import Engine
import EngineModel
import ImageStore
import LinuxSystem
import Logging
import NetworkModel
import SessionModel
import Values

/// What a task's container is made from beside the task itself.
struct TaskContext: Sendable {
    var nodeID: String
    var nodeHostname: String
    var networks: [NetworkObject]
    var peers: [PeerAddress]
}

/// Carries out one task: makes its container, starts it, watches it, drains and stops it. A task's attempts only go
/// forward; what was reported is never taken back.
actor TaskWorker {
    /// The longest wait for connections to end before a task that was withdrawn is stopped.
    static let drainLimitNanoseconds: Int64 = 5_000_000_000
    private static let drainPause: Duration = .milliseconds(50)
    private static let startPause: Duration = .milliseconds(20)

    private let engine: Engine
    private let images: ImageFetcher
    private let logger: Logger
    private let mayStart: @Sendable () async -> Bool
    private let hasSession: @Sendable () async -> Bool
    private let report: @Sendable (TaskObservation) async -> Void
    private var attempts = TaskAttempts()
    /// The container has ended, and is started again after a while unless a manager is there by then.
    private var isWaiting = false
    private var assigned: AssignedTask?
    private var context: TaskContext?
    private var status: TaskStatus?
    private var isReady = false
    private var counter: UInt64 = 0
    private var wasServing = false
    /// Why it is being ended although it is wanted.
    private var failure: String?
    private var containerID: String?
    private var work: Task<Void, Never>?
    private var isDiscarded = false

    init(
        engine: Engine, images: ImageFetcher, logger: Logger, mayStart: @escaping @Sendable () async -> Bool,
        hasSession: @escaping @Sendable () async -> Bool, report: @escaping @Sendable (TaskObservation) async -> Void
    ) {
        self.engine = engine
        self.images = images
        self.logger = logger
        self.mayStart = mayStart
        self.hasSession = hasSession
        self.report = report
    }

    private var state: TaskState { status?.state ?? .assigned }
    private var desired: DesiredTaskState { assigned?.task.desiredState ?? .shutdown }

    /// Takes in what the managers want now.
    func update(_ assigned: AssignedTask, _ context: TaskContext) {
        let isNew = self.assigned == nil
        let changes = self.assigned?.task.desiredState != assigned.task.desiredState
        self.assigned = assigned
        self.context = context
        if isNew || changes { proceed() }
        if isWaiting { Task { await self.observe() } }
    }

    /// Something happened to the container.
    func look() async { await observe() }

    /// The task is forgotten: its container goes.
    func discard() async {
        isDiscarded = true
        await work?.value
        if let containerID { try? await engine.removeContainer(containerID, force: true, removeVolumes: true) }
    }

    /// Goes on from where the task is; one step at a time.
    private func proceed() {
        let before = work
        work = Task {
            await before?.value
            await self.advance()
        }
    }

    private func advance() async {
        guard !isDiscarded, let assigned else { return }
        if containerID == nil { await adopt(assigned) }
        if desired >= .shutdown { return await stop() }
        if state.isTerminal || state == .running { return }
        if containerID == nil { await prepare(assigned) }
        guard containerID != nil, !state.isTerminal, desired == .running || desired == .withdrawn else { return }
        await start()
    }

    /// Finds the container that an earlier life of the daemon made.
    private func adopt(_ assigned: AssignedTask) async {
        guard let record = await engine.containers().first(where: { $0.taskID == assigned.task.id }) else { return }
        containerID = record.id
        if record.state.status == .created {
            await tell(.ready, "prepared")
        } else {
            await observe()
        }
    }

    private func prepare(_ assigned: AssignedTask) async {
        guard let context else { return }
        do {
            let container = try TaskContainer(assigned, nodeHostname: context.nodeHostname, networks: context.networks)
            await tell(.accepted, "accepted")
            await tell(.preparing, "preparing")
            try await images.ensure(container.image, from: context.peers, except: context.nodeID)
            if desired >= .shutdown { return await stop() }
            let (id, _) = try await engine.createContainer(
                name: container.name, container.creation, taskID: assigned.task.id, attachments: container.attachments)
            containerID = id
            await tell(.ready, "prepared")
        } catch {
            await tell(.rejected, "preparing", error: Self.text(error))
        }
    }

    private func start() async {
        guard let containerID else { return }
        await tell(.starting, "starting")
        while await !mayStart() {
            if isDiscarded || desired >= .shutdown { return }
            try? await Task.sleep(for: Self.startPause)
        }
        do {
            try await engine.startContainer(containerID)
            await observe()
        } catch let error as EngineError where error.kind == .notModified {
            await observe()
        } catch {
            await tell(.failed, "starting", error: "starting container failed: \(Self.text(error))")
        }
    }

    /// Reports what the engine knows of the container.
    private func observe() async {
        guard let containerID, !state.isTerminal, let record = try? await engine.container(containerID) else { return }
        let container = record.state
        switch container.status {
        case .running, .paused:
            switch container.health?.status {
            case .healthy, nil: await tell(.running, "started", ready: true, record: record)
            // As Docker has it, a task with a health check runs when it is healthy for the first time.
            case .starting: await tell(max(state, .starting), "starting", record: record)
            case .unhealthy:
                await tell(max(state, .starting), "unhealthy", record: record)
                if desired == .running, failure == nil { await fail(record, "task: unhealthy container") }
            }
        case .exited, .dead:
            if desired >= .shutdown {
                await tell(.shutdown, "shutdown", record: record)
            } else if isWaiting {
                // A manager is there again: what follows is for it to decide.
                guard await hasSession(), isWaiting else { return }
                isWaiting = false
                await tellEnd(record)
            } else if await !beginsAgain(after: record) {
                await tellEnd(record)
            }
        case .created, .restarting, .removing: break
        }
    }

    /// Of itself, or for being unhealthy.
    private func tellEnd(_ record: ContainerRecord) async {
        let container = record.state
        if let failure {
            await tell(.failed, "started", error: failure, record: record)
        } else if container.exitCode == 0, container.error.isEmpty {
            await tell(.complete, "finished", record: record)
        } else {
            var reason = "task: non-zero exit (\(container.exitCode))"
            if container.oomKilled { reason += ": out of memory" }
            if !container.error.isEmpty { reason = container.error }
            await tell(.failed, "started", error: reason, record: record)
        }
    }

    /// Whether the task goes on with another attempt of this host's own.
    private func beginsAgain(after record: ContainerRecord) async -> Bool {
        let hasSession = await hasSession()
        guard !isWaiting, !isDiscarded, desired == .running, state >= .starting else { return isWaiting }
        let outcome = attempts.end(
            isSuccess: failure == nil && record.state.exitCode == 0 && record.state.error.isEmpty,
            policy: assigned?.task.spec.restartPolicy, hasSession: hasSession, at: Clock.now())
        guard case .again(let delay) = outcome else { return false }
        isWaiting = true
        await tell(state, "started", record: record)
        Task {
            try? await Task.sleep(for: .nanoseconds(delay))
            await self.beginAgain(record.id)
        }
        return true
    }

    private func beginAgain(_ containerID: String) async {
        await observe()
        guard isWaiting else { return }
        isWaiting = false
        guard !isDiscarded, desired == .running, !state.isTerminal else { return }
        attempts.begin()
        failure = nil
        logger.notice(
            "a task is started again: no manager is there to replace it",
            metadata: ["task": "\(assigned?.task.id ?? "")", "attempt": "\(attempts.number)"])
        do { try await engine.startContainer(containerID) } catch let error as EngineError
            where error.kind == .notModified
        {
        } catch {
            return await tell(.failed, "starting", error: "starting container failed: \(Self.text(error))")
        }
        await observe()
    }

    /// An unhealthy task takes no more requests, then it ends.
    private func fail(_ record: ContainerRecord, _ reason: String) async {
        failure = reason
        try? await engine.stopContainer(record.id, timeoutSeconds: graceSeconds)
        await observe()
    }

    /// Rounded up: half a second is no leave to kill at once.
    private var graceSeconds: Int {
        Int(((assigned?.task.spec.containerSpec?.stopGracePeriod ?? 10_000_000_000) + 999_999_999) / 1_000_000_000)
    }

    /// Every host has taken the task out of its maps; names that were given out are still kept for a moment, and open
    /// connections may end by themselves. Then the container is asked to end.
    private func stop() async {
        guard !state.isTerminal else { return }
        guard let containerID, state >= .starting else {
            if let containerID { try? await engine.removeContainer(containerID, force: true, removeVolumes: true) }
            self.containerID = nil
            return await tell(.shutdown, "shutdown")
        }
        if wasServing || assigned?.task.readyAt != nil { await drain(containerID) }
        do {
            try await engine.stopContainer(containerID, timeoutSeconds: graceSeconds)
        } catch let error as EngineError where error.kind == .notModified || error.kind == .notFound {
            // It ended by itself, or somebody removed it.
        } catch {
            logger.error("a task's container cannot be stopped", metadata: ["reason": "\(error)"])
        }
        if let record = try? await engine.container(containerID) {
            await tell(.shutdown, "shutdown", record: record)
        } else {
            await tell(.shutdown, "shutdown")
        }
    }

    private func drain(_ containerID: String) async {
        let begin = Clock.sinceBoot()
        try? await Task.sleep(for: .seconds(Int64(DNSPicture.timeToLiveSeconds)))
        while Clock.sinceBoot() - begin < Self.drainLimitNanoseconds, !isDiscarded {
            guard let flows = try? await engine.dataplane.flowCount(toSandbox: containerID), flows > 0 else { return }
            try? await Task.sleep(for: Self.drainPause)
        }
    }

    // MARK: Reports

    private func tell(
        _ next: TaskState, _ message: String, error: String? = nil, ready: Bool = false, record: ContainerRecord? = nil
    ) async {
        guard let assigned, next >= state, !(state.isTerminal && next != state) else { return }
        let changesReadiness = ready != isReady || counter == 0
        guard next != status?.state || changesReadiness else { return }
        var now = TaskStatus(timestamp: Clock.now(), state: next, message: message, err: error)
        if next == status?.state, let before = status { now.timestamp = before.timestamp }
        if let record {
            now.containerStatus = TaskStatus.Container(
                containerID: record.id, pid: record.state.pid, exitCode: record.state.exitCode)
            let ports = (assigned.task.endpoint?.spec.ports ?? []).filter { !$0.isIngress }
            if !ports.isEmpty, next == .running {
                now.portStatus = ports.map { port in
                    var port = port
                    let taken = record.ports.first {
                        $0.containerPort == port.targetPort && $0.transport == port.protocol
                    }
                    if let taken { port.publishedPort = taken.hostPort }
                    return port
                }
            }
        } else {
            now.containerStatus = status?.containerStatus
        }
        status = now
        isReady = ready
        if ready { wasServing = true }
        counter = max(counter + 1, UInt64(max(0, Clock.now().nanosecondsSinceEpoch)))
        await report(
            TaskObservation(
                taskID: assigned.task.id, nodeID: assigned.task.nodeID, status: now, isReady: ready,
                readinessCounter: counter))
    }

    private static func text(_ error: any Error) -> String { "\(error)" }
}
