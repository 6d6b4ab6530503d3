/// What clients asked for and were told, and whether one list, growing by itself, could have told them the same: every
/// call takes effect at one moment between its beginning and its end (Herlihy, Wing: Linearizability).
///
/// For lists that only grow this needs no search: the place of a value in the final list is the moment of its append,
/// and the length that a read saw is the moment of the read.
struct History {
    struct Call {
        enum Kind: Hashable {
            case append(value: UInt64)
            case read
        }

        var client: UInt64
        var key: UInt64
        var kind: Kind
        var begin: Milliseconds
        /// Nil where no answer came: an append may have happened, at any time since.
        var end: Milliseconds?
        /// What a read saw.
        var view = ListStore.View()
    }

    private(set) var calls: [Call] = []

    /// - Returns: the call's place, for `finish`.
    mutating func begin(_ call: Call) -> Int {
        calls.append(call)
        return calls.count - 1
    }

    mutating func finish(_ place: Int, at time: Milliseconds, seeing view: ListStore.View = ListStore.View()) {
        calls[place].end = time
        calls[place].view = view
    }

    var answered: Int { calls.count { $0.end != nil } }

    /// - Parameter lists: the state in the end.
    func violations(given lists: [UInt64: [UInt64]]) -> [Violation] {
        var result: [Violation] = []
        let keys = Set(calls.map(\.key)).sorted()
        for key in keys { result += violations(of: key, calls.filter { $0.key == key }, lists[key] ?? []) }
        return result
    }

    private func violations(of key: UInt64, _ calls: [Call], _ list: [UInt64]) -> [Violation] {
        var places: [UInt64: Int] = [:]
        var views = [ListStore.View()]
        for (place, value) in list.enumerated() {
            if places[value] != nil { return [Violation(.exactlyOnce, "list \(key) has \(value) twice")] }
            places[value] = place
            var view = views[place]
            view.add(value)
            views.append(view)
        }
        // The moments of calls that have ended, by their end: the latest of them is a lower bound for those that begin.
        var ended: [(end: Milliseconds, moment: Int)] = []
        var begun: [(begin: Milliseconds, moment: Int, call: Call)] = []
        for call in calls {
            switch call.kind {
            case .append(let value):
                guard let place = places[value] else {
                    if call.end != nil {
                        return [Violation(.durability, "\(value), acknowledged, is not in list \(key)")]
                    }
                    continue
                }
                begun.append((call.begin, place, call))
                if let end = call.end { ended.append((end, place + 1)) }
            case .read:
                guard let end = call.end else { continue }
                guard call.view.count < views.count, views[call.view.count] == call.view else {
                    return [Violation(.linearizability, "a read saw another list \(key) than there was")]
                }
                begun.append((call.begin, call.view.count, call))
                ended.append((end, call.view.count))
            }
        }
        ended.sort { $0.end < $1.end }
        begun.sort { $0.begin < $1.begin }
        var bound = 0
        var next = 0
        for call in begun {
            while next < ended.count, ended[next].end < call.begin {
                bound = max(bound, ended[next].moment)
                next += 1
            }
            if call.moment < bound {
                return [
                    Violation(
                        .linearizability,
                        "list \(key): \(call.call.kind) of client \(call.call.client), begun at \(call.begin) ms, "
                            + "is at \(call.moment), but \(bound) was known before"
                    )
                ]
            }
        }
        return []
    }
}

/// A promise that was not kept.
public struct Violation: Hashable, Sendable, CustomStringConvertible {
    public enum Promise: String, Sendable {
        case electionSafety = "election safety"
        case logMatching = "log matching"
        case stateMachineSafety = "state machine safety"
        case durability
        case exactlyOnce = "exactly once"
        case linearizability
        case managers = "managers that live decide"
        case snapshots = "snapshots as they were written"
        case taskRules = "task rules"
        case receipts
        case versions
        case traffic = "messages do not multiply"
        case convergence
        case fault = "a member gave up"
    }

    public var promise: Promise
    public var reason: String

    init(_ promise: Promise, _ reason: String) {
        self.promise = promise
        self.reason = reason
    }

    public var description: String { "\(promise.rawValue): \(reason)" }
}
