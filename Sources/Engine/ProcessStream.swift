import ContainerRuntime
import Synchronization

/// The two-way stream of a container's process: its output, and input to it.
///
/// One reader and one writer at a time. `read` is the only place where output is buffered: who does not read makes the
/// process wait, or is let go by the shim.
public final class ProcessStream: Sendable {
    /// What comes from a process.
    public enum Frame: Hashable, Sendable {
        case output([UInt8])
        case errorOutput([UInt8])
        /// It ended; the last frame.
        case exit(code: Int32)
    }

    private enum State {
        /// The container is not started yet; those who wait for the connection.
        case waiting([CheckedContinuation<ProcessConnection?, Never>])
        case connected(ProcessConnection)
        case closed
    }

    private let state: Mutex<State>
    /// Told once how the process ended; where it is set, somebody reads until then even if the client leaves.
    private let ended: (@Sendable (Int32?) -> Void)?
    private let isFinished = Mutex(false)
    private let reading = Mutex(false)

    let hasInput: Bool

    /// A stream whose process is still to be started.
    init(hasInput: Bool) {
        state = Mutex(.waiting([]))
        ended = nil
        self.hasInput = hasInput
    }

    init(_ connection: ProcessConnection, ended: (@Sendable (Int32?) -> Void)? = nil) {
        state = Mutex(.connected(connection))
        self.ended = ended
        hasInput = true
    }

    deinit { close() }

    /// The process is there: reading and writing go on with it; false where the client has left.
    @discardableResult
    func connect(_ connection: ProcessConnection) -> Bool {
        let waiting: [CheckedContinuation<ProcessConnection?, Never>]? = state.withLock { state in
            guard case .waiting(let waiting) = state else { return nil }
            state = .connected(connection)
            return waiting
        }
        guard let waiting else { return false }
        for continuation in waiting { continuation.resume(returning: connection) }
        return true
    }

    private func connection() async -> ProcessConnection? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: ProcessConnection?? = state.withLock { state in
                    switch state {
                    case .waiting(let others):
                        state = .waiting(others + [continuation])
                        return nil
                    case .connected(let connection): return .some(connection)
                    case .closed: return .some(nil)
                    }
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let isWaiting = state.withLock { if case .waiting = $0 { true } else { false } }
            if isWaiting { close() }
        }
    }

    /// The next piece; nil at the end (the container ended, or `close` was called).
    public func read() async throws -> Frame? {
        guard let connection = await connection() else { return nil }
        reading.withLock { $0 = true }
        let frame: ProcessConnection.Frame?
        do {
            frame = try await connection.next()
        } catch {
            doneReading(connection, code: nil, isEnd: false)
            throw error
        }
        if case .exit(let code) = frame {
            doneReading(connection, code: code, isEnd: true)
        } else {
            doneReading(connection, code: nil, isEnd: frame == nil)
        }
        switch frame {
        case .output(let bytes): return .output(bytes)
        case .errorOutput(let bytes): return .errorOutput(bytes)
        case .exit(let code): return .exit(code: code)
        case nil: return nil
        }
    }

    /// After a read: tells of the end, or goes on reading in the place of a client that left meanwhile.
    private func doneReading(_ connection: ProcessConnection, code: Int32?, isEnd: Bool) {
        reading.withLock { $0 = false }
        if isEnd {
            finish(code)
        } else if state.withLock({ if case .closed = $0 { true } else { false } }) {
            drainAfterClient(connection)
        }
    }

    private func drainAfterClient(_ connection: ProcessConnection) {
        guard let ended,
            isFinished.withLock({ finished in
                defer { finished = true }
                return !finished
            })
        else { return }
        Task { ended(await Self.drain(connection)) }
    }

    private func finish(_ code: Int32?) {
        guard
            isFinished.withLock({ finished in
                defer { finished = true }
                return !finished
            })
        else { return }
        ended?(code)
    }

    /// Input for the process; returns when it is taken.
    public func write(_ bytes: [UInt8]) async throws { try await connection()?.write(bytes) }

    /// No more input comes.
    public func closeInput() async { await connection()?.closeInput() }

    /// Leaves the process alone with itself (detach). Also done when the last reference goes.
    public func close() {
        let (waiting, connection): ([CheckedContinuation<ProcessConnection?, Never>], ProcessConnection?) =
            state.withLock { state in
                defer { state = .closed }
                switch state {
                case .waiting(let waiting): return (waiting, nil)
                case .connected(let connection): return ([], connection)
                case .closed: return ([], nil)
                }
            }
        for continuation in waiting { continuation.resume(returning: nil) }
        guard let connection else { return }
        if ended == nil || isFinished.withLock({ $0 }) {
            connection.close()
        } else if !reading.withLock({ $0 }) {
            drainAfterClient(connection)
        }
    }

    /// Reads to the process's end and gives its exit code; nil where the connection broke before.
    static func drain(_ connection: ProcessConnection) async -> Int32? {
        while let frame = try? await connection.next() {
            if case .exit(let code) = frame { return code }
        }
        return nil
    }
}
