import ClusterModel
import Values

/// A place of a service: a numbered slot, or a node of a global service.
enum SlotKey: Hashable, Comparable {
    case slot(UInt64)
    case node(String)

    init(_ task: TaskObject) { self = task.slot == 0 ? .node(task.nodeID) : .slot(task.slot) }

    static func < (left: SlotKey, right: SlotKey) -> Bool {
        switch (left, right) {
        case (.slot(let left), .slot(let right)): left < right
        case (.node(let left), .node(let right)): left < right
        case (.slot, .node): true
        case (.node, .slot): false
        }
    }
}

/// The tasks that a place has and had.
struct TaskSlot {
    let key: SlotKey
    /// Oldest first.
    var tasks: [TaskObject]

    /// Those that are to run.
    var wanted: [TaskObject] { tasks.filter { $0.desiredState <= .running && !$0.status.state.isTerminal } }

    var isServing: Bool { tasks.contains(where: \.isServing) }

    /// The last task where it ended by itself and nobody has taken note yet.
    var endedByItself: TaskObject? {
        guard let last = tasks.last, last.desiredState <= .running, last.status.state.isTerminal else { return nil }
        return last
    }

    static func group(_ tasks: [TaskObject]) -> [SlotKey: TaskSlot] {
        var slots: [SlotKey: TaskSlot] = [:]
        for task in tasks.sorted(by: { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }) {
            let key = SlotKey(task)
            slots[key, default: TaskSlot(key: key, tasks: [])].tasks.append(task)
        }
        return slots
    }
}
