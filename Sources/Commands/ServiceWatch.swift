import EngineClient
import Glibc
import JSON
import LinuxSystem
import Values

/// Follows a service until it has converged, and shows how far it is.
struct ServiceWatch {
    /// Between two looks.
    static let period = Duration.milliseconds(200)
    /// How long the cluster may be without an answer, in nanoseconds.
    static let patience: Int64 = 30_000_000_000

    let engine: EngineClient
    let serviceID: String
    var isQuiet = false
    var expectsRollback = false

    /// Returns when the service has converged; ends with 1 where an update was paused or rolled back.
    func untilConverged() async throws {
        do {
            try await Interruption.cancelling { try await follow() }
        } catch is CancellationError {
            throw CommandExit(
                code: 0,
                message: "Operation continuing in background.\n"
                    + "Use `martlet service ps \(serviceID)` to check progress.")
        }
    }

    private func follow() async throws {
        var progress = ServiceProgress(expectsRollback: expectsRollback)
        var display = ProgressDisplay(isTerminal: Output.isTerminal, isQuiet: isQuiet)
        var silentSince: Int64?
        while true {
            do {
                let service = try await engine.json("GET", "/services/\(serviceID)")
                let mode = service.at("Spec", "Mode")
                if mode?["ReplicatedJob"] != nil || mode?["GlobalJob"] != nil { return }
                let filters = FilterOptions.query(["service": [serviceID], "_up-to-date": ["true"]])
                let tasks = try await engine.json("GET", "/tasks", query: filters).array ?? []
                let nodes = try await engine.json("GET", "/nodes").array ?? []
                silentSince = nil
                let picture = progress.observe(
                    service: service, tasks: tasks, nodes: nodes, now: Clock.sinceBoot())
                display.show(picture)
                switch picture.outcome {
                case .converged: return
                case .failed(let reason): throw CommandExit(code: 1, message: reason)
                case nil: break
                }
            } catch let error as EngineClientError where error.status == 0 || error.status >= 500 {
                // While the cluster elects another leader it has no answers.
                let now = Clock.sinceBoot()
                if now - (silentSince ?? now) > Self.patience { throw error }
                silentSince = silentSince ?? now
            }
            try await Task.sleep(for: Self.period)
        }
    }
}

/// Shows pictures: drawn over each other on a terminal, otherwise a line whenever one changes.
struct ProgressDisplay {
    let isTerminal: Bool
    let isQuiet: Bool
    private var drawn: [String] = []
    private var shown: Set<String> = []
    private var lastOverall = ""

    init(isTerminal: Bool, isQuiet: Bool) {
        self.isTerminal = isTerminal
        self.isQuiet = isQuiet
    }

    mutating func show(_ picture: ServiceProgress.Picture) {
        guard !isQuiet else { return }
        Output.text(isTerminal ? drawing(picture) : lines(picture).map { $0 + "\n" }.joined())
    }

    /// The picture with the control sequences that put it over the one before; nothing where it is the same.
    mutating func drawing(_ picture: ServiceProgress.Picture) -> String {
        // A line that wraps would put the next picture in the wrong place.
        let width = max(20, Int(TerminalMode.size()?.columns ?? 120))
        let lines = ([picture.overall] + picture.slots + picture.notes).map { Row.cut($0, width) }
        guard lines != drawn else { return "" }
        var text = drawn.isEmpty ? "" : "\u{1b}[\(drawn.count)A"
        for line in lines { text += "\u{1b}[2K" + line + "\n" }
        // Lines left over from a longer picture.
        if drawn.count > lines.count { text += "\u{1b}[J" }
        drawn = lines
        return text
    }

    /// What is new since the last picture: the count, reasons of tasks that wait or failed, notes.
    mutating func lines(_ picture: ServiceProgress.Picture) -> [String] {
        var lines: [String] = []
        if picture.overall != lastOverall {
            lastOverall = picture.overall
            lines.append(picture.overall)
        }
        let reasons = picture.slots.filter { $0.split(separator: ":").count > 2 }
        let notes = picture.notes.map {
            $0.hasPrefix("verify: Waiting") ? "verify: Waiting until tasks are stable" : $0
        }
        for line in reasons + notes where shown.insert(line).inserted { lines.append(line) }
        return lines
    }
}
