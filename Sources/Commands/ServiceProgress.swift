import JSON

/// How far a service is from what is wanted of it: decides from what the API shows, knows no terminal and no clock.
struct ServiceProgress {
    enum Outcome: Equatable {
        case converged
        /// The update did not go through; the text says why.
        case failed(String)
    }

    /// What is to be shown, and whether it is over.
    struct Picture: Equatable {
        /// `overall progress: 2 out of 3 tasks`.
        var overall = ""
        /// A line for each slot or node.
        var slots: [String] = []
        /// What the watch does beside counting: `verify: ...`, `rollback: ...`.
        var notes: [String] = []
        var outcome: Outcome?
    }

    /// More slots are not shown one by one.
    static let slotLimit = 20
    /// How long all tasks must run where the service says nothing else, in nanoseconds.
    static let standardMonitor: Int64 = 5_000_000_000

    private static let states = [
        "new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running", "complete",
        "shutdown", "failed", "rejected",
    ]

    /// Whether the user asked for the rollback.
    let expectsRollback: Bool
    private var convergedAt: Int64?
    private var rollsBack = false

    init(expectsRollback: Bool = false) { self.expectsRollback = expectsRollback }

    /// - Parameters:
    ///   - tasks: those of the service's current specification.
    ///   - nodes: of the cluster.
    ///   - now: nanoseconds of a clock that is never set back.
    mutating func observe(service: JSONValue, tasks: [JSONValue], nodes: [JSONValue], now: Int64) -> Picture {
        var picture = Picture()
        let status = service["UpdateStatus"]
        let message = status?.text("Message") ?? ""
        switch status?.text("State") {
        case "updating": rollsBack = false
        case "paused": picture.outcome = .failed("service update paused: \(message)")
        case "rollback_paused": picture.outcome = .failed("service rollback paused: \(message)")
        case "rollback_started", "rollback_completed":
            rollsBack = true
            if !message.isEmpty { picture.notes.append("rollback: \(message)") }
        default: break
        }
        let (running, wanted) = count(service, tasks, nodes, &picture)
        let isConverged = wanted > 0 || service.at("Spec", "Mode", "Global") == nil ? running == wanted : false
        picture.overall =
            (rollsBack ? "rolling back update: " : "overall progress: ") + "\(running) out of \(wanted) tasks"
        if picture.outcome != nil { return picture }
        verify(isConverged, service, now, message, &picture)
        return picture
    }

    private mutating func verify(
        _ isConverged: Bool, _ service: JSONValue, _ now: Int64, _ message: String, _ picture: inout Picture
    ) {
        guard isConverged else {
            if convergedAt != nil { picture.notes.append("verify: Detected task failure") }
            convergedAt = nil
            return
        }
        let since = convergedAt ?? now
        convergedAt = since
        let configuration = service.at("Spec", rollsBack ? "RollbackConfig" : "UpdateConfig")
        let monitor = configuration?.number("Monitor") ?? 0
        let rest = (monitor > 0 ? monitor : Self.standardMonitor) - (now - since)
        if rest > 0 {
            let seconds = (rest + 999_999_999) / 1_000_000_000
            picture.notes.append("verify: Waiting \(seconds) seconds to verify that tasks are stable...")
        } else if rollsBack, !expectsRollback {
            picture.outcome = .failed("service update rolled back: \(message)")
        } else {
            picture.notes.append("verify: Service \(service.at("Spec", "Name")?.string ?? "") converged")
            picture.outcome = .converged
        }
    }

    /// Counts the tasks that run and those wanted, and describes each slot.
    private func count(
        _ service: JSONValue, _ tasks: [JSONValue], _ nodes: [JSONValue], _ picture: inout Picture
    ) -> (running: Int, wanted: Int) {
        let isGlobal = service.at("Spec", "Mode", "Global") != nil
        let lost = Set(nodes.filter { $0.at("Status", "State") == "down" }.map { $0.text("ID") })
        var chosen: [String: JSONValue] = [:]
        for task in tasks where task.text("NodeID").isEmpty || !lost.contains(task.text("NodeID")) {
            let key = isGlobal ? task.text("NodeID") : String(task.number("Slot"))
            if isGlobal, task.text("DesiredState") == "shutdown" { continue }
            if let other = chosen[key], !Self.isBetter(task, than: other) { continue }
            chosen[key] = task
        }
        let running = chosen.values.count { $0.at("Status", "State") == "running" && !Self.isEnding($0) }
        if isGlobal {
            let names = Dictionary(
                nodes.map { ($0.text("ID"), $0.at("Description", "Hostname")?.string ?? $0.text("ID")) },
                uniquingKeysWith: { first, _ in first })
            if chosen.count <= Self.slotLimit {
                picture.slots = chosen.map { "\(names[$0.key] ?? Row.short($0.key)): \(Self.describe($0.value))" }
                    .sorted()
            }
            return (running, chosen.count)
        }
        let wanted = Int(clamping: service.at("Spec", "Mode", "Replicated", "Replicas")?.integer ?? 1)
        if wanted <= Self.slotLimit {
            // Slots need not be numbered from 1 on after a scale-down.
            let slots = chosen.sorted { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }.prefix(wanted).map(\.value)
            picture.slots = (0..<wanted).map { index in
                "\(index + 1)/\(wanted): \(index < slots.count ? Self.describe(slots[index]) : "")"
            }
        }
        return (running, wanted)
    }

    private static func isEnding(_ task: JSONValue) -> Bool { rank(task.text("DesiredState")) > rank("running") }

    private static func rank(_ state: String) -> Int { states.firstIndex(of: state) ?? states.count }

    /// The task that is wanted for longer, and of those the one further from running.
    private static func isBetter(_ task: JSONValue, than other: JSONValue) -> Bool {
        let desired = (rank(task.text("DesiredState")), rank(other.text("DesiredState")))
        if desired.0 != desired.1 { return desired.0 < desired.1 }
        return rank(task.at("Status", "State")?.string ?? "") < rank(other.at("Status", "State")?.string ?? "")
    }

    private static func describe(_ task: JSONValue) -> String {
        let state = task.at("Status", "State")?.string ?? ""
        let reason = task.at("Status", "Err")?.string ?? ""
        return reason.isEmpty ? state : "\(state): \(reason)"
    }
}
