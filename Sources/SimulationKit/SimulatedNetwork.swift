/// What becomes of messages: which are lost, doubled, and how long they take.
struct SimulatedNetwork {
    enum Obstacle {
        case cut(from: UInt64, to: UInt64)
        case isolate(UInt64)
        case partition(side: UInt64)
        case unreliable(lost: Int, doubled: Int)
        case delay(Milliseconds)
    }

    private(set) var obstacles: [Int: Obstacle] = [:]

    mutating func add(_ obstacle: Obstacle, as number: Int) { obstacles[number] = obstacle }
    mutating func remove(_ number: Int) { obstacles[number] = nil }
    mutating func mend() { obstacles = [:] }

    /// The delays of a message's copies; empty where it is lost.
    func delays(from: UInt64, to: UInt64, using random: inout Randomness) -> [Milliseconds] {
        var longest: Milliseconds = 5
        var lost = 0
        var doubled = 0
        for obstacle in obstacles.values {
            switch obstacle {
            case .cut(let sender, let receiver): if sender == from, receiver == to { return [] }
            case .isolate(let host): if host == from || host == to { return [] }
            case .partition(let side): if side >> (from % 64) & 1 != side >> (to % 64) & 1 { return [] }
            case .unreliable(let losing, let doubling):
                lost = max(lost, losing)
                doubled = max(doubled, doubling)
            case .delay(let time): longest = max(longest, time)
            }
        }
        if lost > 0, random.chance(perMille: lost) { return [] }
        let copies = doubled > 0 && random.chance(perMille: doubled) ? 2 : 1
        return (0..<copies).map { _ in Milliseconds(random.number(in: 1...Int(longest))) }
    }
}
