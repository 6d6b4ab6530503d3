import Engine
import EngineModel
import JSON

/// `/containers/{id}/exec` and `/exec`.
struct ExecRoutes: Sendable {
    let engine: Engine

    /// The body of `POST /exec/{id}/start` (Engine API: ExecStartConfig).
    private struct Start: Decodable {
        var detach: Bool
        var tty: Bool
        var consoleSize: [UInt16]?

        enum CodingKeys: String, CodingKey {
            case detach
            case tty = "Tty"
            case consoleSize
        }
    }

    func register(_ router: inout Router) {
        router.on("POST", "containers/{id}/exec") { request in
            let configuration = try await request.decode(ExecConfiguration.self)
            guard !configuration.cmd.words.isEmpty else {
                throw EngineError(.invalidParameter, "No exec command specified")
            }
            let id = try await engine.createExec(request["id"], configuration)
            return .json(["Id": .string(id)], status: 201)
        }
        router.on("POST", "exec/{id}/start", start)
        router.on("GET", "exec/{id}/json") { request in .json(Self.inspection(try await engine.exec(request["id"]))) }
        router.on("POST", "exec/{id}/resize") { request in
            let (rows, columns) = try ContainerRoutes.size(request)
            try await engine.resizeExec(request["id"], rows: rows, columns: columns)
            return .ok
        }
    }

    private func start(_ request: APIRequest) async throws -> APIResponse {
        let start = try await request.decode(Start.self)
        let id = request["id"]
        if start.detach {
            try await engine.startDetachedExec(id)
            return .ok
        }
        let configuration = try await engine.checkExec(id).configuration
        let size = start.consoleSize ?? configuration.consoleSize ?? []
        var attached = AttachedStream(
            takesInput: configuration.attachStdin, givesOutput: configuration.attachStdout || configuration.tty,
            givesErrors: configuration.attachStderr, hasTerminal: configuration.tty)
        if !configuration.detachKeys.isEmpty {
            attached.detachKeys = try DetachKeys(parsing: configuration.detachKeys)
        }
        let settings = attached
        // The process starts behind the answer's headers, as Docker's does: docker-py loses what comes with them.
        return APIResponse(
            status: 200, headers: ["Content-Type": attached.contentType(version: request.version)],
            content: .hijack { connection in
                let stream: ProcessStream
                do {
                    stream = try await engine.startExec(
                        id, rows: size.count == 2 ? size[0] : 0, columns: size.count == 2 ? size[1] : 0)
                } catch {
                    // The reason is output; the exit code, 126 or 127, tells it apart.
                    let text = Array("\(error)\r\n".utf8)
                    try await connection.write(settings.hasTerminal ? text : AttachedStream.frame(1, text))
                    return
                }
                try await settings.pump(connection, stream)
            })
    }

    /// Engine API: ExecInspectResponse.
    static func inspection(_ record: ExecRecord) -> JSONValue {
        let configuration = record.configuration
        var pid: Int64 = 0
        var exitCode = JSONValue.null
        var isRunning = false
        switch record.state {
        case .created: break
        case .running(let process):
            isRunning = true
            pid = Int64(process)
        case .exited(let code): exitCode = .integer(Int64(code))
        }
        return [
            "ID": .string(record.id), "ContainerID": .string(record.containerID), "Running": .bool(isRunning),
            "ExitCode": exitCode, "Pid": .integer(pid), "OpenStdin": .bool(configuration.attachStdin),
            "OpenStdout": .bool(configuration.attachStdout), "OpenStderr": .bool(configuration.attachStderr),
            "CanRemove": .bool(!exitCode.isNull), "DetachKeys": .string(configuration.detachKeys),
            "ProcessConfig": [
                "tty": .bool(configuration.tty), "privileged": .bool(configuration.privileged),
                "user": .string(configuration.user),
                "entrypoint": .string(configuration.cmd.words.first ?? ""),
                "arguments": .strings(configuration.cmd.words.dropFirst()),
            ],
        ]
    }
}
