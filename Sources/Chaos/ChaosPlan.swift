import Values

/// Which faults happen when, from a seed alone.
///
/// A minority at most is impaired at a time, so that the others can go on, but for faults that strike all: then nothing
/// else is wrong, and afterwards there is time to come back.
struct ChaosPlan: Hashable, Sendable {
    struct Event: Hashable, Sendable {
        /// Milliseconds since the beginning.
        var begin: Int
        /// The fault is undone then.
        var end: Int
        var fault: ChaosFault
    }

    /// Between the beginnings of two faults, in milliseconds.
    static let pauses = 300...3_000
    /// How long a fault lasts, in milliseconds.
    static let lengths = 200...8_000
    /// How long a host counts as impaired after its fault: until it has started and caught up.
    static let recovery = 3_000
    /// Of so many faults one strikes all hosts.
    static let faultsPerCommonOne = 14
    /// How many of a million operations fail on a disk with faults.
    static let diskChances = 500...30_000

    private(set) var events: [Event] = []
    /// `MARTLET_DISK_FAULTS` of each host while its disk works: what is not synced is lost with the process.
    private(set) var disks: [String]

    /// - Parameters:
    ///   - duration: milliseconds; every fault has ended by then.
    init(seed: UInt64, hosts: Int, duration: Int) {
        var random = SplitMix64(seed: seed)
        disks = (0..<hosts).map { _ in "lose,seed=\(random.next() >> 16)" }
        var time = 2_000
        while true {
            time += Int.random(in: Self.pauses, using: &random)
            let under = events.filter { $0.end + Self.recovery > time }
            let isCommon = Int.random(in: 0..<Self.faultsPerCommonOne, using: &random) == 0
            let length = Int.random(in: Self.lengths, using: &random)
            if isCommon { time = under.map { $0.end + Self.recovery }.max() ?? time }
            guard time + length <= duration else { return }
            if isCommon {
                let all = Array(0..<hosts)
                let fault: ChaosFault =
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: .kill(all)
                    case 1: .powerOff(all)
                    default: .freeze(all)
                    }
                events.append(Event(begin: time, end: time + length, fault: fault))
                time += length + 2 * Self.recovery
                continue
            }
            let fault = Self.fault(hosts, &random)
            let busy = Set(under.flatMap(\.fault.touched))
            let impaired = Set(under.flatMap(\.fault.impaired)).union(fault.impaired)
            guard busy.isDisjoint(with: fault.touched), impaired.count <= (hosts - 1) / 2 else { continue }
            events.append(Event(begin: time, end: time + length, fault: fault))
        }
    }

    private static func fault(_ hosts: Int, _ random: inout SplitMix64) -> ChaosFault {
        var order = Array(0..<hosts)
        order.shuffle(using: &random)
        let some = Array(order.prefix(Int.random(in: 1...max(1, (hosts - 1) / 2), using: &random)))
        switch Int.random(in: 0..<14, using: &random) {
        case 0..<3: return .kill(some)
        case 3..<5: return .powerOff(some)
        case 5..<7: return .freeze(some)
        case 7..<9: return .isolate(some)
        case 9 where hosts > 1: return .cut(order[0], order[1])
        case 10 where hosts > 1: return .cutOneWay(from: order[0], to: order[1])
        default:
            let operations = ["write", "sync", "read", "full"].filter { _ in Bool.random(using: &random) }
            let chances = (operations.isEmpty ? ["sync"] : operations).map {
                "\($0)=\(Int.random(in: diskChances, using: &random))"
            }
            let description = (["lose"] + chances + ["seed=\(random.next() >> 16)"]).joined(separator: ",")
            return .disk(order[0], faults: description)
        }
    }
}
