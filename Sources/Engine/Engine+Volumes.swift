import EngineModel
import LinuxSystem
import Values

/// What a volume takes and who uses it (Engine API: VolumeUsageData).
public struct VolumeUsage: Hashable, Sendable {
    public var bytes: Int64
    public var containers: Int
}

extension Engine {
    /// Makes it, or returns the one of that name. An empty name makes an anonymous one.
    public func createVolume(
        name: String, driver: String = "local", options: [String: String] = [:], labels: [String: String] = [:]
    ) async throws -> VolumeRecord {
        guard options.isEmpty else {
            throw EngineError(
                .notImplemented,
                "options of local volumes are not supported yet: use a bind mount of a mounted directory")
        }
        var generator = SystemRandomNumberGenerator()
        var labels = labels
        if name.isEmpty { labels["com.docker.volume.anonymous"] = "" }
        let wanted = VolumeRecord(
            name: name.isEmpty ? Identifiers.hex64(using: &generator) : name, createdAt: Clock.now(),
            driver: driver.isEmpty ? "local" : driver, labels: labels, isAnonymous: name.isEmpty)
        return try await locks.withLock("volumes") { try await self.makeVolume(wanted) }
    }

    private func makeVolume(_ wanted: VolumeRecord) async throws -> VolumeRecord {
        if let known = try volumeStore.existing(wanted) { return known }
        let directory = volumeStore.path(of: wanted.name)
        try await files.run { try Files.makeDirectories(directory, mode: 0o755) }
        try await store.write([.volume(wanted)], isDurable: !wanted.isAnonymous)
        volumeStore.volumes[wanted.name] = wanted
        volumeEvent(wanted.name, "create")
        return wanted
    }

    private func volumeEvent(_ name: String, _ action: String) {
        events.publish(
            EngineEvent(
                kind: .volume, action: action, id: name, attributes: ["driver": "local"], time: Clock.now()))
    }

    public func volumes() -> [VolumeRecord] { volumeStore.volumes.values.sorted { $0.name < $1.name } }

    public func volume(_ name: String) throws -> VolumeRecord {
        guard let volume = volumeStore.volumes[name] else {
            throw EngineError(.notFound, "get \(name): no such volume")
        }
        return volume
    }

    public nonisolated func mountpoint(of volume: String) -> String {
        "\(configuration.dataDirectory)/volumes/\(volume)/_data"
    }

    /// The containers that use it.
    public func users(ofVolume name: String) -> [String] {
        records.values.filter { $0.mounts.contains { $0.type == .volume && $0.name == name } }.map(\.id).sorted()
    }

    public func removeVolume(_ name: String, force: Bool = false) async throws {
        try await locks.withLock("volumes") { try await self.dropVolume(name, force: force) }
    }

    private func dropVolume(_ name: String, force: Bool) async throws {
        guard let record = volumeStore.volumes[name] else {
            if force { return }
            throw EngineError(.notFound, "get \(name): no such volume")
        }
        let users = users(ofVolume: name)
        guard users.isEmpty else {
            throw EngineError(.conflict, "remove \(name): volume is in use - [\(users.joined(separator: ", "))]")
        }
        try await store.write([.removeVolume(name)], isDurable: !record.isAnonymous)
        volumeStore.volumes[name] = nil
        let directory = "\(configuration.dataDirectory)/volumes/\(name)"
        try await bulk.run { try Files.removeTree(directory) }
        volumeEvent(name, "destroy")
    }

    /// Removes volumes without containers: anonymous ones, with the filter `all=true` named ones too.
    public func pruneVolumes(_ filters: ObjectFilters) async throws -> (deleted: [String], reclaimedBytes: Int64) {
        let filter = try PruneFilter(filters, now: Clock.now(), known: ["all"])
        let all = (filters.values["all"] ?? []).contains { $0 == "true" || $0 == "1" }
        var deleted: [String] = []
        var bytes: Int64 = 0
        for volume in volumes() where (all || volume.isAnonymous) && users(ofVolume: volume.name).isEmpty {
            guard filter.matches(volume.labels, volume.createdAt) else { continue }
            let directory = mountpoint(of: volume.name)
            let size = await bulk.run { TreeSize.bytes(directory) }
            do { try await removeVolume(volume.name) } catch let error as EngineError
                where error.kind == .conflict || error.kind == .notFound
            { continue }
            deleted.append(volume.name)
            bytes += size
        }
        return (deleted, bytes)
    }
}
