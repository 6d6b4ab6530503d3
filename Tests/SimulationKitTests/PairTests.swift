import RaftCore
import Testing

@testable import SimulationKit

/// Two managers and a witness, one of whom is lost for good in the end.
@Suite struct PairTests {
    @Test(arguments: [UInt64(7), 17, 27, 37]) func nothingIsLostWithOne(seed: UInt64) {
        let scenario = Scenario(seed: seed, duration: 60_000)
        #expect(scenario.members == 3 && scenario.hasWitness && scenario.losesOne)
        #expect(!scenario.faults.contains { $0.kind.changesMembers })
        var simulation = Simulation(scenario)
        #expect(simulation.run().violations == [], "martlet-sim --seed \(seed) --seconds 60")
        #expect(simulation.hosts.all.count { $0.isLost } == 1)
    }

    private static func disk(after base: (UInt64, UInt64), _ terms: [UInt64]) -> SimulatedHost.Disk {
        var disk = SimulatedHost.Disk()
        disk.base = SnapshotMetadata(index: base.0, term: base.1, membership: Membership())
        disk.entries = terms.enumerated().map {
            Entry(index: base.0 + UInt64($0.offset) + 1, term: $0.element, payload: .nothing)
        }
        disk.hardState.commit = base.0
        return disk
    }

    @Test("how far two logs are certain to agree") func agreement() {
        let witness = Self.disk(after: (10, 1), [1, 1, 2])
        #expect(Self.disk(after: (10, 1), [1, 1, 2]).agreement(with: witness) == 13)
        #expect(Self.disk(after: (5, 1), [1, 1, 1, 1, 1, 1, 3, 3]).agreement(with: witness) == 11)
        #expect(Self.disk(after: (20, 2), []).agreement(with: witness) == 13)
        // It ends before the other one begins: what is committed there is all that is certain.
        #expect(Self.disk(after: (3, 1), [1, 1]).agreement(with: witness) == 3)
    }
}
