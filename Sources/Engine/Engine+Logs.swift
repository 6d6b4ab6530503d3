import EngineModel

extension Engine {
    /// What the container wrote.
    public func logs(_ reference: String, _ options: LogOptions) async throws -> LogSequence {
        let record = try record(reference)
        guard record.host.logConfig?.type != "none" else {
            throw EngineError(.notImplemented, "configured logging driver does not support reading")
        }
        return LogSequence(engine: self, id: record.id, path: paths(of: record.id).log, options: options)
    }

    /// Whether the container's process may write more.
    func mayWriteLog(_ id: String) -> Bool {
        guard let record = records[id], !isShuttingDown else { return false }
        return record.state.isRunning || record.state.status == .restarting || live[id]?.isStarting == true
    }

    /// Ticks when the log may have grown or the container's state changed.
    func logTicks(_ id: String) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let watch = LogWatcher.shared.add(paths(of: id).directory, continuation)
        let key = (live[id]?.logReaders.keys.max() ?? 0) + 1
        live[id]?.logReaders[key] = continuation
        continuation.onTermination = { [weak self] _ in
            if let watch { LogWatcher.shared.remove(watch.watch, watch.key) }
            Task { await self?.forgetLogReader(id, key) }
        }
        return stream
    }

    private func forgetLogReader(_ id: String, _ key: UInt64) { live[id]?.logReaders[key] = nil }

    func wakeLogReaders(_ id: String) {
        for continuation in live[id]?.logReaders.values ?? [:].values { continuation.yield() }
    }
}
