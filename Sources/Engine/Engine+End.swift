import ContainerRuntime
import EngineModel
import LinuxSystem
import RuntimeProtocol
import Values

extension Engine {
    /// A run at least so long sets the restarts' back-off to its beginning again, in nanoseconds (Docker).
    static let longRunNanoseconds: Int64 = 10_000_000_000

    /// A container's first process has ended: takes the networks down, notes how, and starts it again where its policy
    /// says so.
    func ended(_ exit: ContainerExit) async {
        let id = exit.id
        guard let record = records[id] else { return }
        let finished = Timestamp(nanosecondsSinceEpoch: exit.record.finishedAt)
        // The end of an earlier run that was told late.
        if let started = record.state.startedAt, finished < started { return }
        if live[id]?.isStarting == true {
            live[id]!.earlyExit = exit
            return
        }
        guard record.state.isRunning, live[id]?.isEnding != true else { return }
        live[id, default: LiveContainer()].isEnding = true
        live[id]!.health?.cancel()
        live[id]!.health = nil
        await takeDown(id)
        live[id]?.isEnding = false
        guard records[id] != nil else { return }
        records[id]!.state.pid = 0
        records[id]!.state.exitCode = exit.record.code
        records[id]!.state.oomKilled = exit.record.oomKilled
        records[id]!.state.finishedAt = finished
        if let reason = exit.record.error { records[id]!.state.error = reason }
        forgetExecs(of: id)
        let runtime = finished.nanoseconds(since: record.state.startedAt ?? finished)
        if runtime >= Self.longRunNanoseconds { live[id]!.quickEnds = 0 }
        let decision =
            isShuttingDown
            ? .stay
            : RestartDecision.decide(
                policy: record.host.restartPolicy, state: records[id]!.state, quickEnds: live[id]!.quickEnds)
        if case .restart = decision {
            records[id]!.state.status = .restarting
        } else {
            records[id]!.state.status = .exited
        }
        await saveQuietly(id)
        guard let record = records[id] else { return }
        if exit.record.oomKilled { publish(record, "oom") }
        publish(
            record, "die",
            ["exitCode": "\(exit.record.code)", "execDuration": "\(max(0, runtime) / 1_000_000_000)"])
        live[id]?.waiters.exited(WaitResult(exitCode: exit.record.code, error: exit.record.error))
        wakeLogReaders(id)
        if case .restart(let delay) = decision {
            scheduleRestart(id, afterNanoseconds: delay)
        } else if record.host.autoRemove {
            Task { await self.removeAutomatically(id) }
        }
    }

    func scheduleRestart(_ id: String, afterNanoseconds delay: Int64) {
        live[id]?.restart?.cancel()
        live[id]?.restart = Task {
            do { try await Task.sleep(for: .nanoseconds(delay)) } catch { return }
            await self.restartByPolicy(id)
        }
    }

    private func restartByPolicy(_ id: String) async {
        await locks.withLock(id) {
            guard await self.beginsRestart(id) else { return }
            do { try await self.startLocked(id, isRestart: true) } catch {
                await self.restartFailed(id, error)
            }
        }
    }

    /// Whether the container still waits for its restart; counts it.
    private func beginsRestart(_ id: String) -> Bool {
        guard records[id]?.state.status == .restarting, !isShuttingDown else { return false }
        live[id]?.restart = nil
        live[id]?.quickEnds += 1
        records[id]!.state.restartCount += 1
        return true
    }

    private func restartFailed(_ id: String, _ error: any Error) async {
        logger.warning("a container could not be started again", metadata: ["container": "\(id)", "error": "\(error)"])
        guard let record = records[id], live[id] != nil else { return }
        let decision = RestartDecision.decide(
            policy: record.host.restartPolicy, state: record.state, quickEnds: live[id]!.quickEnds)
        guard case .restart(let delay) = decision, !isShuttingDown else { return }
        records[id]!.state.status = .restarting
        await saveQuietly(id)
        scheduleRestart(id, afterNanoseconds: delay)
    }

    /// `--rm`: the container has ended.
    func removeAutomatically(_ id: String) async {
        do {
            try await locks.withLock(id) {
                guard try await !self.current(id).state.isRunning else { return }
                try await self.removeLocked(id, force: false, removeVolumes: true)
            }
        } catch let error as EngineError where error.kind == .notFound {
        } catch {
            logger.error(
                "a container was not removed at its end", metadata: ["container": "\(id)", "error": "\(error)"])
        }
    }
}
