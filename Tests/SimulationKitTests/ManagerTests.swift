import ClusterModel
import Testing

@testable import SimulationKit

/// Members as a policy keeps them.
@Suite struct ManagerTests {
    private static func simulation(members: Int, _ duration: Milliseconds, _ faults: [Fault]) -> Simulation {
        var scenario = Scenario(seed: 2, members: members, duration: duration)
        scenario.policy = ManagerPolicy(voters: 3, demoteAfterNanoseconds: 10_000_000_000)
        scenario.faults = faults
        return Simulation(scenario)
    }

    @Test("beyond the number that is wanted managers are spares, and one takes the place of a dead voter")
    func deadVoter() {
        let fault = Fault(time: 8_000, kind: .crash(host: 0, downtime: 30_000))
        var simulation = Self.simulation(members: 5, 30_000, [fault])
        let outcome = simulation.run()
        #expect(outcome.violations == [])
        #expect(simulation.plans >= 2)
        let membership = simulation.hosts[2]!.raft.membership
        #expect(membership.voters.count == 3 && !membership.isVoter(1))
    }

    @Test("who is dismissed goes, the leader too, and newcomers take their places") func dismissal() {
        let faults = [
            Fault(time: 4_000, kind: .addMember), Fault(time: 6_000, kind: .dismiss(host: 0)),
            Fault(time: 6_000, kind: .dismiss(host: 1)), Fault(time: 9_000, kind: .addMember),
        ]
        var simulation = Self.simulation(members: 4, 20_000, faults)
        #expect(simulation.run().violations == [])
        #expect(simulation.hosts[6]!.raft.membership.ids == [3, 4, 5, 6])
    }

    @Test(arguments: [UInt64(3), 13]) func policyIsKept(seed: UInt64) {
        let scenario = Scenario(seed: seed, duration: 90_000)
        #expect(scenario.policy != nil)
        var simulation = Simulation(scenario)
        #expect(simulation.run().violations == [], "martlet-sim --seed \(seed) --seconds 90")
        #expect(simulation.plans > 0)
    }
}
