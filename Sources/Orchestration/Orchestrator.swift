import ClusterModel
import Scheduling
import Values

/// What orchestration decided, and when it wants to be asked again at the latest.
public struct OrchestrationPlan: Sendable {
    public var mutations: [Mutation]
    public var wakeAt: Timestamp?
}

/// Brings the tasks of all services to what their specifications want: a pure function of a state, what the hosts' data
/// planes have applied, and a time. It keeps nothing between two calls, so that a new leader goes on where the last
/// stood.
public enum Orchestrator {
    /// At most so many mutations in one plan; the rest follows in the next.
    public static let mutationLimit = 2000

    public static func plan(
        _ state: ClusterState, receipts: DataplaneReceipts, now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) -> OrchestrationPlan {
        var working = WorkingState(state, now: now)
        allocateHosts(&working)
        releaseLostTasks(&working)
        for service in state.services.values.sorted(by: { $0.id < $1.id }) where working.mutations.count < mutationLimit
        {
            allocate(service, &working)
            guard let current = working.state.services[service.id] else { continue }
            let plan = ServiceReconciler(service: current, receipts: receipts)
            plan.reconcile(&working, using: &generator)
        }
        removeOrphans(&working)
        place(&working)
        return OrchestrationPlan(mutations: working.mutations, wakeAt: working.wakeAt)
    }

    /// Tasks on hosts that are down are given up; those on hosts that are gone are orphaned.
    private static func releaseLostTasks(_ working: inout WorkingState) {
        for task in working.state.tasks.values where !task.nodeID.isEmpty && !task.status.state.isTerminal {
            guard let node = working.state.nodes[task.nodeID] else {
                working.decide(.desire(taskID: task.id, .shutdown))
                working.decide(.orphan(taskID: task.id))
                continue
            }
            if node.status.state == .down, task.desiredState < .shutdown {
                working.decide(.desire(taskID: task.id, .shutdown))
            }
        }
    }

    /// Tasks whose service was removed end, and are forgotten when they have ended.
    private static func removeOrphans(_ working: inout WorkingState) {
        for task in working.state.tasks.values where working.state.services[task.serviceID] == nil {
            let isOnLiveNode = working.state.nodes[task.nodeID].map { $0.status.state != .down } ?? false
            if task.status.state.isTerminal || task.status.state < .assigned || !isOnLiveNode {
                working.decide(.removeTask(task.id))
            } else {
                working.decide(.desire(taskID: task.id, .remove))
            }
        }
    }

    private static func place(_ working: inout WorkingState) {
        let waiting = working.state.tasks.values.filter { task in
            task.status.state < .assigned && task.desiredState <= .running
        }
        guard !waiting.isEmpty else { return }
        var scheduler = Scheduler(working.state, now: working.now)
        for task in waiting.sorted(by: { ($0.createdAt, $0.slot, $0.id) < ($1.createdAt, $1.slot, $1.id) }) {
            guard working.mutations.count < mutationLimit else { return }
            switch scheduler.place(task).outcome {
            case .none(let reason): working.decide(.explain(taskID: task.id, reason: reason))
            case .node(let node):
                // Where one address is missing none is taken.
                var trial = working
                switch addresses(for: task, on: node, &trial) {
                case .success(let attachments):
                    working = trial
                    working.decide(.assign(taskID: task.id, nodeID: node, attachments: attachments))
                case .failure(let exhausted):
                    working.decide(.explain(taskID: task.id, reason: exhausted.description))
                }
            }
        }
    }
}
