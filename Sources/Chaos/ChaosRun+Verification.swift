import EngineClient
import Glibc
import JSON
import Lab
import LinuxSystem

extension ChaosRun {
    /// The client that reads everything in the end.
    static let verifier = -1
    private static let convergenceLimit = Duration.seconds(180)
    /// One answer with every config.
    private static let listLimit = Duration.seconds(30)
    private static let pause = Duration.milliseconds(200)

    /// Whether every manager tells the same in the end, in its answers and in its files, also after all of them were
    /// started again from these.
    func convergence(
        _ lab: RunningLab, _ clients: [(String, ConfigClient)], _ keeper: HostKeeper
    ) async throws -> [String] {
        let patient = clients.map { ($0.0, ConfigClient($0.1.engine, limit: Self.listLimit)) }
        var violations: [String] = []
        let before = await read(patient, &violations)
        if violations.isEmpty { violations += await differences(patient) }
        for (host, _) in clients { try await lab.stop(host) }
        violations += try files(lab)
        for (host, _) in clients {
            do { try await lab.start(host) } catch { violations.append("\(host) does not start again: \(error)") }
        }
        let after = await read(patient, &violations)
        if let before, let after, before != after { violations.append("a start of all managers changed configs") }
        return violations
    }

    /// Reads every config at every manager, as calls of the history; nil where managers differ or do not answer.
    private func read(
        _ clients: [(String, ConfigClient)], _ violations: inout [String]
    ) async -> [String: ConfigClient.Config]? {
        let names = Array(history.calls.keys)
        var all: [[String: ConfigClient.Config]] = []
        let deadline = ContinuousClock.now + Self.convergenceLimit
        for (host, client) in clients {
            while true {
                let begin = history.now
                if case .answered(let configs) = await client.all() {
                    let end = history.now
                    for name in names {
                        let answer = RegisterCall.Answer.seen(configs[name]?.content)
                        history.add(
                            RegisterCall(client: Self.verifier, host: host, .read, begin, end, answer), to: name)
                    }
                    all.append(configs)
                    break
                }
                guard ContinuousClock.now < deadline else {
                    violations.append("\(host) does not answer within \(Self.convergenceLimit) after every fault ended")
                    return nil
                }
                try? await Task.sleep(for: Self.pause)
            }
        }
        guard all.allSatisfy({ $0 == all[0] }) else {
            violations.append("managers answer with different configs in the end")
            return nil
        }
        return all[0]
    }

    /// Waits until every manager's tables hold the same.
    private func differences(_ clients: [(String, ConfigClient)]) async -> [String] {
        let statement = """
            SELECT (SELECT count(*) FROM config), (SELECT total(version) FROM config),
                (SELECT max(revision) FROM history), (SELECT count(*) FROM history), (SELECT total(revision) FROM history)
            """
        let deadline = ContinuousClock.now + Self.convergenceLimit
        while true {
            var rows: Set<JSONValue> = []
            for (_, client) in clients {
                let engine = client.engine
                let answer = try? await within(Self.listLimit) {
                    try await engine.json("POST", "/martlet/sql", body: ["Statement": .string(statement)])
                }
                rows.insert(answer?["Rows"] ?? "no answer")
            }
            if rows.count == 1, rows.first?.array?.count == 1 { return [] }
            guard ContinuousClock.now < deadline else { return ["managers hold different states in the end: \(rows)"] }
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// Whether the files of all managers, whose daemons do not run, are whole and hold the same configs.
    private func files(_ lab: RunningLab) throws -> [String] {
        var violations: [String] = []
        var tables: Set<[String]> = []
        for host in hosts {
            let directory = try lab.dataPath(host)
            do {
                let (damage, configs) = try HostDatabases(directory: directory).check()
                violations += damage.map { "\(host): \($0)" }
                tables.insert(configs)
            } catch {
                violations.append("\(host) has no state: \(error)")
            }
        }
        if tables.count > 1 { violations.append("the files of managers hold different configs") }
        return violations
    }

    // MARK: What is kept

    /// Keeps what is needed to look at a broken promise. What cannot be kept is left.
    func keep(_ lab: RunningLab, _ plan: [String], _ broken: [String: [RegisterCall]]) {
        try? Files.makeDirectories(options.keep)
        try? Files.write(options.keep + "/plan.txt", plan.joined(separator: "\n") + "\n")
        for (name, calls) in broken {
            let lines = calls.sorted { $0.begin < $1.begin }.map(\.description)
            try? Files.write("\(options.keep)/\(name).txt", lines.joined(separator: "\n") + "\n")
        }
        for host in hosts {
            guard let log = try? lab.logPath(host), let data = try? lab.dataPath(host) else { continue }
            try? Files.makeDirectories("\(options.keep)/\(host)")
            for (from, to) in [(log, "daemon.log"), (log + ".1", "daemon.log.1"), (data + "/cluster", "cluster")] {
                _ = try? CapturedProcess.run(
                    "/bin/cp", ["cp", "-a", from, "\(options.keep)/\(host)/\(to)"], environment: [])
            }
        }
        options.progress("histories, logs and files are in \(options.keep)")
    }
}
