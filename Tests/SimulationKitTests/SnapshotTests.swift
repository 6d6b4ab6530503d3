import Testing

@testable import SimulationKit

/// Snapshots on their way, in groups of one voter, who leads whatever happens, and a learner that comes.
@Suite struct SnapshotTests {
    private static func run(
        _ seed: UInt64, _ strikes: [Fault.SendStrike]
    ) -> (simulation: Simulation, outcome: Simulation.Outcome) {
        var scenario = Scenario(seed: seed, members: 1, duration: 20_000)
        (scenario.pieceBytes, scenario.entriesPerTrim, scenario.isOrdered) = (16, nil, false)
        scenario.faults = strikes.map { Fault(time: 5_000, kind: .whileSending($0, delay: 12)) }
        // A slow network: it is under way for a while.
        scenario.faults.append(Fault(time: 5_000, kind: .delay(150, duration: 12_000)))
        scenario.faults += [Fault(time: 6_000, kind: .trim(host: 0)), Fault(time: 6_100, kind: .addMember)]
        var simulation = Simulation(scenario)
        let outcome = simulation.run()
        return (simulation, outcome)
    }

    @Test(
        "a member that comes gets the snapshot, whatever becomes of the first attempt",
        arguments: Fault.SendStrike.allCases.filter { $0 != .handOver })
    func newcomer(strike: Fault.SendStrike) {
        for seed in UInt64(1)...4 {
            let (simulation, outcome) = Self.run(seed, [strike, strike])
            #expect(outcome.violations == [])
            #expect(simulation.sendStrikes > 0 && simulation.installs > 0)
            #expect(simulation.hosts[1]!.raft.membership.isVoter(2))
        }
    }
}
