import ClusterModel
import Values

/// Where a task goes, or why it goes nowhere.
public struct PlacementDecision: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        case node(String)
        /// In Docker's words: `no suitable node (insufficient resources on 2 nodes)`.
        case none(reason: String)
    }

    public let taskID: String
    public let outcome: Outcome
}

/// Places tasks on nodes: those that pass every filter, spread over what the service prefers, then by how many of the
/// service's tasks they have, then by how many they have in all.
public struct Scheduler {
    /// How long a failed task counts against its node.
    public static let failureMemoryNanoseconds: Int64 = 300_000_000_000
    /// How many failures of a service make a node the last choice.
    public static let failuresBeforeAvoiding = 5

    private var loads: [NodeLoad]

    /// The load of each node in `state` at `now`.
    public init(_ state: ClusterState, now: Timestamp) {
        loads = state.nodes.values.sorted { $0.id < $1.id }.map { node in
            NodeLoad(node, tasks: state.tasks(onNode: node.id), now: now.nanosecondsSinceEpoch)
        }
    }

    /// Decides for one task; later decisions count it in. A task with a node already asks for that node alone.
    public mutating func place(_ task: TaskObject) -> PlacementDecision {
        var rejected: [(filter: NodeFilter, count: Int)] = []
        var candidates = Array(loads.indices)
        if !task.nodeID.isEmpty { candidates.removeAll { loads[$0].node.id != task.nodeID } }
        for filter in NodeFilter.allCases {
            let passing = candidates.filter { filter.passes(task, loads[$0]) }
            if passing.count < candidates.count { rejected.append((filter, candidates.count - passing.count)) }
            candidates = passing
        }
        guard !candidates.isEmpty else {
            let reasons = rejected.map { $0.filter.explain($0.count) }.joined(separator: "; ")
            let reason = reasons.isEmpty ? "no suitable node" : "no suitable node (\(reasons))"
            return PlacementDecision(taskID: task.id, outcome: .none(reason: reason))
        }
        for preference in task.spec.placement?.preferences ?? [] {
            guard let key = preference.spread?.spreadDescriptor else { continue }
            candidates = spread(candidates, over: key, service: task.serviceID)
        }
        let chosen = candidates.min { left, right in
            let left = loads[left]
            let right = loads[right]
            let service = task.serviceID
            if left.keepsFailing(service) != right.keepsFailing(service) { return right.keepsFailing(service) }
            if left.tasks(of: service) != right.tasks(of: service) {
                return left.tasks(of: service) < right.tasks(of: service)
            }
            if left.taskCount != right.taskCount { return left.taskCount < right.taskCount }
            return left.node.id < right.node.id
        }!
        loads[chosen].add(task)
        return PlacementDecision(taskID: task.id, outcome: .node(loads[chosen].node.id))
    }

    /// The candidates of the branch with the fewest tasks of the service per candidate value.
    private func spread(_ candidates: [Int], over key: String, service: String) -> [Int] {
        var branches: [String: [Int]] = [:]
        for candidate in candidates {
            let value = Constraint.attribute(key, of: loads[candidate].node)?.value ?? ""
            branches[value, default: []].append(candidate)
        }
        func count(_ branch: String) -> Int {
            loads.reduce(0) { sum, load in
                let value = Constraint.attribute(key, of: load.node)?.value ?? ""
                return value == branch ? sum + load.tasks(of: service) : sum
            }
        }
        let fewest = branches.keys.min { (count($0), $0) < (count($1), $1) }
        return fewest.flatMap { branches[$0] } ?? candidates
    }
}
