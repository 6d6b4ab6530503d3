import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol

/// Talking with shims.
extension ContainerRuntime {
    /// One request, one answer.
    func ask(_ id: String, _ request: ShimRequest, within limit: Duration? = nil) async throws -> ShimAnswer {
        try await send(request, to: id, within: limit).answer
    }

    /// A request after whose answer the connection carries a process's streams.
    func open(_ id: String, _ request: ShimRequest) async throws -> ProcessConnection {
        let (answer, connection) = try await send(request, to: id)
        if let error = answer.error {
            let kind = answer.code.map { RuntimeError.Kind.cannotStart(code: $0) } ?? .notRunning
            throw RuntimeError(kind, container: id, error)
        }
        return ProcessConnection(pid: answer.pid ?? 0, connection: connection)
    }

    private func send(
        _ request: ShimRequest, to id: String, within limit: Duration? = nil
    ) async throws -> (answer: ShimAnswer, connection: ShimConnection) {
        guard let entry = table[id] else {
            throw RuntimeError(.notFound, container: id, "No such container: \(id)")
        }
        let notRunning = RuntimeError(.notRunning, container: id, "container \(id) is not running")
        guard entry.record == nil else { throw notRunning }
        if let version = entry.shim?.version, version < request.firstVersion {
            throw RuntimeError(
                .failed, container: id,
                "the shim of container \(id) speaks version \(version) of the protocol, not \(request.firstVersion): "
                    + "it is of an earlier Martlet, and a restart of the container replaces it")
        }
        do {
            return try await exchange(request, with: id, within: limit)
        } catch let error as RuntimeError {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            let files = files
            guard try await workers.run({ try files.lives(id) }) else { throw notRunning }
            throw RuntimeError(.failed, container: id, "the shim of container \(id) cannot be reached: \(error)")
        }
    }

    /// - Throws: `SystemError` or `JSONError` where the shim is not reached or says nothing that is understood, within
    ///   `limit` if there is one.
    func exchange(
        _ request: ShimRequest, with id: String, within limit: Duration?
    ) async throws -> (answer: ShimAnswer, connection: ShimConnection) {
        let text = try JSONCoding.encode(request)
        guard text.count <= ShimLimits.line else {
            // Only the arguments and the environment of `exec` are the caller's (execve(2): E2BIG).
            throw RuntimeError(
                .cannotStart(code: 126), container: id,
                "argument list too long: \(text.count) bytes, and at most \(ShimLimits.line) can be sent")
        }
        let connection = try ShimConnection(files.socket(id), reactor: reactor)
        let alarm = limit.map { limit in
            Task {
                try await Task.sleep(for: limit)
                connection.close()
            }
        }
        defer { alarm?.cancel() }
        try await connection.write(text + [0x0a])
        guard let answer = try await connection.answer() else { throw SystemError("answer", errno: ECONNRESET) }
        return (answer, connection)
    }
}
