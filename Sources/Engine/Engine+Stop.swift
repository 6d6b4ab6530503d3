import ContainerRuntime
import EngineModel
import Glibc
import LinuxSystem
import RuntimeProtocol
import Values

extension Engine {
    /// How long a container may take to end after its stop signal, in seconds (Docker).
    static let defaultStopSeconds = 10

    /// Signal, grace, SIGKILL; returns when it has ended. `notModified` where it does not run. `timeoutSeconds` nil
    /// takes the container's own (10), negative waits without end.
    public func stopContainer(_ reference: String, signal: String? = nil, timeoutSeconds: Int? = nil) async throws {
        let id = try record(reference).id
        let number = try signal.map(Signals.parse)
        try await locks.withLock(id) { try await self.stopLocked(id, number, timeoutSeconds) }
    }

    private func stopLocked(_ id: String, _ signal: Int32?, _ timeoutSeconds: Int?) async throws {
        let record = try current(id)
        if record.state.status == .restarting {
            live[id]?.restart?.cancel()
            live[id]?.restart = nil
            records[id]!.state.status = .exited
            records[id]!.state.isStoppedByUser = true
            try await save(id, isDurable: true)
            publish(record, "stop")
            if record.host.autoRemove { Task { await self.removeAutomatically(id) } }
            return
        }
        guard record.state.isRunning else {
            throw EngineError(.notModified, "container \(id) is already stopped")
        }
        records[id]!.state.isStoppedByUser = true
        let stopSignal =
            try signal ?? record.configuration.stopSignal.flatMap { $0.isEmpty ? nil : $0 }
            .map(Signals.parse) ?? SIGTERM
        let seconds = timeoutSeconds ?? record.configuration.stopTimeout ?? Self.defaultStopSeconds
        try await endProcess(id, signal: stopSignal, graceSeconds: seconds)
        // Known after a crash too, so that no policy starts it again.
        try await save(id, isDurable: record.host.restartPolicy?.name == .unlessStopped)
        if let record = records[id] { publish(record, "stop") }
    }

    /// Sends the signal, after the grace SIGKILL, and returns when the container has ended.
    private func endProcess(_ id: String, signal: Int32, graceSeconds: Int) async throws {
        let grace = try wait(for: id, condition: .nextExit)
        let end = try wait(for: id, condition: .nextExit)
        guard records[id]?.state.isRunning == true else { return }
        try await send(signal, to: id)
        if graceSeconds < 0 {
            _ = try await end.result()
            return
        }
        let hasEnded = try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                _ = try await grace.result()
                return true
            }
            group.addTask {
                try await Task.sleep(for: .seconds(graceSeconds))
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
        if !hasEnded {
            try await send(SIGKILL, to: id)
            _ = try await end.result()
        }
    }

    /// A signal to the first process; a paused container goes on when the signal is to end it.
    private func send(_ signal: Int32, to id: String) async throws {
        let record = try current(id)
        do {
            // Without a namespace of its own nothing ends the others with the first.
            try await runtime.kill(
                id, signal: signal, wholeGroup: signal == SIGKILL && record.host.pidMode == "host")
            if record.state.status == .paused {
                try await runtime.resume(id)
                if records[id]?.state.status == .paused { records[id]!.state.status = .running }
            }
        } catch let error as RuntimeError where error.kind == .notRunning || error.kind == .notFound {
            // It ends by itself right now; whoever waits for the end sees it.
        }
        publish(record, "kill", ["signal": "\(signal)"])
    }

    public func restartContainer(_ reference: String, signal: String? = nil, timeoutSeconds: Int? = nil) async throws {
        let id = try record(reference).id
        let number = try signal.map(Signals.parse)
        try await locks.withLock(id) {
            do { try await self.stopLocked(id, number, timeoutSeconds) } catch let error as EngineError
                where error.kind == .notModified
            {}
            try await self.startLocked(id)
            if let record = await self.records[id] { await self.publish(record, "restart") }
        }
    }

    /// `signal` by name (`KILL`, `SIGTERM`) or number; KILL by default.
    public func killContainer(_ reference: String, signal: String? = nil) async throws {
        let id = try record(reference).id
        let number = try Signals.parse(signal.flatMap { $0.isEmpty ? nil : $0 } ?? "KILL")
        let record = try current(id)
        guard record.state.isRunning || record.state.status == .restarting else {
            throw EngineError(.conflict, "container \(id) is not running")
        }
        let stopSignal = try record.configuration.stopSignal.flatMap { $0.isEmpty ? nil : $0 }.map(Signals.parse)
        if [SIGKILL, stopSignal ?? SIGTERM].contains(number) { records[id]!.state.isStoppedByUser = true }
        if record.state.status == .restarting {
            try await locks.withLock(id) { try await self.stopLocked(id, number, 0) }
            return
        }
        let end = number == SIGKILL ? try wait(for: id, condition: .nextExit) : nil
        guard records[id]?.state.isRunning == true else { return }
        try await send(number, to: id)
        // Docker answers when the container has ended.
        _ = try await end?.result()
    }

    public func pauseContainer(_ reference: String) async throws {
        let id = try record(reference).id
        try await locks.withLock(id) { try await self.setPaused(id, true) }
    }

    public func unpauseContainer(_ reference: String) async throws {
        let id = try record(reference).id
        try await locks.withLock(id) { try await self.setPaused(id, false) }
    }

    private func setPaused(_ id: String, _ isPaused: Bool) async throws {
        let status = try current(id).state.status
        if isPaused {
            if status == .paused { throw EngineError(.conflict, "container \(id) is already paused") }
            if status == .restarting {
                throw EngineError(.conflict, "container \(id) is restarting, wait until the container is running")
            }
            guard status == .running else { throw EngineError(.conflict, "container \(id) is not running") }
            try await runtime.pause(id)
        } else {
            guard status == .paused else { throw EngineError(.conflict, "container \(id) is not paused") }
            try await runtime.resume(id)
        }
        guard records[id]?.state.isRunning == true else { return }
        records[id]!.state.status = isPaused ? .paused : .running
        try await save(id)
        publish(records[id]!, isPaused ? "pause" : "unpause")
    }

    public func resizeContainer(_ reference: String, rows: UInt16, columns: UInt16) async throws {
        let record = try record(reference)
        guard record.state.isRunning else {
            throw EngineError(.conflict, "container \(record.id) is not running")
        }
        try await runtime.resize(record.id, rows: rows, columns: columns)
        publish(record, "resize", ["height": "\(rows)", "width": "\(columns)"])
    }
}
