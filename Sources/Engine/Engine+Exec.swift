import ContainerRuntime
import EngineModel
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import Values

extension Engine {
    /// How many ended execs of a container are remembered, for those who ask for their exit code.
    static let rememberedExecs = 64

    /// An exec and the order in which it was made.
    struct ExecEntry {
        var record: ExecRecord
        var number: Int
    }

    public func createExec(_ reference: String, _ configuration: ExecConfiguration) throws -> String {
        let record = try record(reference)
        try checkRunning(record)
        guard !configuration.cmd.words.isEmpty else {
            throw EngineError(.invalidParameter, "No exec command specified")
        }
        var generator = SystemRandomNumberGenerator()
        let id = Identifiers.hex64(using: &generator)
        let own = execs.values.filter { $0.record.containerID == record.id }
        let ended = own.filter { if case .exited = $0.record.state { true } else { false } }
        if ended.count >= Self.rememberedExecs, let oldest = ended.min(by: { $0.number < $1.number }) {
            execs[oldest.record.id] = nil
        }
        execs[id] = ExecEntry(
            record: ExecRecord(id: id, containerID: record.id, configuration: configuration),
            number: (own.map(\.number).max() ?? 0) + 1)
        publish(record, "exec_create: " + configuration.cmd.words.joined(separator: " "), ["execID": id])
        return id
    }

    private func checkRunning(_ record: ContainerRecord) throws(EngineError) {
        if record.state.status == .paused {
            throw EngineError(.conflict, "container \(record.id) is paused, unpause the container before exec")
        }
        if record.state.status == .restarting {
            throw EngineError(.conflict, "container \(record.id) is restarting, wait until the container is running")
        }
        guard record.state.status == .running else {
            throw EngineError(.conflict, "container \(record.id) is not running")
        }
    }

    /// Starts it and gives its stream; the last frame is its exit code.
    public func startExec(_ id: String, rows: UInt16 = 0, columns: UInt16 = 0) async throws -> ProcessStream {
        let connection = try await launch(id, rows: rows, columns: columns)
        return ProcessStream(connection) { code in Task { await self.execEnded(id, code) } }
    }

    /// Starts it and lets it run.
    public func startDetachedExec(_ id: String) async throws {
        let connection = try await launch(id, rows: 0, columns: 0)
        connection.closeInput()
        Task { self.execEnded(id, await ProcessStream.drain(connection)) }
    }

    /// Refuses an exec that cannot be started now, whatever its program is.
    @discardableResult
    public func checkExec(_ id: String) throws -> ExecRecord {
        let exec = try exec(id)
        guard exec.state == .created else {
            throw EngineError(.conflict, "exec command \(id) has already run or is running")
        }
        try checkRunning(try current(exec.containerID))
        return exec
    }

    private func launch(_ id: String, rows: UInt16, columns: UInt16) async throws -> ProcessConnection {
        let exec = try checkExec(id)
        let record = try current(exec.containerID)
        var process = try SpecificationBuilder.process(
            exec.configuration, in: record, hostname: record.configuration.hostname)
        let size = exec.configuration.consoleSize ?? []
        process.configuration.consoleSize = .init(
            height: rows > 0 ? rows : size.count == 2 ? size[0] : 0,
            width: columns > 0 ? columns : size.count == 2 ? size[1] : 0)
        execs[id]?.record.state = .running(pid: 0)
        do {
            let connection = try await runtime.exec(record.id, execID: id, process)
            execs[id]?.record.state = .running(pid: connection.pid)
            publish(
                record, "exec_start: " + exec.configuration.cmd.words.joined(separator: " "), ["execID": id])
            return connection
        } catch let error as RuntimeError {
            execs[id]?.record.state = .exited(code: error.exitCode ?? 126)
            let isCallers = error.exitCode == 126 || error.exitCode == 127
            if error.kind == .notRunning || error.kind == .notFound {
                throw EngineError(.conflict, "container \(record.id) is not running")
            }
            throw EngineError(isCallers ? .invalidParameter : .internalError, "OCI runtime exec failed: \(error)")
        }
    }

    private func execEnded(_ id: String, _ code: Int32?) {
        guard let exec = execs[id]?.record else { return }
        // A connection that broke before the end: the container has gone, or was killed with it.
        execs[id]!.record.state = .exited(code: code ?? 137)
        if let record = records[exec.containerID] {
            publish(record, "exec_die", ["execID": id, "exitCode": "\(code ?? 137)"])
        }
    }

    public func exec(_ id: String) throws -> ExecRecord {
        guard let exec = execs[id]?.record else { throw EngineError(.notFound, "No such exec instance: \(id)") }
        return exec
    }

    /// The execs of a container that have not ended.
    public func execIdentifiers(of containerID: String) -> [String] {
        execs.values.filter { entry in
            if case .exited = entry.record.state { return false }
            return entry.record.containerID == containerID
        }.map(\.record.id).sorted()
    }

    public func resizeExec(_ id: String, rows: UInt16, columns: UInt16) async throws {
        let exec = try exec(id)
        guard case .running = exec.state else { throw EngineError(.conflict, "exec \(id) is not running") }
        try await runtime.resize(exec.containerID, exec: id, rows: rows, columns: columns)
    }

    func forgetExecs(of containerID: String) {
        for (id, entry) in execs where entry.record.containerID == containerID {
            if records[containerID] == nil {
                execs[id] = nil
            } else if case .created = entry.record.state {
                execs[id] = nil
            }
        }
    }

    /// The container's output from now on and its input; before the start too, then the stream begins with the start.
    public func attach(_ reference: String, hasInput: Bool) async throws -> ProcessStream {
        let record = try record(reference)
        let hasInput = hasInput && record.configuration.openStdin
        if record.state.status == .paused {
            throw EngineError(.conflict, "container \(record.id) is paused, unpause the container before attach")
        }
        if record.state.status == .running {
            publish(record, "attach")
            return ProcessStream(try await runtime.attach(record.id, input: hasInput))
        }
        let stream = ProcessStream(hasInput: hasInput)
        live[record.id, default: LiveContainer()].pendingStreams.append(stream)
        publish(record, "attach")
        return stream
    }
}
