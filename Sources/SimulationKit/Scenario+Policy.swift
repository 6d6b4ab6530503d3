import ClusterModel

/// Managers that a policy keeps, instead of an administrator by chance.
extension Scenario {
    /// One seed of ten, where there may be spares.
    static func hasPolicy(seed: UInt64, members: Int) -> Bool { members > 3 && seed % 10 == 3 }

    /// Lets the policy say who votes. Members come and go by what operators want; some are dead for long.
    mutating func adoptPolicy() {
        var random = Randomness(seed: seed &+ 0x9011)
        policy = ManagerPolicy(
            voters: random.chance(perMille: 500) ? 3 : 5,
            demoteAfterNanoseconds: Int64([10, 20, 60][random.number(in: 0..<3)]) * 1_000_000_000)
        hasWitness = false
        // Echoes of the dead would be heard as if they lived.
        faults.removeAll { $0.kind.changesMembers || $0.kind.isEcho }
        let pause = [5_000, 20_000][random.number(in: 0...1)]
        var others: [Fault] = []
        var time: Milliseconds = 2_000
        while true {
            time += Milliseconds(random.number(in: 1...2 * pause))
            if time >= duration { break }
            let host = random.number(in: 0...members + 2)
            let kind: Fault.Kind
            switch random.number(in: 0..<10) {
            case 0..<3: kind = .addMember
            case 3..<4: kind = .dismiss(host: host)
            case 4..<6:
                // Somebody who lives has to go while two are dead.
                let dead = (0..<members).shuffled(using: &random.generator).prefix(2)
                others += dead.map { Fault(time: time, kind: .crash(host: $0, downtime: 30_000)) }
                time += Milliseconds(random.number(in: 13_000...25_000))
                kind = .dismiss(host: host)
            default: kind = .crash(host: host, downtime: Milliseconds(random.number(in: 8_000...30_000)))
            }
            if time < duration { others.append(Fault(time: time, kind: kind)) }
        }
        add(others)
    }
}

extension Fault.Kind {
    fileprivate var isEcho: Bool { if case .echo = self { true } else { false } }
}
