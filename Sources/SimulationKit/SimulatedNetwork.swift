/// What becomes of messages: which are lost, doubled, and how long they take.
struct SimulatedNetwork {
    enum Obstacle {
        case cut(from: UInt64, to: UInt64)
        case isolate(UInt64)
        case partition(side: UInt64)
        case unreliable(lost: Int, doubled: Int)
        /// Of a thousand messages so many come again, long after.
        case echo(perMille: Int)
        case delay(Milliseconds)
        /// To and from hosts on one side.
        case slowSide(side: UInt64, Milliseconds)
    }

    private struct Way: Hashable {
        var from: UInt64
        var to: UInt64
    }

    let isOrdered: Bool
    /// When the last message that was sent arrives.
    private var arrivals: [Way: Milliseconds] = [:]
    private var sessionArrivals: [Way: Milliseconds] = [:]
    private(set) var obstacles: [Int: Obstacle] = [:]

    mutating func add(_ obstacle: Obstacle, as number: Int) { obstacles[number] = obstacle }
    mutating func remove(_ number: Int) { obstacles[number] = nil }
    mutating func mend() { obstacles = [:] }

    init(isOrdered: Bool) { self.isOrdered = isOrdered }

    /// How long a message between a client and a host takes; nil where it is lost.
    func clientDelay(using random: inout Randomness) -> Milliseconds? {
        var longest: Milliseconds = 5
        for case .delay(let time) in obstacles.values { longest = max(longest, time) }
        // One question for all of them: the order of a dictionary is another one in each process.
        var lost = 0
        for case .unreliable(let losing, _) in obstacles.values { lost = max(lost, losing) }
        if lost > 0, random.chance(perMille: lost) { return nil }
        return Milliseconds(random.number(in: 1...Int(longest)))
    }

    /// Whether nothing gets through now: what is under way is lost, too.
    func isCut(from: UInt64, to: UInt64) -> Bool {
        obstacles.values.contains { obstacle in
            switch obstacle {
            case .cut(let sender, let receiver): sender == from && receiver == to
            case .isolate(let host): host == from || host == to
            case .partition(let side): side >> (from % 64) & 1 != side >> (to % 64) & 1
            case .unreliable, .echo, .delay, .slowSide: false
            }
        }
    }

    /// When a message of a connection arrives, after those before it; nil where it does not, and the connection breaks.
    mutating func sessionDelay(
        from: UInt64, to: UInt64, at now: Milliseconds, using random: inout Randomness
    ) -> Milliseconds? {
        guard let delay = delays(from: from, to: to, at: now, using: &random).first else { return nil }
        let arrival = max(now + delay, sessionArrivals[Way(from: from, to: to)] ?? 0)
        sessionArrivals[Way(from: from, to: to)] = arrival
        return arrival - now
    }

    /// The longest that a message comes after its first copy.
    private static let latestEcho = 20_000

    /// When a message comes once more, whatever was sent after it; nil where it does not.
    func echo(using random: inout Randomness) -> Milliseconds? {
        var chance = 0
        for case .echo(let perMille) in obstacles.values { chance = max(chance, perMille) }
        guard chance > 0, random.chance(perMille: chance) else { return nil }
        return Milliseconds(random.number(in: 1...Self.latestEcho))
    }

    /// When a message's copies arrive; empty where it is lost.
    mutating func delays(
        from: UInt64, to: UInt64, at now: Milliseconds, using random: inout Randomness
    ) -> [Milliseconds] {
        if !obstacles.isEmpty, isCut(from: from, to: to) { return [] }
        var longest: Milliseconds = 5
        var lost = 0
        var doubled = 0
        for obstacle in obstacles.values {
            switch obstacle {
            case .cut, .isolate, .partition, .echo: break
            case .unreliable(let losing, let doubling):
                lost = max(lost, losing)
                doubled = max(doubled, doubling)
            case .delay(let time): longest = max(longest, time)
            case .slowSide(let side, let time):
                if side >> (from % 64) & 1 == 1 || side >> (to % 64) & 1 == 1 { longest = max(longest, time) }
            }
        }
        if lost > 0, random.chance(perMille: lost) { return [] }
        let copies = doubled > 0 && random.chance(perMille: doubled) ? 2 : 1
        return (0..<copies).map { _ in
            let delay = Milliseconds(random.number(in: 1...Int(longest)))
            guard isOrdered else { return delay }
            let arrival = max(now + delay, arrivals[Way(from: from, to: to)] ?? 0)
            arrivals[Way(from: from, to: to)] = arrival
            return arrival - now
        }
    }
}
