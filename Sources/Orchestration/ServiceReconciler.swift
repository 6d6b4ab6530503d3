import ClusterModel
import Scheduling
import Values

/// Decides for one service which tasks begin and end.
struct ServiceReconciler {
    let service: ServiceObject
    let receipts: DataplaneReceipts

    func reconcile(_ working: inout WorkingState, using generator: inout some RandomNumberGenerator) {
        finishWithdrawals(&working)
        releaseHeld(&working)
        retirePredecessors(&working)
        let places = wantedPlaces(&working)
        fill(places, &working, using: &generator)
        removeSurplus(places, &working)
        if !service.spec.isGlobal { replaceDisplaced(&working, using: &generator) }
        update(places, &working, using: &generator)
        trimHistory(places, &working)
    }

    func slots(_ working: inout WorkingState) -> [SlotKey: TaskSlot] { working.slots(ofService: service.id) }

    // MARK: Steps that tasks are in

    /// Takes a task out of every map first where it may have connections, then stops it.
    func retire(_ task: TaskObject, _ working: inout WorkingState) {
        working.decide(.desire(taskID: task.id, task.status.state == .running ? .withdrawn : .shutdown))
    }

    /// A withdrawn task is stopped when no host sends anything to it any more.
    private func finishWithdrawals(_ working: inout WorkingState) {
        for task in working.state.tasks(ofService: service.id) where task.desiredState == .withdrawn {
            let isOut = task.withdrawnAt.map { receipts.cover($0, in: working.state) } ?? true
            if task.status.state.isTerminal || isOut { working.decide(.desire(taskID: task.id, .shutdown)) }
        }
    }

    /// A task that was held back runs when its delay is over and its predecessor has ended.
    private func releaseHeld(_ working: inout WorkingState) {
        for slot in slots(&working).values {
            for task in slot.tasks where task.desiredState == .ready && !task.status.state.isTerminal {
                if let moment = task.notBefore, moment > working.now {
                    working.wake(at: moment)
                    continue
                }
                let isBlocked = slot.tasks.contains { other in
                    other.id != task.id && other.desiredState >= .withdrawn && !other.status.state.isTerminal
                        && other.status.state >= .assigned
                        && working.state.nodes[other.nodeID].map { $0.status.state != .down } ?? false
                }
                if !isBlocked { working.decide(.desire(taskID: task.id, .running)) }
            }
        }
    }

    /// Where a place has two tasks and every host sends requests to the newer one, the older ones end.
    private func retirePredecessors(_ working: inout WorkingState) {
        for slot in slots(&working).values {
            let wanted = slot.wanted
            guard wanted.count > 1, let newest = wanted.last, newest.isServing,
                receipts.cover(newest.version.index, in: working.state)
            else { continue }
            for task in wanted.dropLast() { retire(task, &working) }
        }
    }

    // MARK: Which places there are

    private func wantedPlaces(_ working: inout WorkingState) -> [SlotKey] {
        guard service.spec.isGlobal else {
            let slots = slots(&working)
            let count = Int(min(service.spec.replicas, UInt64(ServiceReconciler.replicaLimit)))
            let used = slots.values.filter { !$0.wanted.isEmpty || $0.endedByItself != nil }
            if used.count >= count { return keep(count, of: Array(used)).map(\.key).sorted() }
            var keys = Set(used.map(\.key))
            var number: UInt64 = 1
            while keys.count < count {
                keys.insert(.slot(number))
                number += 1
            }
            return keys.sorted()
        }
        return working.state.nodes.values.filter { isEligible($0) }.map { .node($0.id) }.sorted()
    }

    /// The largest number of replicas of one service.
    static let replicaLimit = 100_000

    /// Whether a global service has a task on the node. A paused node keeps the one that it has.
    private func isEligible(_ node: NodeObject) -> Bool {
        guard node.status.state == .ready, node.spec.availability != .drain else { return false }
        return meetsConstraints(node)
    }

    private func meetsConstraints(_ node: NodeObject) -> Bool {
        (service.spec.taskTemplate.placement?.constraints ?? []).allSatisfy {
            (try? Constraint($0))?.matches(node) ?? false
        }
    }

    /// Which places stay when there are fewer: serving ones first, then those on nodes that have few of them.
    private func keep(_ count: Int, of slots: [TaskSlot]) -> [TaskSlot] {
        var kept: [TaskSlot] = []
        var perNode: [String: Int] = [:]
        var rest = slots.sorted { ($0.isServing ? 0 : 1, $0.key) < ($1.isServing ? 0 : 1, $1.key) }
        while kept.count < count, !rest.isEmpty {
            let best = rest.indices.min { left, right in
                func rank(_ index: Int) -> (Int, Int, Int) {
                    let slot = rest[index]
                    return (slot.isServing ? 0 : 1, perNode[slot.wanted.last?.nodeID ?? ""] ?? 0, index)
                }
                return rank(left) < rank(right)
            }!
            let slot = rest.remove(at: best)
            perNode[slot.wanted.last?.nodeID ?? "", default: 0] += 1
            kept.append(slot)
        }
        return kept
    }

    private func removeSurplus(_ places: [SlotKey], _ working: inout WorkingState) {
        let wanted = Set(places)
        for (key, slot) in slots(&working) where !wanted.contains(key) {
            for task in slot.tasks where task.desiredState <= .running {
                if task.status.state.isTerminal {
                    working.decide(.desire(taskID: task.id, .shutdown))
                } else {
                    retire(task, &working)
                }
            }
        }
    }

    // MARK: Making tasks

    /// Makes a task in a place. `held` waits for its predecessor's end or for a moment.
    func makeTask(
        _ key: SlotKey, held: Bool = false, notBefore: Timestamp? = nil, _ working: inout WorkingState,
        using generator: inout some RandomNumberGenerator
    ) {
        var slot: UInt64 = 0
        var node = ""
        switch key {
        case .slot(let number): slot = number
        case .node(let id): node = id
        }
        var task = TaskObject(
            id: Identifiers.swarm(using: &generator), createdAt: working.now, serviceID: service.id, slot: slot,
            nodeID: node, spec: service.spec.taskTemplate, specVersion: service.specVersion,
            desiredState: held || notBefore != nil ? .ready : .running)
        task.notBefore = notBefore
        task.endpoint = service.endpoint
        task.status = TaskStatus(timestamp: working.now, state: .pending, message: "pending task scheduling")
        if let notBefore { working.wake(at: notBefore) }
        working.decide(.createTask(task))
    }

    /// Every place gets a task, as the restart policy allows.
    private func fill(
        _ places: [SlotKey], _ working: inout WorkingState, using generator: inout some RandomNumberGenerator
    ) {
        let slots = slots(&working)
        for key in places where working.mutations.count < Orchestrator.mutationLimit {
            guard let slot = slots[key] else {
                makeTask(key, &working, using: &generator)
                continue
            }
            guard slot.wanted.isEmpty else { continue }
            if let ended = slot.endedByItself {
                guard let delay = restartDelay(after: ended, in: slot) else { continue }
                // A task that failed before it was due, for want of its image, does not hasten the next one.
                if let due = ended.notBefore, due > working.now {
                    working.wake(at: due)
                    continue
                }
                working.decide(.desire(taskID: ended.id, .shutdown))
                makeTask(
                    key, notBefore: ended.status.timestamp.advanced(byNanoseconds: delay), &working, using: &generator)
            } else {
                if service.spec.isGlobal, case .node(let id) = key, working.state.nodes[id]?.acceptsTasks != true {
                    continue
                }
                let stopping = slot.tasks.contains { $0.mayRun && isReachable($0, working.state) }
                makeTask(key, held: stopping, &working, using: &generator)
            }
        }
    }

    private func isReachable(_ task: TaskObject, _ state: ClusterState) -> Bool {
        state.nodes[task.nodeID].map { $0.status.state != .down } ?? false
    }

    /// Nanoseconds to wait before the next task of a place whose last one ended by itself; nil for never. The answer is
    /// of the moment when it ended: time alone does not change it.
    func restartDelay(after ended: TaskObject, in slot: TaskSlot) -> Int64? {
        let policy = service.spec.taskTemplate.restartPolicy ?? TaskTemplate.RestartPolicy()
        if ended.specVersion == service.specVersion {
            guard policy.permits(afterSuccess: ended.status.state == .complete) else { return nil }
            let window = policy.window ?? 0
            let ends = slot.tasks.count { task in
                let state = task.status.state
                guard task.specVersion == service.specVersion,
                    state == .failed || state == .complete || state == .rejected
                else { return false }
                return window == 0 || ended.status.timestamp.nanoseconds(since: task.status.timestamp) <= window
            }
            guard policy.permits(ends: ends) else { return nil }
        }
        return policy.delay ?? TaskTemplate.RestartPolicy.usualDelayNanoseconds
    }

    /// Tasks on nodes that are drained, or that no longer meet the constraints, end when their successors serve.
    private func replaceDisplaced(_ working: inout WorkingState, using generator: inout some RandomNumberGenerator) {
        for (key, slot) in slots(&working).sorted(by: { $0.key < $1.key }) {
            let wanted = slot.wanted
            guard wanted.count == 1, let task = wanted.first, task.status.state >= .assigned,
                let node = working.state.nodes[task.nodeID],
                node.spec.availability == .drain || !meetsConstraints(node)
            else { continue }
            if let failed = slot.tasks.last, failed.id != task.id, failed.status.state.isTerminal,
                failed.createdAt > task.createdAt
            {
                let moment = failed.status.timestamp.advanced(
                    byNanoseconds: TaskTemplate.RestartPolicy.usualDelayNanoseconds)
                if moment > working.now {
                    working.wake(at: moment)
                    continue
                }
            }
            makeTask(key, &working, using: &generator)
        }
    }

    // MARK: History

    /// Keeps so many ended tasks of each place as the cluster wants, and none of places that are gone.
    private func trimHistory(_ places: [SlotKey], _ working: inout WorkingState) {
        let limit = working.state.cluster?.taskHistoryLimit ?? 5
        let kept = Set(places)
        for (key, slot) in slots(&working) {
            let ended = slot.tasks.filter { task in
                guard task.desiredState >= .shutdown else { return false }
                return task.status.state.isTerminal || task.status.state < .assigned
                    || !isReachable(task, working.state)
            }
            // A place of a global service goes with its node's eligibility and comes back: its history stays.
            let attempts = Int(min(service.spec.taskTemplate.restartPolicy?.maxAttempts ?? 0, 100))
            let allowed = kept.contains(key) || service.spec.isGlobal ? max(0, limit - 1, attempts) : 0
            for task in ended.dropLast(allowed) {
                let isGone = task.status.state.isTerminal || task.status.state < .assigned
                if isGone || ended.count > limit { working.decide(.removeTask(task.id)) }
            }
        }
    }
}
