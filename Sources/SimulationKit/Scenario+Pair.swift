/// Two managers and a witness, one of whom is lost for good in the end.
extension Scenario {
    /// One seed of ten, where there may be three voters.
    static func isPair(seed: UInt64, members: Int) -> Bool { members > 2 && seed % 10 == 7 }

    /// Makes the group a pair with a witness, which stays one.
    mutating func becomePair() {
        (hasWitness, hasPriorities, losesOne) = (true, false, true)
        faults.removeAll { $0.kind.changesMembers }
        var random = Randomness(seed: seed &+ 0x9a_17)
        tailEntries = [60, 200, 1_000][random.number(in: 0...2)]
        let pause = [15_000, 60_000][random.number(in: 0...1)]
        var outages: [Fault] = []
        var time: Milliseconds = 2_000
        while true {
            time += Milliseconds(random.number(in: 1...2 * pause))
            if time >= duration { break }
            outages.append(Self.outage(of: random.number(in: 0..<3), at: time, &random))
        }
        // A manager's last one is not over when another member is lost.
        if duration > 10_000 {
            let end = duration - Milliseconds(random.number(in: 300...8_000))
            outages.append(Self.outage(of: random.number(in: 0..<2), at: end, &random))
            outages.sort { $0.time < $1.time }
        }
        add(outages)
    }

    /// One of the three is away for long.
    private static func outage(of host: Int, at time: Milliseconds, _ random: inout Randomness) -> Fault {
        let length = Milliseconds(random.number(in: 8_000...30_000))
        return Fault(
            time: time,
            kind: random.chance(perMille: 500)
                ? .crash(host: host, downtime: length) : .isolate(host: host, duration: length))
    }
}

extension Fault.Kind {
    var changesMembers: Bool {
        switch self {
        case .addMember, .removeMember, .dismiss, .exchangeMembers, .changeMembers, .changeAndCut: true
        default: false
        }
    }
}
