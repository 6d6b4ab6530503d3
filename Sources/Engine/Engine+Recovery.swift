import ContainerRuntime
import EngineModel
import LinuxSystem
import NetworkModel
import RuntimeProtocol
import Values

extension Engine {
    /// What Docker shows for a container whose end nobody saw: the host lost its power.
    static let unseenEndCode: Int32 = 255

    /// Adopts what still runs, takes in the exit status of what ended meanwhile, applies restart policies, makes
    /// networks again and removes what was half made.
    public func start() async throws {
        for record in records.values { images.hold(record.layers, for: record.id) }
        let found = await runtime.recover()
        let runs = Dictionary(found.map { ($0.id, $0) }) { first, _ in first }
        try await ensureNetworks()
        for recovered in found where records[recovered.id] == nil { await discard(recovered.id) }
        for id in records.keys.sorted() { await recover(id, runs[id]) }
        try await removeLeftovers()
        adoptClusterZones()
        if names.mayBeRunning || records.keys.contains(where: isNamed) { try? await publishNames() }
        let exits = runtime.exits
        background.append(
            Task { [weak self] in
                for await exit in exits {
                    guard let engine = self else { return }
                    // The end of one does not wait for the end of another.
                    Task { await engine.ended(exit) }
                }
            })
        for (id, run) in runs {
            if case .ended(let record) = run.state { await ended(ContainerExit(id: id, record: record)) }
        }
        await applyPolicies(runs)
        do { try await images.removeUnusedLayers() } catch {
            logger.warning("unused layers stay", metadata: ["error": "\(error)"])
        }
    }

    private func discard(_ id: String) async {
        do {
            try await runtime.delete(id)
            try await dataplane.removeSandbox(id)
        } catch {
            logger.warning("a container without a record stays", metadata: ["container": "\(id)", "error": "\(error)"])
        }
    }

    /// Brings one record and what runs into line.
    private func recover(_ id: String, _ run: RecoveredContainer?) async {
        guard let record = records[id] else { return }
        switch run?.state {
        case .running(let pid):
            adopt(id, pid)
        case .unreachable(let pid):
            // Another copy must not be started, and its end will be told.
            adopt(id, pid ?? record.state.pid)
        case .created:
            // A start that was cut off before its process ran.
            await discard(id)
            settle(id)
        case .ended:
            // The end is taken in when all are known; until then it counts as running.
            if record.state.isRunning { adopt(id, record.state.pid) } else { settle(id) }
        case nil:
            if record.state.isRunning {
                records[id]!.state.exitCode = Self.unseenEndCode
                records[id]!.state.finishedAt = Clock.now()
            }
            settle(id)
        }
        await saveQuietly(id)
    }

    /// A container that does not run: nothing of a run is left in its record.
    private func settle(_ id: String) {
        guard var record = records[id] else { return }
        record.state.pid = 0
        if record.state.finishedAt == nil, record.state.status == .created {
            record.state.startedAt = nil
        } else if record.state.status != .restarting {
            record.state.status = .exited
        }
        record.ports = []
        records[id] = record
        for name in record.endpoints.keys { releaseAddress(id, networkName: name) }
    }

    /// Takes over a container that runs: its addresses, ports, names and health checks.
    private func adopt(_ id: String, _ pid: Int32) {
        guard var record = records[id] else { return }
        if record.state.status != .paused { record.state.status = .running }
        record.state.pid = pid
        record.state.startedAt = record.state.startedAt ?? Clock.now()
        records[id] = record
        var index = 0
        for name in orderedEndpoints(record) {
            let endpoint = record.endpoints[name]!
            guard let address = IPAddress(endpoint.ipAddress) else { continue }
            try? addresses[endpoint.networkID]?.take(address)
            live[id]?.interfaces[name] = "eth\(index)"
            index += 1
        }
        for port in record.ports {
            ports.adopt(
                PortAllocator.Binding(address: port.hostAddress, port: port.hostPort, transport: port.transport),
                for: id)
        }
        if record.state.status == .running { startHealthChecks(id) }
    }

    /// Sandboxes and directories that belong to no container, or to none that runs.
    private func removeLeftovers() async throws {
        for sandbox in try await dataplane.sandboxes() where records[sandbox]?.state.isRunning != true {
            try await dataplane.removeSandbox(sandbox)
        }
        let directory = configuration.dataDirectory + "/containers"
        let known = Set(records.keys)
        let logger = logger
        await files.run {
            for name in (try? Files.list(directory)) ?? [] where !known.contains(name) {
                do { try Files.removeTree(directory + "/" + name) } catch {
                    logger.warning(
                        "a directory stays", metadata: ["path": "\(directory)/\(name)", "error": "\(error)"])
                }
            }
        }
    }

    /// Starts what is to run whenever this engine does, and removes what ended and was to go.
    private func applyPolicies(_ runs: [String: RecoveredContainer]) async {
        for record in containers().reversed() where !record.state.isRunning {
            let id = record.id
            if record.state.status == .restarting {
                scheduleRestart(id, afterNanoseconds: 0)
                continue
            }
            if record.host.autoRemove {
                Task { await self.removeAutomatically(id) }
                continue
            }
            // A container that was never started stays so.
            guard record.state.startedAt != nil else { continue }
            let isWanted: Bool
            switch record.host.restartPolicy?.name {
            case .always: isWanted = true
            case .unlessStopped: isWanted = !record.state.isStoppedByUser
            case .onFailure:
                isWanted = runs[id] == nil && record.state.exitCode != 0 && !record.state.isStoppedByUser
            default: isWanted = false
            }
            guard isWanted else { continue }
            records[id]!.state.status = .restarting
            scheduleRestart(id, afterNanoseconds: 0)
        }
    }
}
