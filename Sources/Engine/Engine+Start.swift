import ContainerRuntime
import EngineModel
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import Values

extension Engine {
    /// `notModified` where it runs.
    public func startContainer(_ reference: String) async throws {
        let id = try record(reference).id
        try await locks.withLock(id) { try await self.startLocked(id) }
    }

    /// Starts a container whose lock is held. `isRestart` is the restart policy's doing.
    func startLocked(_ id: String, isRestart: Bool = false) async throws {
        _ = try current(id)
        if live[id, default: LiveContainer()].isEnding {
            _ = try await live[id, default: LiveContainer()].waiters.add(.nextExit).result()
        }
        let record = try current(id)
        switch record.state.status {
        case .running: throw EngineError(.notModified, "container \(id) is already running")
        case .paused: throw EngineError(.conflict, "cannot start a paused container, try unpause instead")
        case .removing, .dead:
            throw EngineError(.conflict, "container is marked for removal and cannot be started")
        case .created, .restarting, .exited: break
        }
        live[id, default: LiveContainer()].isStarting = true
        live[id]!.restart?.cancel()
        live[id]!.restart = nil
        live[id]!.earlyExit = nil
        if !isRestart {
            live[id]!.quickEnds = 0
            records[id]!.state.restartCount = 0
        }
        records[id]!.state.isStoppedByUser = false
        do {
            try await bringUp(id)
        } catch {
            await failed(id, error)
            throw Self.startError(error)
        }
        live[id]?.isStarting = false
        if let exit = live[id]?.earlyExit {
            live[id]?.earlyExit = nil
            Task { await self.ended(exit) }
        }
    }

    /// A start that did not succeed leaves nothing but its reason.
    private func failed(_ id: String, _ error: any Error) async {
        await takeDown(id)
        do { try await runtime.delete(id) } catch let error as RuntimeError where error.kind == .notFound {
        } catch {
            logger.warning(
                "a half-made container was not removed", metadata: ["container": "\(id)", "error": "\(error)"])
        }
        for stream in live[id]?.pendingStreams ?? [] { stream.close() }
        live[id]?.pendingStreams = []
        live[id]?.isStarting = false
        live[id]?.earlyExit = nil
        guard var record = records[id] else { return }
        // A container that never ran stays created.
        record.state.status = record.state.finishedAt == nil ? .created : .exited
        if record.state.finishedAt == nil { record.state.startedAt = nil }
        record.state.pid = 0
        record.state.exitCode = (error as? RuntimeError)?.exitCode ?? 128
        record.state.error = Self.startError(error).message
        records[id] = record
        await saveQuietly(id)
        live[id]?.waiters.exited(WaitResult(exitCode: record.state.exitCode, error: record.state.error))
        wakeLogReaders(id)
        if record.host.autoRemove { Task { await self.removeAutomatically(id) } }
    }

    static func startError(_ error: any Error) -> EngineError {
        switch error {
        case let error as EngineError: error
        case let error as RuntimeError:
            EngineError(
                error.exitCode == 126 || error.exitCode == 127 ? .invalidParameter : .internalError,
                "failed to create task for container: \(error)")
        default: EngineError(.internalError, "\(error)")
        }
    }

    /// Namespaces, networks, files, the runtime's container, names, and at last the first process.
    private func bringUp(_ id: String) async throws {
        try await resolveNetworks(id)
        let record = try current(id)
        let identity = try await identity(of: record)
        let network = try await prepareNetwork(record)
        try await writeIdentityFiles(id, identity, addresses: ownAddresses(id))
        let paths = paths(of: id)
        let builder = SpecificationBuilder(
            record: try current(id),
            host: SpecificationBuilder.Host(
                paths: paths, network: network, pid: try namespace(record.host.pidMode, "pid"),
                ipc: try namespace(record.host.ipcMode, "ipc"), hostname: identity.hostname,
                identityFiles: identity.files, volumePath: mountpoint))
        let specification = try builder.specification()
        // The kernel needs its time for links and for the container's mounts: both at once.
        async let pid = runtime.create(specification)
        async let connected: Void = connectNetworks(id)
        do { try await connected } catch {
            _ = try? await pid
            throw error
        }
        let process = try await pid
        for stream in live[id]?.pendingStreams ?? [] {
            stream.connect(try await runtime.attach(id, input: stream.hasInput))
        }
        live[id]?.pendingStreams = []
        if isNamed(id) { try await publishNames(for: id) }
        records[id]?.state.pid = process
        records[id]?.state.startedAt = Clock.now()
        // With addresses and ports on record, a crash from here on leaves a container that can be adopted whole.
        try await save(id)
        try await runtime.start(id)
        guard records[id] != nil else { throw EngineError.notFound(container: id) }
        records[id]!.state.status = .running
        records[id]!.state.error = ""
        records[id]!.state.exitCode = 0
        records[id]!.state.oomKilled = false
        records[id]!.state.finishedAt = nil
        records[id]!.state.health = probe(of: records[id]!) == nil ? nil : HealthState()
        try await save(id, isDurable: restartsAfterBoot(records[id]!))
        for name in orderedEndpoints(records[id]!) {
            if let network = networkRecords[records[id]!.endpoints[name]!.networkID] {
                networkEvent(network, "connect", container: id)
            }
        }
        publish(records[id]!, "start")
        startHealthChecks(id)
        wakeLogReaders(id)
    }

    /// Whether the host has to know after a loss of power that this container ran.
    private func restartsAfterBoot(_ record: ContainerRecord) -> Bool {
        record.host.restartPolicy?.name == .always || record.host.restartPolicy?.name == .unlessStopped
    }

    private func namespace(_ mode: String, _ kind: String) throws(EngineError) -> NamespaceChoice {
        if mode == "host" { return .host }
        guard mode.hasPrefix("container:") else { return .new }
        let other = try record(String(mode.dropFirst(10)))
        guard other.state.pid > 0 else {
            throw EngineError(.conflict, "cannot join \(kind) namespace of a non running container: \(other.name)")
        }
        return .path("/proc/\(other.state.pid)/ns/\(kind)")
    }
}
