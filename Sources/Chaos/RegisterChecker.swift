/// Whether calls on one register can be put in an order in which each takes effect between its beginning and its end
/// and is answered as it was (Herlihy, Wing: Linearizability). An order is searched for; places that were reached by
/// another way are not searched again (Wing, Gong: Testing and Verifying Concurrent Objects; Lowe: Testing for
/// Linearizability).
struct RegisterChecker {
    enum Verdict: Hashable, Sendable {
        case fits
        /// No order exists. The calls that had ended when this one ended, and those under way then, have none either,
        /// but there is one without it.
        case breaks(RegisterCall)
        /// Not found out within so many steps.
        case undecided
    }

    /// Steps of a search; a history of a hundred calls takes about as many steps as it has calls.
    static let stepLimit = 200_000

    private struct Place: Hashable {
        /// Calls with an answer that are in order, a bit each.
        var done: [UInt64]
        var content: RegisterCall.Content?
    }

    /// Those with an answer come first, by their end: most often they took effect in that order.
    private let calls: [RegisterCall]
    /// Of each place, the calls without an answer that were made use of on the ways to it. Who comes with more of them
    /// can do nothing that was not tried: what is left of them may still happen later.
    private var seen: [Place: [Set<Int>]] = [:]
    private var steps = 0

    static func check(_ calls: [RegisterCall]) -> Verdict {
        let known = calls.filter { $0.request != .read || $0.answer != .unknown }
        guard let fits = search(known) else { return .undecided }
        if fits { return .fits }
        // The shortest beginning of the history that has no order: beginnings of those that have one have one.
        let ended = known.filter { $0.answer != .unknown }.sorted { $0.end < $1.end }
        var low = 0
        var high = ended.count - 1
        while low < high {
            let middle = (low + high) / 2
            guard let fits = search(beginning(of: known, until: ended[middle].end)) else { return .undecided }
            if fits { low = middle + 1 } else { high = middle }
        }
        return .breaks(ended[low])
    }

    /// What was known when a call ended: of calls under way then only that they were asked for.
    static func beginning(of calls: [RegisterCall], until time: UInt64) -> [RegisterCall] {
        calls.compactMap { call in
            guard call.begin <= time else { return nil }
            if call.end <= time { return call }
            guard call.request != .read, call.answer != .refused else { return nil }
            return RegisterCall(client: call.client, host: call.host, call.request, call.begin)
        }
    }

    /// nil where it was not found out.
    private static func search(_ calls: [RegisterCall]) -> Bool? {
        var checker = RegisterChecker(calls: calls.sorted { ($0.end, $0.begin) < ($1.end, $1.begin) })
        let place = Place(done: [UInt64](repeating: 0, count: calls.count / 64 + 1), content: nil)
        let found = checker.search(from: place, using: [], first: 0)
        return found || checker.steps < stepLimit ? found : nil
    }

    private init(calls: [RegisterCall]) { self.calls = calls }

    /// - Parameters:
    ///   - used: calls without an answer that took effect.
    ///   - first: no call before it is left to be put in order.
    private mutating func search(from place: Place, using used: Set<Int>, first: Int) -> Bool {
        steps += 1
        guard steps < Self.stepLimit, !(seen[place] ?? []).contains(where: used.isSuperset(of:)) else { return false }
        seen[place, default: []].removeAll(where: used.isSubset(of:))
        seen[place, default: []].append(used)
        var next = first
        while next < calls.count, Self.contains(place.done, next) { next += 1 }
        // Calls are in the order of their ends, so what is left has none before this one's.
        guard next < calls.count, calls[next].answer != .unknown else { return true }
        let bound = calls[next].end
        // Of calls without an answer that ask for the same, one is as good as another.
        var tried: Set<RegisterCall.Request> = []
        for index in next..<calls.count where calls[index].begin <= bound && !Self.contains(place.done, index) {
            let isUnknown = calls[index].answer == .unknown
            if isUnknown, used.contains(index) || !tried.insert(calls[index].request).inserted { continue }
            guard let content = calls[index].effect(on: place.content) else { continue }
            var after = place
            after.content = content
            if !isUnknown { after.done[index >> 6] |= 1 << UInt64(index & 63) }
            let found = search(from: after, using: isUnknown ? used.union([index]) : used, first: next)
            // What may happen now and changes nothing may as well happen first.
            if found || !isUnknown && content == place.content { return found }
        }
        return false
    }

    private static func contains(_ done: [UInt64], _ index: Int) -> Bool {
        done[index >> 6] >> UInt64(index & 63) & 1 == 1
    }
}
