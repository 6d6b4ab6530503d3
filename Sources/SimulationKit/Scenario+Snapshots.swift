extension Scenario {
    /// Of a thousand runs in so many something happens to snapshots on their way.
    private static let strikePerMille = 400

    static func sendStrikes(seed: UInt64, duration: Milliseconds) -> [Fault] {
        var random = Randomness(seed: seed &+ 0x5e_4d)
        guard random.chance(perMille: strikePerMille) else { return [] }
        let pause = [2_000, 15_000][random.number(in: 0...1)]
        var faults: [Fault] = []
        var time: Milliseconds = 2_000
        while true {
            time += Milliseconds(random.number(in: 1...2 * pause))
            if time >= duration { return faults }
            let strike = Fault.SendStrike.allCases[random.number(in: 0..<Fault.SendStrike.allCases.count)]
            let delay = Milliseconds(random.number(in: 0...[8, 40, 300][random.number(in: 0...2)]))
            faults.append(Fault(time: time, kind: .whileSending(strike, delay: delay)))
        }
    }
}
