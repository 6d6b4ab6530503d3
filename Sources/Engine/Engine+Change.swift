import ContainerRuntime
import EngineModel
import LinuxSystem
import RuntimeProtocol
import Values

extension Engine {
    public func renameContainer(_ reference: String, to name: String) async throws {
        let id = try record(reference).id
        try await locks.withLock(id) { try await self.renameLocked(id, to: name) }
    }

    private func renameLocked(_ id: String, to wanted: String) async throws {
        let name = wanted.hasPrefix("/") ? String(wanted.dropFirst()) : wanted
        let old = try current(id).name
        guard !name.isEmpty else { throw EngineError(.invalidParameter, "New name cannot be empty") }
        guard name != old else {
            throw EngineError(.invalidParameter, "Renaming a container with the same name as its current name")
        }
        guard ContainerNames.isValid(name) else {
            throw EngineError(
                .invalidParameter, "Invalid container name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        }
        if let owner = identifiers[name] {
            let conflict = Self.nameConflict(name, owner)
            throw EngineError(conflict.kind, "Error when allocating new name: \(conflict.message)")
        }
        identifiers[name] = id
        records[id]!.name = name
        do { try await save(id, isDurable: true) } catch {
            identifiers[name] = nil
            records[id]?.name = old
            throw error
        }
        identifiers[old] = nil
        guard let record = records[id] else { return }
        for network in record.endpoints.keys where !(record.endpoints[network]!.dnsNames ?? []).isEmpty {
            records[id]!.endpoints[network]!.dnsNames = dnsNames(record, record.endpoints[network]!)
        }
        if isNamed(id) { try await publishNames() }
        publish(record, "rename", ["oldName": "/" + old])
    }

    /// Changes limits and the restart policy; members of `update` that are missing stay. Returns warnings.
    public func updateContainer(_ reference: String, _ update: ContainerUpdate) async throws -> [String] {
        let id = try record(reference).id
        return try await locks.withLock(id) { try await self.updateLocked(id, update) }
    }

    private func updateLocked(_ id: String, _ update: ContainerUpdate) async throws -> [String] {
        let record = try current(id)
        var host = record.host
        func set<Value: Equatable>(_ path: WritableKeyPath<HostConfiguration, Value>, _ value: Value?, zero: Value) {
            if let value, value != zero { host[keyPath: path] = value }
        }
        set(\.cpuShares, update.cpuShares, zero: 0)
        set(\.memory, update.memory, zero: 0)
        set(\.memoryReservation, update.memoryReservation, zero: 0)
        set(\.memorySwap, update.memorySwap, zero: 0)
        set(\.nanoCpus, update.nanoCpus, zero: 0)
        set(\.cpuPeriod, update.cpuPeriod, zero: 0)
        set(\.cpuQuota, update.cpuQuota, zero: 0)
        set(\.cpusetCpus, update.cpusetCpus, zero: "")
        set(\.cpusetMems, update.cpusetMems, zero: "")
        if let pids = update.pidsLimit { host.pidsLimit = pids }
        if host.memory > 0, host.memory < Self.minimumMemory {
            throw EngineError(.invalidParameter, "Minimum memory limit allowed is 6MB")
        }
        if host.memorySwap > 0, host.memory > host.memorySwap {
            throw EngineError(
                .conflict,
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same "
                    + "time"
            )
        }
        if let policy = update.restartPolicy, policy.name != .unset {
            guard !host.autoRemove || policy.name == .no else {
                throw EngineError(
                    .invalidParameter,
                    "Restart policy cannot be updated because AutoRemove is enabled for the container")
            }
            host.restartPolicy = policy
        }
        if record.state.isRunning { try await runtime.update(id, SpecificationBuilder.limits(host)) }
        guard records[id] != nil else { throw EngineError.notFound(container: id) }
        records[id]!.host = host
        try await save(id, isDurable: true)
        publish(record, "update")
        return []
    }

    /// - Parameter removeVolumes: its anonymous volumes too.
    public func removeContainer(_ reference: String, force: Bool = false, removeVolumes: Bool = false) async throws {
        let id = try record(reference).id
        try await locks.withLock(id) { try await self.removeLocked(id, force: force, removeVolumes: removeVolumes) }
    }

    func removeLocked(_ id: String, force: Bool, removeVolumes: Bool) async throws {
        let record = try current(id)
        if record.state.isRunning || record.state.status == .restarting {
            guard force else {
                let state = record.state.status == .paused ? "paused" : "running"
                let advice =
                    state == "paused"
                    ? "unpause and then stop the container before removing or force remove"
                    : "stop the container before removing or force remove"
                throw EngineError(
                    .conflict, "cannot remove container \"/\(record.name)\": container is \(state): \(advice)")
            }
            live[id]?.restart?.cancel()
            live[id]?.restart = nil
            if record.state.isRunning {
                records[id]!.state.isStoppedByUser = true
                // What ends it by itself must not remove it at the same time.
                records[id]!.host.autoRemove = false
                try await killContainer(id)
            }
        }
        records[id]?.state.status = .removing
        do { try await runtime.delete(id) } catch let error as RuntimeError where error.kind == .notFound {
        } catch {
            records[id]?.state.status = .dead
            throw error
        }
        await takeDown(id)
        try await store.write([.removeContainer(id)], isDurable: !record.host.autoRemove)
        let directory = paths(of: id).directory
        do { try await files.run { try Files.removeTree(directory) } } catch {
            logger.error(
                "a container's files stay until the next start", metadata: ["container": "\(id)", "error": "\(error)"])
        }
        let exitCode = records[id]?.state.exitCode ?? 0
        records[id] = nil
        identifiers[record.name] = nil
        forgetExecs(of: id)
        for stream in live[id]?.pendingStreams ?? [] { stream.close() }
        wakeLogReaders(id)
        await images.release(container: id)
        if removeVolumes || record.host.autoRemove {
            for mount in record.mounts where mount.isAnonymous {
                guard let name = mount.name, users(ofVolume: name).isEmpty else { continue }
                try? await removeVolume(name, force: true)
            }
        }
        live[id]?.waiters.removed(WaitResult(exitCode: exitCode))
        live[id] = nil
        publish(record, "destroy")
    }

    /// Removes what does not run (filters `label`, `label!`, `until`).
    public func pruneContainers(_ filters: ObjectFilters) async throws -> (deleted: [String], reclaimedBytes: Int64) {
        let filter = try PruneFilter(filters, now: Clock.now())
        var deleted: [String] = []
        var bytes: Int64 = 0
        for record in containers() where record.state.status == .exited || record.state.status == .created {
            guard filter.matches(record.configuration.labels, record.createdAt), live[record.id]?.isStarting != true
            else { continue }
            let upper = paths(of: record.id).upper
            let size = await bulk.run { TreeSize.bytes(upper) }
            do { try await removeContainer(record.id) } catch let error as EngineError
                where error.kind == .conflict || error.kind == .notFound
            { continue }
            deleted.append(record.id)
            bytes += size
        }
        return (deleted, bytes)
    }
}
