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

    let told: AsyncStream<ContainerExit>.Continuation
    let files: ShimFilesystem
    let reactor: Reactor
    let workers = WorkerThreads(count: 4)
    let table = ContainerTable()
    let logger: Logger
    var patience: ShimPatience { files.patience }
    /// Containers that were here when this process came.
    let earlier: [String]

    /// - Parameters:
    ///   - runtimePath: the program `martlet-runtime`.
    ///   - dataDirectory: what survives a reboot of the host.
    ///   - runDirectory: what does not.
    public init(
        runtimePath: String, dataDirectory: String, runDirectory: String, patience: ShimPatience = ShimPatience(),
        logger: Logger = Logger(label: "runtime")
    ) throws {
        files = ShimFilesystem(
            runtimePath: runtimePath, dataDirectory: dataDirectory, runDirectory: runDirectory, patience: patience,
            logger: logger)
        self.logger = logger
        (exits, told) = AsyncStream.makeStream()
        try Files.makeDirectories(dataDirectory + "/containers", mode: 0o711)
        try Files.makeDirectories(runDirectory + "/containers", mode: 0o700)
        earlier = try files.all()
        reactor = try Reactor()
        try reactor.start()
    }

    /// Makes the container's namespaces, mounts and groups; its first process waits for `start`. Attach between the two
    /// to miss no output. An earlier run of the same id must have ended; its exit record is replaced.
    public func create(_ specification: ContainerSpecification) async throws -> pid_t {
        let id = specification.id
        guard ShimFilesystem.isValid(id) else { throw RuntimeError(.failed, container: id, "invalid container id") }
        try await table.reserve(id)
        var specification = specification
        specification.process.limitOpenFiles()
        let (files, wanted) = (files, specification)
        do {
            let shim = try await workers.run { try files.start(wanted) }
            table.fill(id, ContainerTable.Entry(pid: shim.containerPid, shim: shim))
            watch(id)
            return shim.containerPid
        } catch {
            table.release(id)
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
        table.markStarted(id, pid: answer.pid)
    }

    /// Sends a signal to the first process, or to every process of the container.
    public func kill(_ id: String, signal: Int32, wholeGroup: Bool = false) async throws {
        let answer = try await ask(id, .kill(signal: signal, wholeGroup: wholeGroup), within: patience.answer)
        if let error = answer.error { throw RuntimeError(.failed, container: id, error) }
    }

    /// Waits for the container's end; answers at once for one that has ended, also while the daemon was away.
    public func wait(_ id: String) async throws -> ExitRecord {
        if let record = try await table.wait(id) { return record }
        if let record = try await record(id) { return record }
        throw RuntimeError(.notFound, container: id, "No such container: \(id)")
    }

    /// Where the container stands; nil for one that is not known.
    public func state(_ id: String) async -> ContainerState? {
        if let entry = table[id] { return entry.state }
        return (try? await record(id)).flatMap { $0 }.map { .ended($0) }
    }

    private func record(_ id: String) async throws -> ExitRecord? {
        guard ShimFilesystem.isValid(id) else { return nil }
        let files = files
        return try await workers.run { try files.record(id) }
    }

    /// The first process's output from now on, and its input where `input` says so.
    public func attach(_ id: String, input: Bool) async throws -> ProcessConnection {
        try await open(id, .attach(hasInput: input))
    }

    /// Starts another process in a running container. It goes on when the connection is closed.
    public func exec(_ id: String, execID: String, _ process: ProcessSpecification) async throws -> ProcessConnection {
        var process = process
        process.limitOpenFiles()
        return try await open(id, .exec(id: execID, process: process))
    }

    /// Sets the size of the first process's terminal, or of the one of `exec`.
    public func resize(_ id: String, exec: String? = nil, rows: UInt16, columns: UInt16) async throws {
        let request = ShimRequest.resize(exec: exec, rows: rows, columns: columns)
        let answer = try await ask(id, request, within: patience.answer)
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
        try await onGroup(id) { _, group in group.processes(recursive: true) }
    }

    /// Kills the container where it still runs, waits for its shim's end, and removes the runtime's files of it:
    /// specification, exit record, run directory. Logs and writable layer stay; they are the caller's. A shim that does
    /// not answer is killed with its container.
    public func delete(_ id: String) async throws {
        guard ShimFilesystem.isValid(id) else { return }
        let files = files
        do {
            let isWatched = table[id] != nil
            if isWatched {
                try await end(id)
                await table.farewell(id)
            }
            try await table.reserve(id)
            defer { table.release(id) }
            try await workers.run {
                if !isWatched, try files.lives(id) {
                    try files.endShim(id)
                    _ = try files.bury(id)
                }
                try files.remove(id)
            }
        } catch {
            throw Self.translate(error, id)
        }
    }

    private func end(_ id: String) async throws {
        guard table[id]?.record == nil else { return }
        do {
            _ = try await ask(id, .kill(signal: SIGKILL, wholeGroup: true), within: patience.answer)
        } catch let error as RuntimeError where error.kind == .notRunning || error.kind == .notFound {
            // It ends by itself right now.
        } catch let error as RuntimeError {
            logger.warning("a shim is killed", metadata: ["container": "\(id)", "reason": "\(error)"])
            let files = files
            try await workers.run { try files.endShim(id) }
        }
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
        guard let shim = entry.shim else {
            throw RuntimeError(.failed, container: id, "the state of container \(id) cannot be read")
        }
        do {
            return try await workers.run { try body(shim.containerPid, ControlGroup(directories: shim.cgroups)) }
        } catch {
            throw Self.translate(error, id)
        }
    }

    static func translate(_ error: any Error, _ id: String) -> any Error {
        if error is RuntimeError || error is CancellationError { return error }
        return RuntimeError(.failed, container: id, "\(error)")
    }
}
