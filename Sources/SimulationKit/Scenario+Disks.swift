extension Scenario {
    /// Of a thousand runs so many have disks that are full for a while.
    private static let fullPerMille = 300

    /// Disks without room: of one host, of the leader, of several at once.
    static func fullDisks(seed: UInt64, members: Int, duration: Milliseconds) -> [Fault] {
        var random = Randomness(seed: seed &+ 0xf0_11)
        guard random.chance(perMille: fullPerMille) else { return [] }
        let pause = [3_000, 20_000][random.number(in: 0...1)]
        var faults: [Fault] = []
        var time: Milliseconds = 2_000
        while true {
            time += Milliseconds(random.number(in: 1...2 * pause))
            if time >= duration { return faults }
            let length = Milliseconds(random.number(in: 50...[1_500, 12_000][random.number(in: 0...1)]))
            if random.chance(perMille: 400) {
                faults.append(Fault(time: time, kind: .fullLeader(duration: length)))
            } else {
                for _ in 0..<random.number(in: 1...(random.chance(perMille: 200) ? members : 1)) {
                    let host = random.number(in: 0...members)
                    faults.append(Fault(time: time, kind: .fullDisk(host: host, duration: length)))
                }
            }
        }
    }

    /// Adds faults, each at its time.
    mutating func add(_ others: [Fault]) {
        var rest = others[...]
        var all: [Fault] = []
        for fault in faults {
            while let next = rest.first, next.time < fault.time { all.append(rest.removeFirst()) }
            all.append(fault)
        }
        faults = all + rest
    }
}
