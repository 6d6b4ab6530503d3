import ArgumentParser
import Glibc
import SimulationKit

/// Runs clusters of managers under faults, in virtual time, and says which promise was broken.
@main
struct MartletSim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-sim",
        abstract: "Simulates clusters of managers under faults, each from one seed.",
        discussion: "The exit status is 1 where a promise was broken. A run with the same arguments is the same run.")

    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "How many seeds are run.") var count: UInt64 = 1
    @Option(help: "Managers at the beginning.") var managers = 5
    @Option(help: "How long faults happen in each run, in simulated seconds.") var seconds: UInt64 = 600
    @Option(help: "How many seeds run at once.") var jobs = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    @Flag(help: "Say nothing of runs that went well.") var quiet = false
    @Flag(help: "Stop at the first seed that breaks a promise.") var untilBroken = false
    @Flag(help: "Do not look for fewer faults that break the same promise.") var asIs = false

    func validate() throws {
        guard (1...9).contains(managers) else { throw ValidationError("--managers is of 1 to 9") }
        guard (1...86_400).contains(seconds) else { throw ValidationError("--seconds is of 1 to 86400") }
        guard (1...1_024).contains(jobs) else { throw ValidationError("--jobs is of 1 to 1024") }
        guard count >= 1, seed <= UInt64.max - count else { throw ValidationError("--count is at least 1") }
    }

    /// Sets and dictionaries have another order in each process, unless it is asked not to be so when it starts: what
    /// depends on it runs the same way each time only then.
    private static let fixedOrder = "SWIFT_DETERMINISTIC_HASHING"

    private func restartWithFixedOrder() {
        guard getenv(Self.fixedOrder) == nil else { return }
        setenv(Self.fixedOrder, "1", 1)
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", arguments)
    }

    func run() async {
        restartWithFixedOrder()
        var tally = Tally()
        await withTaskGroup(of: (UInt64, Simulation.Outcome).self) { group in
            var next = seed
            func begin() {
                guard next < seed + count else { return }
                let scenario = scenario(next)
                group.addTask {
                    var simulation = Simulation(scenario)
                    return (scenario.seed, simulation.run())
                }
                next += 1
            }
            for _ in 0..<jobs { begin() }
            // Told in the order of seeds, whatever is done first.
            var done: [UInt64: Simulation.Outcome] = [:]
            for await (seed, outcome) in group {
                done[seed] = outcome
                while let outcome = done.removeValue(forKey: self.seed + tally.runs) {
                    tell(outcome, of: self.seed + tally.runs, &tally)
                    if untilBroken, tally.broken > 0 { return group.cancelAll() }
                }
                begin()
            }
        }
        print("\(tally.runs) seeds, \(tally.answered) calls answered, \(tally.broken) seeds broke a promise")
        if tally.broken > 0 { Self.exit(withError: ExitCode(1)) }
    }

    private struct Tally {
        var runs: UInt64 = 0
        var answered = 0
        var broken: UInt64 = 0
    }

    private func scenario(_ seed: UInt64) -> Scenario {
        Scenario(seed: seed, members: managers, duration: seconds * 1_000)
    }

    private func tell(_ outcome: Simulation.Outcome, of seed: UInt64, _ tally: inout Tally) {
        // A line as soon as it is known, also into a file.
        defer { fflush(nil) }
        tally.runs += 1
        tally.answered += outcome.answered
        let scenario = scenario(seed)
        guard let violation = outcome.violations.first else {
            guard !quiet else { return }
            return print(
                "seed \(seed): fine, \(scenario.faults.count) faults, \(outcome.elections) leaders, "
                    + "\(outcome.answered) calls answered, \(outcome.committed) entries"
                    + (scenario.hasServices
                        ? ", \(outcome.changes) changes of services, \(outcome.attempts) attempts of hosts alone" : ""))
        }
        tally.broken += 1
        print("seed \(seed): \(violation)")
        print("  again: martlet-sim --seed \(seed) --managers \(managers) --seconds \(seconds)")
        // Looking for fewer faults takes long.
        fflush(nil)
        if !asIs { printLeast(scenario, violation) }
    }

    private func printLeast(_ scenario: Scenario, _ violation: Violation) {
        let least = Minimiser.minimise(scenario, violation)
        print("  with \(least.faults.count) of \(scenario.faults.count) faults:")
        for fault in least.faults { print("    \(fault)") }
    }
}
