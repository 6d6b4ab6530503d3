import EngineModel
import LinuxSystem
import Values

/// Where a container's generated files are on the host.
public struct ContainerPaths: Sendable {
    public let directory: String
    public var hostname: String { directory + "/hostname" }
    public var hosts: String { directory + "/hosts" }
    public var resolver: String { directory + "/resolv.conf" }
    public var log: String { directory + "/json.log" }
    public var upper: String { directory + "/upper" }
    public var work: String { directory + "/work" }
}

/// Sizes of a container on disk, in bytes.
public struct ContainerSize: Hashable, Sendable {
    /// The writable layer.
    public var writable: Int64
    /// The writable layer and the image.
    public var total: Int64
}

extension Engine {
    /// All containers, newest first.
    public func containers() -> [ContainerRecord] {
        records.values.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    }

    public func container(_ reference: String) throws -> ContainerRecord { try record(reference) }

    func record(_ reference: String) throws(EngineError) -> ContainerRecord {
        switch ObjectLookup.find(
            reference, names: identifiers, identifiers: records.keys, contains: { records[$0] != nil })
        {
        case .found(let id): return records[id]!
        case .none: throw .notFound(container: reference)
        case .ambiguous:
            throw EngineError(.invalidParameter, "multiple IDs found with provided prefix: \(reference)")
        }
    }

    /// The record of a container whose lock is held; it may have gone while the lock was waited for.
    func current(_ id: String) throws(EngineError) -> ContainerRecord {
        guard let record = records[id] else { throw .notFound(container: id) }
        return record
    }

    public nonisolated func paths(of containerID: String) -> ContainerPaths {
        ContainerPaths(directory: "\(configuration.dataDirectory)/containers/\(containerID)")
    }

    public func size(of reference: String) async throws -> ContainerSize {
        let record = try record(reference)
        let upper = paths(of: record.id).upper
        let layers = record.layers
        return await bulk.run {
            let writable = TreeSize.bytes(upper)
            return ContainerSize(writable: writable, total: writable + layers.reduce(0) { $0 + TreeSize.bytes($1) })
        }
    }

    /// Registers with the container; the answer comes from the handle.
    public func wait(for reference: String, condition: WaitCondition = .notRunning) throws -> ContainerWait {
        let record = try record(reference)
        let state = record.state
        guard !isShuttingDown else { throw EngineError(.unavailable, "the engine is shutting down") }
        if condition == .notRunning, !state.isRunning, live[record.id]?.isStarting != true {
            return WaitQueue.answered(
                WaitResult(exitCode: state.exitCode, error: state.error.isEmpty ? nil : state.error))
        }
        return live[record.id, default: LiveContainer()].waiters.add(condition)
    }
}
