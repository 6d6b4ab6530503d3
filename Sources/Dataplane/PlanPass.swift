import Netlink
import NetworkModel

/// One comparison of a plan with the kernel, place by place, and what came of it.
struct PlanPass {
    /// The kernel is changed to what is wanted; otherwise this is only a look.
    let changes: Bool
    /// What was not as wanted.
    var differences: [Difference] = []
    /// Those among them that the previous plan had wanted as well: somebody else's doing.
    var repairs: [Difference] = []
    /// What is not as wanted even after the change.
    var remaining: [Difference] = []

    /// The first place that could not be done.
    private(set) var failure: DataplaneError?

    init(changes: Bool) { self.changes = changes }

    /// Does one place; what fails there is noted.
    mutating func attempt(_ place: String, _ body: (inout PlanPass) throws -> Void) {
        do {
            try body(&self)
        } catch {
            if failure == nil { failure = .kernel("\(place): \(error)") }
        }
    }

    mutating func note(_ kind: Difference.Kind, _ place: String, _ entry: String, isRepair: Bool) {
        let difference = Difference(kind, place, entry)
        differences.append(difference)
        if isRepair { repairs.append(difference) }
    }

    /// Compares one kind of entry, and adds and deletes where this is no look.
    mutating func compare<Entry: Hashable>(
        _ wanted: [Entry], before: [Entry]?, actual: [Entry], place: String, describe: (Entry) -> String,
        add: ([Entry]) throws(NetlinkError) -> Void, delete: ([Entry]) throws(NetlinkError) -> Void
    ) throws {
        let there = Set(actual)
        let target = Set(wanted)
        let old = before.map { Set($0) }
        let extra = actual.filter { !target.contains($0) }
        let missing = wanted.filter { !there.contains($0) }
        for entry in extra {
            note(.unexpected, place, describe(entry), isRepair: old.map { !$0.contains(entry) } ?? false)
        }
        for entry in missing {
            note(.missing, place, describe(entry), isRepair: old?.contains(entry) ?? false)
        }
        guard changes else { return }
        if !extra.isEmpty { try delete(extra) }
        if !missing.isEmpty { try add(missing) }
    }

    /// Compares a table of the packet filter; a change is one transaction.
    mutating func compare(
        _ table: FilterTable, before: FilterTable?, in sockets: NamespaceSockets, place: String
    ) throws {
        let steps = changes ? try sockets.filter.apply(table) : try sockets.filter.changes(to: table)
        guard !steps.isEmpty else { return }
        let planned = before.map { Set(table.changes(from: $0)) }
        for step in steps {
            let isRepair = planned.map { !$0.contains(step) } ?? false
            note(step.isRemoval ? .unexpected : .missing, place, table.describe(step), isRepair: isRepair)
        }
        guard changes else { return }
        for step in try sockets.filter.changes(to: table) {
            remaining.append(Difference(step.isRemoval ? .unexpected : .missing, place, table.describe(step)))
        }
    }
}

extension FilterChange {
    var isRemoval: Bool {
        switch self {
        case .removeTable, .removeElement, .removeChain, .removeSet: true
        default: false
        }
    }
}
