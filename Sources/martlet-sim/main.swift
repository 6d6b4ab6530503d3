import ArgumentParser
import SimulationKit

/// Runs clusters of managers under faults, in virtual time, and says which promise was broken.
struct MartletSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-sim",
        abstract: "Simulates clusters of managers under faults, each from one seed.",
        discussion: "The exit status is 1 where a promise was broken. A run with the same arguments is the same run.")

    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "How many seeds are run, one after the other.") var count: UInt64 = 1
    @Option(help: "Managers at the beginning.") var managers = 5
    @Option(help: "How long faults happen in each run, in simulated seconds.") var seconds: UInt64 = 600
    @Flag(help: "Say nothing of runs that went well.") var quiet = false
    @Flag(help: "Stop at the first seed that breaks a promise.") var untilBroken = false
    @Flag(help: "Do not look for fewer faults that break the same promise.") var asIs = false

    func validate() throws {
        guard (1...9).contains(managers) else { throw ValidationError("--managers is of 1 to 9") }
        guard (1...86_400).contains(seconds) else { throw ValidationError("--seconds is of 1 to 86400") }
        guard count >= 1, seed <= UInt64.max - count else { throw ValidationError("--count is at least 1") }
    }

    func run() throws {
        var broken: UInt64 = 0
        var answered = 0
        var run: UInt64 = 0
        for seed in seed..<seed + count {
            let scenario = Scenario(seed: seed, members: managers, duration: seconds * 1_000)
            var simulation = Simulation(scenario)
            let outcome = simulation.run()
            run += 1
            answered += outcome.answered
            guard let violation = outcome.violations.first else {
                if !quiet {
                    print(
                        "seed \(seed): fine, \(scenario.faults.count) faults, \(outcome.answered) calls answered, "
                            + "\(outcome.committed) entries")
                }
                continue
            }
            broken += 1
            print("seed \(seed): \(violation)")
            print("  again: martlet-sim --seed \(seed) --managers \(managers) --seconds \(seconds)")
            if !asIs { printLeast(scenario, violation) }
            if untilBroken { break }
        }
        print("\(run) seeds, \(answered) calls answered, \(broken) seeds broke a promise")
        if broken > 0 { throw ExitCode(1) }
    }

    private func printLeast(_ scenario: Scenario, _ violation: Violation) {
        let least = Minimiser.minimise(scenario, violation)
        print("  with \(least.faults.count) of \(scenario.faults.count) faults:")
        for fault in least.faults { print("    \(fault)") }
    }
}

MartletSim.main()
