import Lab

/// Carries out faults on the hosts of a lab, and starts daemons that ended by themselves, as systemd would.
actor HostKeeper {
    /// What a daemon may do about a disk that fails.
    struct Tally: Sendable {
        var faults: [ChaosFault.Kind: Int] = [:]
        /// Daemons that ended by themselves and were started again.
        var ended = 0
        /// Managers whose raft had stopped, which were killed and started again.
        var stopped = 0
        /// Starts that a disk with faults did not let come about.
        var failedStarts = 0
        /// States that were replaced by another manager's snapshot.
        var installed = 0
    }

    private enum Place { case up, faulty, starting }

    /// Failed starts of one host in a row on a disk without faults before its file counts as lost.
    private static let startLimit = 3
    private static let lookPause = Duration.milliseconds(500)
    /// Traps, and files that are not as they were written.
    private static let alarms = ["Fatal error", "Program crashed", "is damaged", "were damaged"]
    /// SQLITE_IOERR_READ, as the daemon tells of it.
    private static let unread = ["SQLite 266", "error code=266"]

    private let lab: RunningLab
    private let hosts: [String]
    /// `MARTLET_DISK_FAULTS` for a disk that works, of each host; nil is the host's own.
    private var disks: [String?]
    /// What each host's daemon runs with now.
    private var environment: [String?]
    private var places: [Place]
    private var failures: [Int]
    private var logs: [LogTail]
    private var lastTerm: UInt64 = 0
    private(set) var tally = Tally()
    private(set) var violations: [String] = []
    private let tell: @Sendable (String) -> Void

    init(_ lab: RunningLab, hosts: [String], disks: [String], tell: @escaping @Sendable (String) -> Void) {
        self.lab = lab
        self.hosts = hosts
        self.disks = disks
        environment = disks
        places = hosts.map { _ in .up }
        failures = hosts.map { _ in 0 }
        logs = hosts.map { LogTail(path: (try? lab.logPath($0)) ?? "") }
        self.tell = tell
    }

    /// - Parameter faults: nil for the host's own disk.
    static func daemonEnvironment(_ faults: String?) -> [String] {
        // A manager that was away for some seconds under load may get a snapshot.
        ["MARTLET_ENTRIES_PER_SNAPSHOT=200"] + (faults.map { ["MARTLET_DISK_FAULTS=\($0)"] } ?? [])
    }

    // MARK: Faults

    /// Lets a fault begin, waits, and undoes it.
    func carryOut(_ fault: ChaosFault, for length: Duration) async throws {
        await waitUntilFree(fault.touched)
        for host in fault.touched { places[host] = .faulty }
        tally.faults[fault.kind, default: 0] += 1
        tell("\(fault)")
        let begin = ContinuousClock.now
        try await start(fault)
        try? await Task.sleep(until: begin + length, clock: .continuous)
        try await undo(fault)
    }

    private func waitUntilFree(_ touched: [Int]) async {
        while touched.contains(where: { places[$0] != .up }), !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func start(_ fault: ChaosFault) async throws {
        switch fault {
        case .kill(let hosts): for host in hosts { try await lab.stop(name(host), kill: true) }
        case .powerOff(let hosts): for host in hosts { try await lab.kill(name(host)) }
        case .freeze(let hosts): for host in hosts { try await lab.freeze(name(host)) }
        case .isolate(let hosts): for (one, other) in pairs(hosts) { try await lab.cut(name(one), name(other)) }
        case .cut(let one, let other): try await lab.cut(name(one), name(other))
        case .cutOneWay(let sender, let receiver): try await lab.cut(from: name(sender), to: name(receiver))
        case .disk(let host, let faults):
            try await lab.stop(name(host), kill: true)
            environment[host] = faults
            await startDaemon(host)
        }
    }

    private func undo(_ fault: ChaosFault) async throws {
        switch fault {
        case .kill(let hosts), .powerOff(let hosts):
            // All at once, as after a loss of power; none waits for another.
            await withTaskGroup(of: Void.self) { group in
                for host in hosts { group.addTask { await self.startDaemon(host) } }
            }
        case .freeze(let hosts):
            for host in hosts {
                try await lab.thaw(name(host))
                places[host] = .up
            }
        case .isolate(let hosts): for (one, other) in pairs(hosts) { try await lab.mend(name(one), name(other)) }
        case .cut(let one, let other), .cutOneWay(let one, let other): try await lab.mend(name(one), name(other))
        case .disk(let host, _):
            await waitUntilFree([host])
            places[host] = .faulty
            try await lab.stop(name(host), kill: true)
            environment[host] = disks[host]
            await startDaemon(host)
        }
    }

    private func name(_ host: Int) -> String { hosts[host] }

    private func pairs(_ apart: [Int]) -> [(Int, Int)] {
        apart.flatMap { one in hosts.indices.filter { !apart.contains($0) }.map { (one, $0) } }
    }

    // MARK: Daemons

    /// Starts what does not run on a host. Where that fails `watch` tries again.
    private func startDaemon(_ host: Int) async {
        places[host] = .starting
        let faults = environment[host]
        do {
            try await lab.start(name(host), daemonEnvironment: Self.daemonEnvironment(faults))
            failures[host] = 0
        } catch {
            tally.failedStarts += 1
            failures[host] += 1
            if environment[host] == disks[host] {
                if failures[host] == Self.startLimit + 1 { violate("\(name(host)) does not start any more: \(error)") }
            } else if failures[host] >= Self.startLimit {
                // Not even a start comes about on such a disk.
                environment[host] = disks[host]
                failures[host] = 0
            }
        }
        places[host] = .up
    }

    /// Starts daemons that have ended and those whose raft has stopped, until the task is cancelled.
    func watch() async {
        while !Task.isCancelled {
            for host in hosts.indices where places[host] == .up { await look(at: host) }
            try? await Task.sleep(for: Self.lookPause)
        }
    }

    private func look(at host: Int) async {
        guard let status = try? lab.host(name(host)).status else { return }
        if status == .stopped || status == .off {
            tally.ended += 1
            tell("\(name(host)) has ended: it is started again")
            await startDaemon(host)
        } else if status == .running, hasStopped(host) {
            tally.stopped += 1
            tell("raft has stopped on \(name(host)): it is killed and started again")
            places[host] = .faulty
            try? await lab.stop(name(host), kill: true)
            await startDaemon(host)
        }
    }

    /// Whether the log of a host has since the last look that raft stopped. What must never be in one is a violation.
    private func hasStopped(_ host: Int) -> Bool {
        let lines = logs[host].newLines()
        for (number, line) in lines.enumerated() where Self.alarms.contains(where: { line.contains($0) }) {
            // What a disk with faults did not read counts as damaged until a start on a disk without them.
            let isUnread = lines[number...].prefix(2).contains { text in Self.unread.contains { text.contains($0) } }
            if !isUnread { violate("\(name(host)) wrote: \(line.prefix(600))") }
        }
        for line in lines where line.contains("this manager leads") {
            let digits = line.split(separator: "term=").last?.prefix { $0.isNumber }
            lastTerm = max(lastTerm, digits.flatMap { UInt64($0) } ?? 0)
        }
        tally.installed += lines.count { $0.contains("the cluster's state was replaced by a snapshot") }
        return lines.contains { $0.contains("raft has stopped") }
    }

    private func violate(_ what: String) {
        tell("VIOLATION: \(what)")
        violations.append(what)
    }

    /// The largest term that a manager led in.
    var terms: UInt64 { lastTerm }

    // MARK: The end

    /// Ends every fault: from now on disks work, and every host runs.
    func mend() async throws {
        try await lab.mend()
        for host in hosts.indices {
            await waitUntilFree([host])
            disks[host] = nil
            environment[host] = nil
            if try lab.host(name(host)).status == .frozen { try await lab.thaw(name(host)) }
            try await lab.stop(name(host), kill: true)
            await startDaemon(host)
            _ = hasStopped(host)
        }
    }
}
