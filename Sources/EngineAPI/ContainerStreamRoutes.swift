import Engine
import EngineModel
import JSON
import LinuxSystem
import Values

/// The routes of containers whose answers are streams: attach, logs, wait and statistics.
struct ContainerStreamRoutes: Sendable {
    let engine: Engine

    func register(_ router: inout Router) {
        router.on("POST", "containers/{id}/attach", attach)
        router.on("POST", "containers/{id}/wait", wait)
        router.on("GET", "containers/{id}/logs", logs)
        router.on("GET", "containers/{id}/stats", statistics)
    }

    private func attach(_ request: APIRequest) async throws -> APIResponse {
        let record = try await engine.container(request["id"])
        var attached = AttachedStream(
            takesInput: request.flag("stdin") && record.configuration.openStdin,
            givesOutput: request.flag("stdout"), givesErrors: request.flag("stderr"),
            hasTerminal: record.configuration.tty, closesInput: record.configuration.stdinOnce)
        if let keys = request.text("detachKeys") { attached.detachKeys = try DetachKeys(parsing: keys) }
        guard record.state.status != .paused else {
            throw EngineError(.conflict, "container \(request["id"]) is paused, unpause the container before attach")
        }
        guard record.state.status != .restarting else {
            throw EngineError(
                .conflict, "container \(request["id"]) is restarting, wait until the container is running")
        }
        let replaysLogs = request.flag("logs")
        let stream = request.flag("stream") ? try await engine.attach(record.id, hasInput: attached.takesInput) : nil
        let settings = attached
        return APIResponse(
            status: 200, headers: ["Content-Type": attached.contentType(version: request.version)],
            content: .hijack { connection in
                if replaysLogs {
                    var options = LogOptions()
                    options.stdout = settings.givesOutput
                    options.stderr = settings.givesErrors
                    for try await line in try await engine.logs(record.id, options) {
                        try await connection.write(
                            settings.hasTerminal
                                ? line.bytes : AttachedStream.frame(line.stream.rawValue, line.bytes))
                    }
                }
                if let stream { try await settings.pump(connection, stream) }
            })
    }

    private func wait(_ request: APIRequest) async throws -> APIResponse {
        let text = request.text("condition") ?? WaitCondition.notRunning.rawValue
        guard let condition = WaitCondition(rawValue: text) else {
            throw EngineError(.invalidParameter, "invalid condition: \"\(text)\"")
        }
        let wait = try await engine.wait(for: request["id"], condition: condition)
        return .stream(contentType: "application/json") { writer in
            let result = try await wait.result()
            var value: JSONValue = ["StatusCode": .integer(Int64(result.exitCode))]
            if let error = result.error { value["Error"] = ["Message": .string(error)] }
            try await writer.write(line: value)
        }
    }

    private func logs(_ request: APIRequest) async throws -> APIResponse {
        let record = try await engine.container(request["id"])
        let options = try Self.logOptions(request)
        let hasTimes = request.flag("timestamps")
        let hasTerminal = record.configuration.tty
        let sequence = try await engine.logs(record.id, options)
        let contentType = AttachedStream(hasTerminal: hasTerminal).contentType(version: request.version)
        return .stream(contentType: contentType) { writer in
            for try await line in sequence {
                let bytes = (hasTimes ? Array((line.time.preciseDescription + " ").utf8) : []) + line.bytes
                try await writer.write(hasTerminal ? bytes : AttachedStream.frame(line.stream.rawValue, bytes))
            }
        }
    }

    static func logOptions(_ request: APIRequest) throws -> LogOptions {
        var options = LogOptions()
        options.follow = request.flag("follow")
        options.stdout = request.flag("stdout")
        options.stderr = request.flag("stderr")
        guard options.stdout || options.stderr else {
            throw EngineError(.invalidParameter, "Bad parameters: you must choose at least one stream")
        }
        options.since = try request.time("since")
        options.until = try request.time("until")
        // Docker takes whatever is no number for "all".
        options.tail = request.text("tail").flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
        return options
    }

    /// Between two samples of a stream.
    private static let samplePeriod = Duration.seconds(1)

    private func statistics(_ request: APIRequest) async throws -> APIResponse {
        let record = try await engine.container(request["id"])
        let first = try await engine.statistics(of: record.id)
        guard request.flag("stream", default: true) else {
            guard !request.flag("one-shot"), record.state.isRunning else {
                return .json(StatisticsShape.value(first, previous: nil, record))
            }
            try await Task.sleep(for: Self.samplePeriod)
            let second = try await engine.statistics(of: record.id)
            return .json(StatisticsShape.value(second, previous: first, record))
        }
        return .stream(contentType: "application/json") { writer in
            var previous: ContainerStatistics?
            var current = first
            while true {
                try await writer.write(line: StatisticsShape.value(current, previous: previous, record))
                try await Task.sleep(for: Self.samplePeriod)
                previous = current
                do {
                    current = try await engine.statistics(of: record.id)
                } catch let error as EngineError where error.kind == .notFound {
                    return
                }
            }
        }
    }
}
