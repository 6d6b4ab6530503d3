import ContainerRuntime
import EngineModel
import Glibc
import LinuxSystem
import RuntimeProtocol
import Synchronization
import Values

extension Engine {
    /// The probe's command line; nil where the container has none.
    func probe(of record: ContainerRecord) -> [String]? { record.configuration.healthcheck?.command() }

    func startHealthChecks(_ id: String) {
        guard let record = records[id], let configuration = record.configuration.healthcheck,
            let command = probe(of: record), let started = record.state.startedAt
        else { return }
        live[id]?.health?.cancel()
        live[id]?.health = Task {
            while !Task.isCancelled {
                let pause = self.pauseBeforeProbe(id, configuration)
                do { try await Task.sleep(for: .nanoseconds(pause)) } catch { return }
                guard self.isProbed(id, since: started) else { return }
                let result = await self.runProbe(id, command, configuration)
                guard !Task.isCancelled, let result else { return }
                await self.record(result, of: id, startedAt: started, configuration)
            }
        }
    }

    /// The interval, or the shorter one of the start period until the first success.
    private func pauseBeforeProbe(_ id: String, _ configuration: HealthConfiguration) -> Int64 {
        guard let state = records[id]?.state, let started = state.startedAt, configuration.startPeriod > 0,
            state.health?.status == .starting,
            Clock.now().nanoseconds(since: started) < configuration.startPeriod
        else { return configuration.effectiveInterval }
        return min(configuration.effectiveStartInterval, configuration.effectiveInterval)
    }

    private func isProbed(_ id: String, since started: Timestamp) -> Bool {
        records[id]?.state.isRunning == true && records[id]?.state.startedAt == started && !isShuttingDown
    }

    /// Runs the probe inside the container; nil where it could not be tried because the container ended.
    private func runProbe(
        _ id: String, _ command: [String], _ configuration: HealthConfiguration
    ) async -> HealthProbeResult? {
        guard let record = records[id], record.state.status == .running else { return nil }
        let start = Clock.now()
        var exec = ExecConfiguration()
        exec.cmd = CommandLine(command)
        exec.attachStdout = true
        exec.attachStderr = true
        var generator = SystemRandomNumberGenerator()
        let execID = Identifiers.hex64(using: &generator)
        do {
            let process = try SpecificationBuilder.process(
                exec, in: record, hostname: record.configuration.hostname)
            let connection = try await runtime.exec(id, execID: execID, process)
            let (code, output) = await Self.answer(
                of: connection, withinNanoseconds: configuration.effectiveTimeout)
            guard let code else {
                return HealthProbeResult(
                    start: start, end: Clock.now(), exitCode: -1,
                    output: "Health check exceeded timeout (\(Self.duration(configuration.effectiveTimeout)))")
            }
            return HealthProbeResult(start: start, end: Clock.now(), exitCode: Int(code), output: output)
        } catch let error as RuntimeError where error.kind == .notRunning || error.kind == .notFound {
            return nil
        } catch {
            return HealthProbeResult(start: start, end: Clock.now(), exitCode: -1, output: "\(error)")
        }
    }

    /// The exit code and the first of what it wrote; no code where it took too long, and was killed.
    private static func answer(
        of connection: ProcessConnection, withinNanoseconds timeout: Int64
    ) async -> (Int32?, String) {
        let output = Mutex<[UInt8]>([])
        let isLate = Mutex(false)
        let timer = Task {
            try await Task.sleep(for: .nanoseconds(timeout))
            isLate.withLock { $0 = true }
            kill(connection.pid, SIGKILL)
            connection.close()
        }
        defer { timer.cancel() }
        var code: Int32?
        while let frame = try? await connection.next() {
            switch frame {
            case .output(let bytes), .errorOutput(let bytes):
                output.withLock { $0 += bytes.prefix(max(0, HealthState.keptOutputBytes - $0.count)) }
            case .exit(let value): code = value
            }
        }
        if isLate.withLock({ $0 }) { code = nil }
        return (code, output.withLock { String(decoding: $0, as: UTF8.self) })
    }

    /// Go's way to write a duration of whole seconds or milliseconds.
    private static func duration(_ nanoseconds: Int64) -> String {
        nanoseconds % 1_000_000_000 == 0 ? "\(nanoseconds / 1_000_000_000)s" : "\(nanoseconds / 1_000_000)ms"
    }

    private func record(
        _ result: HealthProbeResult, of id: String, startedAt: Timestamp, _ configuration: HealthConfiguration
    ) async {
        guard isProbed(id, since: startedAt) else { return }
        var health = records[id]!.state.health ?? HealthState()
        let hasChanged = health.record(result, startedAt: startedAt, configuration: configuration)
        records[id]!.state.health = health
        guard hasChanged else { return }
        publish(records[id]!, "health_status: \(health.status.rawValue)")
        await saveQuietly(id)
    }
}
