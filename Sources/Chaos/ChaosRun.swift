import Lab
import LinuxSystem
import Values

/// Real managers in a lab, under load and faults from one seed, and whether they kept what they promise
/// (docs/consensus.md, "Real processes").
public struct ChaosRun: Sendable {
    /// Where clients meet.
    static let places = 6
    /// The longest a client waits for an answer.
    static let answerLimit = Duration.seconds(4)
    private static let reportPause = Duration.seconds(15)

    let options: ChaosOptions
    let history = ChaosHistory(places: places)
    let hosts: [String]

    public init(_ options: ChaosOptions) {
        self.options = options
        hosts = (1...options.managers).map { "h\($0)" }
    }

    /// Makes the lab, runs, checks, and takes the lab down. Throws where the lab cannot be made or an error of the run
    /// itself comes up, not where a promise is broken.
    public func run() async throws -> ChaosOutcome {
        let milliseconds = Int(options.duration.components.seconds) * 1_000
        let plan = ChaosPlan(seed: options.seed, hosts: hosts.count, duration: milliseconds)
        // What an earlier run that was killed left behind.
        try? await RunningLab.leftover(options.lab).down()
        let configuration = LabConfiguration(
            name: options.lab, hosts: hosts.map { LabConfiguration.Host(name: $0) },
            underlay: .init(ipv4: CIDR("10.\(options.subnet).0.0/24")!, ipv6: CIDR("fd\(options.subnet)::/64")!))
        let lab = try await RunningLab.up(
            configuration,
            options: LabOptions(
                programs: options.programs, daemonEnvironment: HostKeeper.daemonEnvironment("lose"),
                progress: options.progress))
        do {
            let outcome = try await run(plan, on: lab)
            try await lab.down()
            return outcome
        } catch {
            keep(lab, [], [:])
            try? await lab.down()
            throw error
        }
    }

    private func run(_ plan: ChaosPlan, on lab: RunningLab) async throws -> ChaosOutcome {
        options.progress("seed \(options.seed): \(plan.events.count) faults in \(options.duration)")
        let keeper = HostKeeper(lab, hosts: hosts, disks: plan.disks, tell: options.progress)
        let clients = try hosts.map { ($0, ConfigClient(try lab.client($0), limit: Self.answerLimit)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<options.clients {
                group.addTask { await load(number, clients) }
            }
            group.addTask { await keeper.watch() }
            group.addTask { await report() }
            let faults = Task { try await carryOut(plan, keeper) }
            defer { group.cancelAll() }
            try await withTaskCancellationHandler {
                try await faults.value
            } onCancel: {
                faults.cancel()
            }
        }
        try Task.checkCancellation()
        options.progress("every fault has ended: the managers have to agree")
        try await keeper.mend()
        var violations = await keeper.violations
        violations += try await convergence(lab, clients, keeper)
        options.progress("the histories are checked")
        let broken = brokenHistories()
        violations += broken.map(\.text)
        var outcome = ChaosOutcome()
        outcome.violations = violations
        await summarise(&outcome, plan, keeper)
        if !violations.isEmpty {
            keep(
                lab, plan.events.map { "\($0.begin) to \($0.end) ms: \($0.fault)" },
                Dictionary(
                    broken.map { ($0.name, $0.calls) }
                ) { first, _ in first })
        }
        return outcome
    }

    private func load(_ number: Int, _ clients: [(String, ConfigClient)]) async {
        var client = ChaosClient(
            number: number, hosts: clients.map { (name: $0.0, client: $0.1) }, places: Self.places, history: history,
            seed: options.seed &+ UInt64(number) &* 0x9e37_79b9)
        await client.run()
    }

    private func carryOut(_ plan: ChaosPlan, _ keeper: HostKeeper) async throws {
        let begin = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for event in plan.events {
                group.addTask {
                    try await Task.sleep(until: begin + .milliseconds(event.begin), clock: .continuous)
                    try await keeper.carryOut(event.fault, for: .milliseconds(event.end - event.begin))
                }
            }
            try await group.waitForAll()
        }
        try await Task.sleep(until: begin + options.duration, clock: .continuous)
    }

    private func report() async {
        var last = history.tally
        while (try? await Task.sleep(for: Self.reportPause)) != nil {
            let tally = history.tally
            options.progress(
                "\(tally.acknowledged) changes acknowledged (+\(tally.acknowledged - last.acknowledged)), "
                    + "\(tally.reads) reads, \(tally.refused) refused, \(tally.unknown) without an answer")
            last = tally
        }
    }

    private func summarise(_ outcome: inout ChaosOutcome, _ plan: ChaosPlan, _ keeper: HostKeeper) async {
        let tally = history.tally
        let done = await keeper.tally
        let kinds = ChaosFault.Kind.allCases.compactMap { kind in
            done.faults[kind].map { "\(kind.rawValue) \($0)" }
        }
        outcome.acknowledged = tally.acknowledged
        outcome.reads = tally.reads
        outcome.faults = done.faults.values.reduce(0, +)
        outcome.summary = [
            "operations: \(tally.acknowledged) changes acknowledged, \(tally.reads) reads, \(tally.refused) refused, "
                + "\(tally.unknown) without an answer; \(history.calls.count) configs",
            "faults: \(outcome.faults) (\(kinds.joined(separator: ", "))), "
                + "of them \(plan.events.count { $0.fault.impaired.count == hosts.count }) of all hosts at once",
            "daemons that ended by themselves: \(done.ended); raft stopped by the disk: \(done.stopped); starts that "
                + "failed: \(done.failedStarts); snapshots installed: \(done.installed); terms: \(await keeper.terms)",
        ]
    }

    // MARK: Histories

    private func brokenHistories() -> [(name: String, text: String, calls: [RegisterCall])] {
        history.calls.sorted { $0.key < $1.key }.compactMap { name, calls in
            switch RegisterChecker.check(calls) {
            case .fits: return nil
            case .breaks(let call):
                let kind =
                    call.client == Self.verifier ? "an acknowledged change is lost or undone" : "not linearizable"
                return (name, "config \(name): \(kind): no order has \(call)", calls)
            case .undecided: return (name, "config \(name): it was not found out whether an order exists", calls)
            }
        }
    }
}
