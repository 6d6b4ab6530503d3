import ClusterModel
import Values

extension ServiceReconciler {
    private var isRollback: Bool {
        switch service.updateStatus?.state {
        case .rollbackStarted, .rollbackPaused, .rollbackCompleted: true
        default: false
        }
    }

    private var isPaused: Bool {
        service.updateStatus?.state == .paused || service.updateStatus?.state == .rollbackPaused
    }

    private var isUnderWay: Bool {
        service.updateStatus?.state == .updating || service.updateStatus?.state == .rollbackStarted
    }

    private var configuration: UpdateConfiguration {
        isRollback ? service.spec.effectiveRollback : service.spec.effectiveUpdate
    }

    /// Replaces tasks of another version, so many places at a time; a place is done when its new task serves, every
    /// host knows it, the old one was told to end, and the delay is over.
    func update(
        _ places: [SlotKey], _ working: inout WorkingState, using generator: inout some RandomNumberGenerator
    ) {
        if isUnderWay, react(toFailuresIn: places.count, &working) { return }
        guard !isPaused else { return }
        let slots = slots(&working)
        var dirty: [TaskSlot] = []
        var busy = 0
        var latest = service.updateStatus?.startedAt ?? service.createdAt
        for key in places {
            guard let slot = slots[key] else { continue }
            let wanted = slot.wanted
            guard let current = wanted.last(where: { $0.specVersion == service.specVersion }) else {
                if !wanted.isEmpty { dirty.append(slot) }
                continue
            }
            let isSettled = current.isServing && receipts.cover(current.version.index, in: working.state)
            let isRetiring = slot.tasks.contains { $0.desiredState == .withdrawn && !$0.status.state.isTerminal }
            if !isSettled || wanted.count > 1 || isRetiring {
                busy += 1
                continue
            }
            latest = max(latest, current.updatedAt)
            let free = current.updatedAt.advanced(byNanoseconds: configuration.delay)
            if isUnderWay, configuration.delay > 0, free > working.now {
                busy += 1
                working.wake(at: free)
            }
        }
        if dirty.isEmpty {
            if busy == 0, isUnderWay { complete(after: latest, &working) }
            return
        }
        let parallelism = configuration.parallelism == 0 ? UInt64(places.count) : configuration.parallelism
        // Places whose task does not serve lose nothing: they come first.
        dirty.sort { ($0.isServing ? 1 : 0, $0.key) < ($1.isServing ? 1 : 0, $1.key) }
        for slot in dirty.prefix(max(0, Int(min(parallelism, 100_000)) - busy)) {
            replace(slot, &working, using: &generator)
        }
    }

    private func replace(
        _ slot: TaskSlot, _ working: inout WorkingState, using generator: inout some RandomNumberGenerator
    ) {
        // A new task that failed before is not tried again at once.
        var moment: Timestamp?
        if let failed = slot.tasks.last, failed.specVersion == service.specVersion, failed.status.state.isTerminal {
            guard let delay = restartDelay(after: failed, in: slot) else { return }
            if let due = failed.notBefore, due > working.now { return working.wake(at: due) }
            working.decide(.desire(taskID: failed.id, .shutdown))
            moment = failed.status.timestamp.advanced(byNanoseconds: delay)
        }
        if configuration.startsFirst {
            makeTask(slot.key, notBefore: moment, &working, using: &generator)
        } else {
            for task in slot.wanted { retire(task, &working) }
            makeTask(slot.key, held: true, notBefore: moment, &working, using: &generator)
        }
    }

    /// New tasks that failed early stop the update as its configuration says; true where it was stopped.
    private func react(toFailuresIn placeCount: Int, _ working: inout WorkingState) -> Bool {
        guard configuration.failureAction != "continue", let startedAt = service.updateStatus?.startedAt else {
            return false
        }
        let failed = working.state.tasks(ofService: service.id).filter { task in
            guard task.specVersion == service.specVersion, task.createdAt >= startedAt,
                task.status.state == .failed || task.status.state == .rejected
            else { return false }
            // One that never was ready failed however long it took.
            guard let readyAt = task.readyAt else { return true }
            return task.status.timestamp.nanoseconds(since: readyAt) <= configuration.effectiveMonitor
        }
        guard let example = failed.map(\.id).min(),
            Double(failed.count) / Double(max(1, placeCount)) > configuration.maxFailureRatio
        else { return false }
        let reason = "due to failure or early termination of task \(example)"
        if configuration.failureAction == "rollback", !isRollback {
            var object = service
            if object.rollBack(message: "update rolled back \(reason)", at: working.now) {
                working.decide(.putService(object, expected: service.version.index))
                // It cannot go back where a network or a port of the old specification is somebody else's now.
                if working.state.services[service.id]?.updateStatus?.state == .rollbackStarted { return true }
            }
        }
        let status = UpdateStatus(
            state: isRollback ? .rollbackPaused : .paused, startedAt: startedAt,
            message: "\(isRollback ? "rollback" : "update") paused \(reason)")
        working.decide(.progress(serviceID: service.id, status))
        return true
    }

    /// An update is complete when its last task was watched long enough.
    private func complete(after latest: Timestamp, _ working: inout WorkingState) {
        let moment = latest.advanced(byNanoseconds: configuration.effectiveMonitor)
        guard moment <= working.now || configuration.failureAction == "continue" else {
            working.wake(at: moment)
            return
        }
        let status = UpdateStatus(
            state: isRollback ? .rollbackCompleted : .completed, startedAt: service.updateStatus?.startedAt,
            completedAt: working.now, message: isRollback ? "rollback completed" : "update completed")
        working.decide(.progress(serviceID: service.id, status))
    }
}
