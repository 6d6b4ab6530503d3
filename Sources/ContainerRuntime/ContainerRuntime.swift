import Cgroups
import Glibc
import LinuxSystem
import Logging
import RuntimeProtocol

/// Creates, starts, watches and removes containers on this host, each held by a shim that survives this process.
///
/// Files: `<data>/containers/<id>/specification.json` and `exit.json`, `<run>/containers/<id>/` for the shim's socket
/// and state. Nothing here blocks the caller's executor. Errors are `RuntimeError`, or `CancellationError`.
public final class ContainerRuntime: Sendable {
    /// Every end of a container that is seen from now on; those that `recover` finds are in its answer. For one
    /// consumer.
    public let exits: AsyncStream<ContainerExit>

    private let told: AsyncStream<ContainerExit>.Continuation
    private let files: ShimFilesystem
    private let reactor: Reactor
    private let workers = WorkerThreads(count: 4)
    private let table = ContainerTable()
    private let logger: Logger

    /// - Parameters:
    ///   - runtimePath: the program `martlet-runtime`.
    ///   - dataDirectory: what survives a reboot of the host.
    ///   - runDirectory: what does not.
    public init(
        runtimePath: String, dataDirectory: String, runDirectory: String, logger: Logger = Logger(label: "runtime")
    ) throws {
        files = ShimFilesystem(runtimePath: runtimePath, dataDirectory: dataDirectory, runDirectory: runDirectory)
        self.logger = logger
        (exits, told) = AsyncStream.makeStream()
        try Files.makeDirectories(dataDirectory + "/containers", mode: 0o711)
        try Files.makeDirectories(runDirectory + "/containers", mode: 0o700)
        reactor = try Reactor()
        try reactor.start()
    }

    /// Makes the container's namespaces, mounts and groups; its first process waits for `start`. Attach between the two
    /// to miss no output. An earlier run of the same id must have ended; its exit record is replaced.
    public func create(_ specification: ContainerSpecification) async throws -> pid_t {
        let id = specification.id
        guard ShimFilesystem.isValid(id) else { throw RuntimeError(.failed, container: id, "invalid container id") }
        if let entry = table[id] {
            guard entry.record != nil else {
                throw RuntimeError(.failed, container: id, "container \(id) runs already")
            }
            await table.farewell(id)
            table.remove(id)
        }
        let files = files
        do {
            let (pid, group) = try await workers.run { try files.start(specification) }
            table.insert(id, ContainerTable.Entry(pid: pid, group: group))
            watch(id)
            return pid
        } catch {
            _ = try? await workers.run { try files.remove(id) }
            throw Self.translate(error, id)
        }
    }

    /// Lets the first process run its program; throws `cannotStart` where that fails (the container has then ended, and
    /// `wait` answers with the same code).
    public func start(_ id: String) async throws {
        let answer = try await ask(id, .start)
        if let error = answer.error {
            throw RuntimeError(.cannotStart(code: answer.code ?? 128), container: id, error)
        }
        table.markStarted(id)
    }

    /// Sends a signal to the first process, or to every process of the container.
    public func kill(_ id: String, signal: Int32, wholeGroup: Bool = false) async throws {
        let answer = try await ask(id, .kill(signal: signal, wholeGroup: wholeGroup))
        if let error = answer.error { throw RuntimeError(.failed, container: id, error) }
    }

    /// Waits for the container's end; answers at once for one that has ended, also while the daemon was away.
    public func wait(_ id: String) async throws -> ExitRecord {
        if let record = try await table.wait(id) { return record }
        let files = files
        if ShimFilesystem.isValid(id), let record = try await workers.run({ files.record(id) }) { return record }
        throw RuntimeError(.notFound, container: id, "No such container: \(id)")
    }

    /// Where the container stands; nil for one that is not known.
    public func state(_ id: String) async -> ContainerState? {
        if let entry = table[id] {
            if let record = entry.record { return .ended(record) }
            return entry.isStarted ? .running(pid: entry.pid) : .created(pid: entry.pid)
        }
        let files = files
        guard ShimFilesystem.isValid(id) else { return nil }
        return (try? await workers.run { files.record(id) }).flatMap { $0 }.map { .ended($0) }
    }

    /// The first process's output from now on, and its input where `input` says so.
    public func attach(_ id: String, input: Bool) async throws -> ProcessConnection {
        try await open(id, .attach(hasInput: input))
    }

    /// Starts another process in a running container. It goes on when the connection is closed.
    public func exec(_ id: String, execID: String, _ process: ProcessSpecification) async throws -> ProcessConnection {
        try await open(id, .exec(id: execID, process: process))
    }

    /// Sets the size of the first process's terminal, or of the one of `exec`.
    public func resize(_ id: String, exec: String? = nil, rows: UInt16, columns: UInt16) async throws {
        let answer = try await ask(id, .resize(exec: exec, rows: rows, columns: columns))
        if let error = answer.error { throw RuntimeError(.failed, container: id, error) }
    }

    /// Stops every process of the container until `resume`.
    public func pause(_ id: String) async throws { try await onGroup(id) { _, group in try group.setFrozen(true) } }

    public func resume(_ id: String) async throws { try await onGroup(id) { _, group in try group.setFrozen(false) } }

    /// Changes limits of a running container; what is nil stays as it is.
    public func update(_ id: String, _ limits: ResourceLimits) async throws {
        try await onGroup(id) { _, group in try group.apply(limits) }
    }

    public func statistics(_ id: String) async throws -> ContainerStatistics {
        try await onGroup(id) { pid, group in
            ContainerStatistics(group: group.statistics(), networks: ShimFilesystem.interfaces(of: pid))
        }
    }

    /// The container's processes in the host's numbering, its first one included.
    public func processes(_ id: String) async throws -> [pid_t] {
        try await onGroup(id) { _, group in group.processes() }
    }

    /// Kills the container where it still runs, waits for its shim's end, and removes the runtime's files of it:
    /// specification, exit record, run directory. Logs and writable layer stay; they are the caller's.
    public func delete(_ id: String) async throws {
        guard ShimFilesystem.isValid(id) else { return }
        if let entry = table[id] {
            if entry.record == nil { _ = try? await ask(id, .kill(signal: SIGKILL, wholeGroup: true)) }
            await table.farewell(id)
        }
        let files = files
        do {
            try await workers.run { try files.remove(id) }
        } catch {
            throw Self.translate(error, id)
        }
        table.remove(id)
    }

    /// What lives and what has ended of everything that was created here before this process; watches what lives.
    public func recover() async -> [RecoveredContainer] {
        let files = files
        var found: [RecoveredContainer] = []
        for id in (try? await workers.run({ files.all() })) ?? [] where table[id] == nil {
            if let container = await recover(id) { found.append(container) }
        }
        return found
    }

    private func recover(_ id: String) async -> RecoveredContainer? {
        let files = files
        guard let specification = try? await workers.run({ files.specification(id) }) else {
            logger.warning("a container's specification is unreadable", metadata: ["container": "\(id)"])
            return nil
        }
        if let connection = try? ShimConnection(files.socket(id), reactor: reactor),
            (try? await connection.send(.state)) != nil, let answer = try? await connection.answer(),
            let pid = answer.pid, answer.exit == nil, let state = try? await workers.run({ files.state(id) })
        {
            let isStarted = answer.isStarted ?? false
            let group = ControlGroup(directories: state.cgroups)
            table.insert(id, ContainerTable.Entry(pid: pid, isStarted: isStarted, group: group))
            watch(id)
            return RecoveredContainer(
                id: id, state: isStarted ? .running(pid: pid) : .created(pid: pid), specification: specification)
        }
        do {
            let record = try await workers.run { try files.bury(id) }
            return RecoveredContainer(id: id, state: .ended(record), specification: specification)
        } catch {
            logger.error("a container's end cannot be recorded", metadata: ["container": "\(id)", "error": "\(error)"])
            return nil
        }
    }

    // MARK: Shims

    /// Follows the container to its end, and its shim to its own.
    private func watch(_ id: String) {
        Task { [self] in
            var record: ExitRecord?
            let connection = try? ShimConnection(files.socket(id), reactor: reactor)
            if let connection, (try? await connection.send(.wait)) != nil {
                record = try? await connection.answer()?.exit
            }
            if let record { settle(id, record) }
            await connection?.end()
            if record == nil { await bury(id) }
            table.markGone(id)
        }
    }

    /// The shim ended without a word about its container.
    private func bury(_ id: String) async {
        let files = files
        do {
            settle(id, try await workers.run { try files.bury(id) })
        } catch {
            logger.error("a container's end cannot be recorded", metadata: ["container": "\(id)", "error": "\(error)"])
            settle(id, ExitRecord(code: 137, oomKilled: false, finishedAt: Clock.now().nanosecondsSinceEpoch))
        }
    }

    private func settle(_ id: String, _ record: ExitRecord) {
        if table.settle(id, record) { told.yield(ContainerExit(id: id, record: record)) }
    }

    /// One request, one answer.
    private func ask(_ id: String, _ request: ShimRequest) async throws -> ShimAnswer {
        let connection = try connect(id)
        do {
            try await connection.send(request)
            if let answer = try await connection.answer() { return answer }
        } catch {
            throw Self.translate(error, id)
        }
        throw RuntimeError(.notRunning, container: id, "container \(id) is not running")
    }

    /// A request after whose answer the connection carries a process's streams.
    private func open(_ id: String, _ request: ShimRequest) async throws -> ProcessConnection {
        let connection = try connect(id)
        do {
            try await connection.send(request)
            guard let answer = try await connection.answer() else {
                throw RuntimeError(.notRunning, container: id, "container \(id) is not running")
            }
            if let error = answer.error {
                let kind = answer.code.map { RuntimeError.Kind.cannotStart(code: $0) } ?? .notRunning
                throw RuntimeError(kind, container: id, error)
            }
            return ProcessConnection(pid: answer.pid ?? 0, connection: connection)
        } catch {
            throw Self.translate(error, id)
        }
    }

    private func connect(_ id: String) throws -> ShimConnection {
        guard let entry = table[id] else {
            throw RuntimeError(.notFound, container: id, "No such container: \(id)")
        }
        guard entry.record == nil, let connection = try? ShimConnection(files.socket(id), reactor: reactor) else {
            throw RuntimeError(.notRunning, container: id, "container \(id) is not running")
        }
        return connection
    }

    private func onGroup<Result: Sendable>(
        _ id: String, _ body: @escaping @Sendable (pid_t, ControlGroup) throws -> Result
    ) async throws -> Result {
        guard let entry = table[id] else {
            throw RuntimeError(.notFound, container: id, "No such container: \(id)")
        }
        guard entry.record == nil else {
            throw RuntimeError(.notRunning, container: id, "container \(id) is not running")
        }
        let (pid, group) = (entry.pid, entry.group)
        do {
            return try await workers.run { try body(pid, group) }
        } catch {
            throw Self.translate(error, id)
        }
    }

    private static func translate(_ error: any Error, _ id: String) -> any Error {
        if error is RuntimeError || error is CancellationError { return error }
        return RuntimeError(.failed, container: id, "\(error)")
    }
}
