import Testing

@testable import SimulationKit

@Suite struct SimulationTests {
    /// A minute each; `martlet-sim --count 10000` runs ten minutes of as many.
    @Test(arguments: UInt64(1)...16) func promisesAreKept(seed: UInt64) {
        var simulation = Simulation(Scenario(seed: seed, duration: 60_000))
        let outcome = simulation.run()
        #expect(outcome.violations == [], "martlet-sim --seed \(seed) --seconds 60")
        #expect(outcome.answered > 100)
    }

    @Test(arguments: [1, 2, 3, 7]) func groupsOfOtherSizes(members: Int) {
        var simulation = Simulation(Scenario(seed: 5, members: members, duration: 30_000))
        #expect(simulation.run().violations == [])
    }

    /// Services with their hosts, whatever the seed says of that.
    @Test(arguments: UInt64(1)...4) func servicesAreKept(seed: UInt64) {
        var scenario = Scenario(seed: seed, duration: 40_000)
        scenario.hasServices = true
        var simulation = Simulation(scenario)
        let outcome = simulation.run()
        #expect(outcome.violations == [])
        #expect(outcome.changes > 0)
    }

    /// Hosts whose managers are all away for a while, without faults of their own.
    @Test(arguments: UInt64(1)...3) func hostsGoOnAlone(seed: UInt64) {
        var scenario = Scenario(seed: seed, duration: 80_000)
        scenario.hasServices = true
        scenario.faults = (0..<5).map { Fault(time: 30_000, kind: .crash(host: $0, downtime: 30_000)) }
        var simulation = Simulation(scenario)
        let outcome = simulation.run()
        #expect(outcome.violations == [])
        #expect(outcome.attempts > 0)
    }

    /// Managers that are upgraded one by one, whatever the seed says of that. The last one is away for a while when all
    /// others are, and comes back as it was.
    @Test(arguments: UInt64(1)...6) func upgradesAreSurvived(seed: UInt64) {
        var scenario = Scenario(seed: seed, duration: 40_000)
        scenario.hasServices = true
        scenario.hasUpgrades = true
        for host in 0..<4 {
            scenario.faults.append(
                Fault(time: 5_000 + UInt64(host) * 3_000, kind: .upgrade(host: host, downtime: 1_000)))
        }
        scenario.faults.append(Fault(time: 13_000, kind: .crash(host: 4, downtime: 8_000)))
        scenario.faults.append(Fault(time: 30_000, kind: .upgrade(host: 4, downtime: 1_000)))
        scenario.faults.sort { $0.time < $1.time }
        var simulation = Simulation(scenario)
        let outcome = simulation.run()
        #expect(outcome.violations == [])
        #expect(simulation.world.rises.count == 1 && outcome.changes > 0)
    }

    @Test func oneSeedIsOneRun() {
        let scenario = Scenario(seed: 9, duration: 30_000)
        #expect(!scenario.faults.isEmpty)
        var first = Simulation(scenario)
        var second = Simulation(scenario)
        #expect(first.run() == second.run())
        var other = Simulation(Scenario(seed: 10, duration: 30_000))
        #expect(other.run().fingerprint != second.outcome.fingerprint)
    }

    @Test func everyKindOfFaultHappens() {
        let faults = (UInt64(1)...40).flatMap { Scenario(seed: $0).faults }
        let names = Set(faults.map { "\($0.kind)".prefix { $0 != "(" } })
        #expect(names.count == 35, "\(names)")
        #expect(faults.allSatisfy { $0.time < 600_000 })
    }

    @Test func withoutFaultsThereIsOneElection() {
        var scenario = Scenario(seed: 3, duration: 20_000)
        scenario.faults = []
        var simulation = Simulation(scenario)
        let outcome = simulation.run()
        #expect(outcome.violations == [])
        #expect(simulation.hosts.all.allSatisfy { $0.raft.currentTerm <= 3 })
    }
}

@Suite struct MinimiserTests {
    @Test func whatIsNotNeededIsLeftOut() {
        let scenario = Scenario(seed: 1)
        #expect(scenario.faults.count > 20)
        let needed = [scenario.faults[3], scenario.faults[17]]
        let least = Minimiser.minimise(scenario) { candidate in needed.allSatisfy(candidate.faults.contains) }
        #expect(least.faults == needed)
        #expect(Minimiser.minimise(scenario) { _ in true }.faults == [])
        #expect(Minimiser.minimise(scenario) { _ in false }.faults == scenario.faults)
    }
}

@Suite struct AgendaTests {
    @Test func eventsHappenInTheOrderOfTime() {
        var agenda = Agenda<String>()
        agenda.add("c", after: 20)
        agenda.add("a", after: 5)
        agenda.add("b", after: 5)
        agenda.add("late", after: Agenda<String>.horizon - 1)
        #expect(agenda.next(before: 10) == "a" && agenda.now == 5)
        agenda.add("at once", after: 0)
        #expect(agenda.next(before: 10) == "b")
        #expect(agenda.next(before: 10) == "at once")
        #expect(agenda.next(before: 10) == nil && agenda.now == 10)
        #expect(agenda.next(before: 100) == "c" && agenda.now == 20)
        agenda.add("beyond", after: Agenda<String>.horizon - 1)
        #expect(agenda.next(before: .max) == "late")
        #expect(agenda.next(before: .max) == "beyond" && agenda.now == 20 + Agenda<String>.horizon - 1)
    }
}
