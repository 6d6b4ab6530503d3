import ArgumentParser
import EngineClient
import JSON

/// `service inspect SERVICE...`.
struct ServiceInspectCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Shows all of services.")

    @OptionGroup var format: FormatOptions
    @Flag(help: "For people.") var pretty = false
    @Argument(help: "The services.") var services: [String]

    func run() async throws {
        let inspection = Inspection(
            engine: engine, kinds: [.service], format: pretty ? ServicePretty.format : format.format)
        try await inspection.run(services) { pretty ? ServicePretty.fields($0) : $0 }
    }
}

/// `service rm SERVICE...`.
struct ServiceRemoveCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Removes services.", aliases: ["remove"])

    @Argument(help: "The services.") var services: [String]

    func run() async throws {
        try await each(services) { name in
            try await engine.json("DELETE", "/services/\(EngineClient.escape(name))")
            Output.line(name)
        }
    }
}

/// `service logs SERVICE|TASK`.
struct ServiceLogsCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Prints the output of a service's tasks.")

    @OptionGroup var options: LogOptions
    @Flag(name: .customLong("no-resolve"), help: "Show identifiers instead of names.") var noResolve = false
    @Flag(name: .customLong("no-task-ids"), help: "Leave out the tasks' identifiers.") var noTaskIDs = false
    @Flag(name: .customLong("no-trunc"), help: "Do not shorten identifiers.") var isWhole = false
    @Flag(help: "The lines as they are.") var raw = false
    @Argument(help: "A service or a task.") var name: String

    func run() async throws {
        var path = "/services/\(EngineClient.escape(name))"
        let hasTerminal: Bool
        do {
            hasTerminal =
                try await engine.json("GET", path).at("Spec", "TaskTemplate", "ContainerSpec", "TTY")?.bool ?? false
        } catch let error as EngineClientError where error.status == 404 {
            path = "/tasks/\(EngineClient.escape(name))"
            do {
                hasTerminal = try await engine.json("GET", path).at("Spec", "ContainerSpec", "TTY")?.bool ?? false
            } catch let error as EngineClientError where error.status == 404 {
                throw CommandExit(code: 1, message: "no such task or service: \(name)")
            }
        }
        let query = try options.query() + (raw ? [] : [("details", "true")])
        let response = try await engine.perform("GET", path + "/logs", query: query)
        if raw {
            try await StreamOutput.copy(response, isRaw: hasTerminal)
            return
        }
        var printer = TaskLogPrinter(
            engine: engine, isWhole: isWhole, resolves: !noResolve, showsTasks: !noTaskIDs, hasTimes: options.timestamps
        )
        if hasTerminal {
            while let bytes = try await response.next() { try await printer.print(bytes, isError: false) }
        } else {
            var frames = OutputFrames()
            while let bytes = try await response.next() {
                for (kind, payload) in try frames.feed(bytes) { try await printer.print(payload, isError: kind == 2) }
            }
        }
    }
}

/// Puts a task's name before each of its lines, as `docker service logs` does.
private struct TaskLogPrinter {
    let engine: EngineClient
    let isWhole: Bool
    let resolves: Bool
    let showsTasks: Bool
    let hasTimes: Bool
    private var names: [String: String] = [:]
    private var nodes: [String: String] = [:]

    init(engine: EngineClient, isWhole: Bool, resolves: Bool, showsTasks: Bool, hasTimes: Bool) {
        self.engine = engine
        self.isWhole = isWhole
        self.resolves = resolves
        self.showsTasks = showsTasks
        self.hasTimes = hasTimes
    }

    /// A line: `[time ]details text`.
    mutating func print(_ bytes: [UInt8], isError: Bool) async throws {
        var rest = bytes[...]
        func word() -> String {
            let word = rest.prefix { $0 != 0x20 }
            rest = rest.dropFirst(word.count + 1)
            return String(decoding: word, as: UTF8.self)
        }
        let time = hasTimes ? word() + " " : ""
        let details = Assignments.dictionary(word().split(separator: ",").map(String.init))
        let task = details["com.docker.swarm.task.id"] ?? ""
        let node = details["com.docker.swarm.node.id"] ?? ""
        let prefix = try await name(task, node)
        let line = Array("\(time)\(prefix)    | ".utf8) + rest
        if isError { Output.errorBytes(line) } else { Output.write(line) }
    }

    private mutating func name(_ task: String, _ node: String) async throws -> String {
        if let known = names[task] { return known }
        var name = isWhole ? task : Row.short(task)
        if resolves {
            if nodes.isEmpty { nodes = (try? await TaskListing.nodeNames(engine)) ?? [:] }
            let object = try? await engine.json("GET", "/tasks/\(task)")
            let serviceID = object?.text("ServiceID") ?? ""
            let service = (try? await engine.json("GET", "/services/\(serviceID)"))?.at("Spec", "Name")?.string
            let slot = object?.number("Slot") ?? 0
            let place = slot > 0 ? String(slot) : nodes[node] ?? node
            name = "\(service ?? serviceID).\(place)" + (showsTasks ? ".\(isWhole ? task : Row.short(task))" : "")
            name += "@\(nodes[node] ?? node)"
        }
        names[task] = name
        return name
    }
}
