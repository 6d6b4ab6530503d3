import Testing

@testable import SimulationKit

/// Disks without room, in groups where nothing else goes wrong.
@Suite struct FullDiskTests {
    private static func simulation(_ duration: Milliseconds, _ faults: [Fault]) -> Simulation {
        var scenario = Scenario(seed: 3, members: 3, duration: duration)
        scenario.faults = faults
        return Simulation(scenario)
    }

    @Test("a leader without room loses the lead, the others go on, and it follows when there is room")
    func leader() {
        let fault = Fault(time: 5_000, kind: .fullLeader(duration: 10_000))
        var simulation = Self.simulation(14_000, [fault])
        let outcome = simulation.run()
        #expect(outcome.violations == [])
        #expect(outcome.elections == 2)
        #expect(simulation.roomWaits == 1)
        let ends = simulation.history.calls.compactMap(\.end)
        #expect(ends.contains { (8_000..<14_000).contains($0) })
    }

    @Test("a group without room acknowledges nothing until there is some") func everybody() {
        let faults = (0..<3).map { Fault(time: 5_000, kind: .fullDisk(host: $0, duration: 6_000)) }
        var simulation = Self.simulation(20_000, faults)
        #expect(simulation.run().violations == [])
        #expect(simulation.roomWaits >= 2)
        let appends = simulation.history.calls.filter { if case .append = $0.kind { true } else { false } }
        let ends = appends.compactMap(\.end)
        #expect(ends.contains { $0 > 12_000 })
        #expect(!ends.contains { (6_000..<11_000).contains($0) })
    }
}
