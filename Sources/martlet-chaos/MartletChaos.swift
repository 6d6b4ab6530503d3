import ArgumentParser
import Chaos
import Glibc

/// Runs real managers on this machine under load and faults, and says which promise was broken.
@main
struct MartletChaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-chaos",
        abstract: "Runs managers in a lab under load, with faults from one seed (docs/consensus.md).",
        discussion:
            "The exit status is 1 where a promise was broken. A seed decides the faults, not what becomes of them.")

    @Option(help: "Decides which faults happen when.") var seed: UInt64 = 1
    @Option(help: "How long faults happen.") var minutes = 1.0
    @Option(help: "Managers.") var managers = 5
    @Option(help: "Clients at work at once.") var clients = 10
    @Option(help: "The lab's name.") var lab = "chaos"
    @Option(help: "N of the lab's subnet 10.N.0.0/24.") var subnet: UInt8 = 76
    @Option(help: "Look only whether the databases in this data directory, whose daemon does not run, are whole.")
    var check: String?
    @Option(help: "Where to keep what is needed to look at a broken promise. (default: /var/tmp/martlet-chaos-SEED)")
    var keep: String?

    func validate() throws {
        guard (1...9).contains(managers) else { throw ValidationError("--managers is of 1 to 9") }
        guard (1...200).contains(clients) else { throw ValidationError("--clients is of 1 to 200") }
        guard (0.1...1_440).contains(minutes) else { throw ValidationError("--minutes is of 0.1 to 1440") }
    }

    func run() async throws {
        if let check {
            let damage = try HostDatabases(directory: check).check().damage
            for line in damage { print(line) }
            if !damage.isEmpty { throw ExitCode(1) }
            return
        }
        let begin = ContinuousClock.now
        let options = ChaosOptions(
            seed: seed, duration: .seconds(Int(minutes * 60)), managers: managers, clients: clients, lab: lab,
            subnet: subnet, keep: keep ?? "/var/tmp/martlet-chaos-\(seed)"
        ) { line in
            print("\((ContinuousClock.now - begin).components.seconds) s: \(line)")
            fflush(nil)
        }
        let work = Task { try await ChaosRun(options).run() }
        Interruption.cancel(work)
        let outcome = try await work.value
        for line in outcome.summary { print(line) }
        for violation in outcome.violations { print("VIOLATION: \(violation)") }
        print(outcome.violations.isEmpty ? "every promise was kept" : "\(outcome.violations.count) violations")
        if !outcome.violations.isEmpty { throw ExitCode(1) }
    }
}
