import ArgumentParser
import EngineClient
import JSON

/// `service update [OPTIONS] SERVICE`.
struct ServiceUpdateCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "update", abstract: "Changes a service.")

    @OptionGroup var options: ServiceOptions
    @OptionGroup var change: ServiceUpdateOptions
    @Argument(help: "The service.") var service: String

    func run() async throws {
        if change.isRollback {
            return try await ServiceChange(engine: engine, name: service)
                .rollBack(isDetached: options.detach, isQuiet: options.quiet)
        }
        let target = ServiceChange(engine: engine, name: service)
        let id = try await target.change { spec in
            try await change.apply(to: &spec) { try await ServiceResolution.networkID($0, engine) }
            try ServiceBody.apply(options, to: &spec)
            if change.image != nil, !options.noResolve { try await ServiceResolution.resolveImage(&spec, engine) }
        }
        Output.line(service)
        if options.detach { return }
        try await ServiceWatch(engine: engine, serviceID: id, isQuiet: options.quiet).untilConverged()
    }
}

/// `service rollback SERVICE`.
struct ServiceRollbackCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Goes back to a service's previous specification.")

    @Flag(name: .shortAndLong, help: "Return at once.") var detach = false
    @Flag(name: .shortAndLong, help: "Say nothing of the progress.") var quiet = false
    @Argument(help: "The service.") var service: String

    func run() async throws {
        try await ServiceChange(engine: engine, name: service).rollBack(isDetached: detach, isQuiet: quiet)
    }
}

/// `service scale SERVICE=REPLICAS...`.
struct ServiceScaleCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale", abstract: "Sets how many tasks replicated services have.")

    @Flag(name: .shortAndLong, help: "Return at once.") var detach = false
    @Argument(help: "SERVICE=REPLICAS.") var targets: [String]

    func run() async throws {
        let wishes = try targets.map { text in
            guard let equals = text.lastIndex(of: "="), let count = Int64(text[text.index(after: equals)...]),
                count >= 0
            else {
                throw CommandExit(
                    code: 1, message: "invalid scale specifier '\(text)': write SERVICE=REPLICAS, such as web=3")
            }
            return (name: String(text[..<equals]), count: count)
        }
        var changed: [String] = []
        var hasFailed = false
        for (name, count) in wishes {
            do {
                let id = try await ServiceChange(engine: engine, name: name).change { spec in
                    guard spec.at("Mode", "Global") == nil, spec.at("Mode", "GlobalJob") == nil else {
                        throw CommandExit(
                            code: 1,
                            message: "\(name): scale can only be used with replicated or replicated-job mode")
                    }
                    if spec.at("Mode", "ReplicatedJob") != nil {
                        spec.set("Mode", "ReplicatedJob", "TotalCompletions", to: .integer(count))
                    } else {
                        spec.set("Mode", "Replicated", "Replicas", to: .integer(count))
                    }
                }
                Output.line("\(name) scaled to \(count)")
                changed.append(id)
            } catch let error as EngineClientError where error.status > 0 {
                hasFailed = true
                Output.error("\(name): Error response from daemon: \(error.message)")
            } catch let error as CommandExit {
                hasFailed = true
                Output.error(error.message ?? "")
            }
        }
        if !detach { for id in changed { try await ServiceWatch(engine: engine, serviceID: id).untilConverged() } }
        if hasFailed { throw CommandExit(code: 1) }
    }
}

/// Reading a service's specification and writing another in its place.
struct ServiceChange {
    let engine: EngineClient
    let name: String

    func read() async throws -> (id: String, version: Int64, spec: JSONValue) {
        let service = try await engine.json("GET", "/services/\(EngineClient.escape(name))")
        return (service.text("ID"), service["Version"]?.number("Index") ?? 0, service["Spec"] ?? [:])
    }

    /// Changes the specification; the service's identifier.
    func change(_ body: (inout JSONValue) async throws -> Void) async throws -> String {
        try await ReadChangeWrite.run {
            var (id, version, spec) = try await read()
            try await body(&spec)
            try await write(id, version, spec)
            return id
        }
    }

    func write(_ id: String, _ version: Int64, _ spec: JSONValue, rollback: Bool = false) async throws {
        var query = [("version", String(version))]
        if rollback { query.append(("rollback", "previous")) }
        let answer = try await engine.json("POST", "/services/\(id)/update", query: query, body: spec)
        for warning in answer.texts("Warnings") { Output.error("WARNING: \(warning)") }
    }

    func rollBack(isDetached: Bool, isQuiet: Bool) async throws {
        let id = try await ReadChangeWrite.run {
            let (id, version, spec) = try await read()
            try await write(id, version, spec, rollback: true)
            return id
        }
        Output.line(name)
        if isDetached { return }
        try await ServiceWatch(engine: engine, serviceID: id, isQuiet: isQuiet, expectsRollback: true).untilConverged()
    }
}
