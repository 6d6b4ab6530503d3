import Glibc
import LinuxSystem
import RuntimeProtocol

/// A connection to a process of a container: its output as frames, and its input.
///
/// One task may read while another writes. Letting the connection go closes it; the process goes on. Cancelling a task
/// that waits in `next` or `write` closes it too.
public final class ProcessConnection: Sendable {
    /// A piece of what the process wrote, or its end.
    public enum Frame: Hashable, Sendable {
        case output([UInt8])
        case errorOutput([UInt8])
        /// The process ended; the last frame. 128 and the signal's number where a signal ended it.
        case exit(code: Int32)
    }

    /// The process in the host's numbering.
    public let pid: pid_t
    private let connection: ShimConnection

    init(pid: pid_t, connection: ShimConnection) {
        self.pid = pid
        self.connection = connection
    }

    deinit { connection.close() }

    /// The next frame; nil at the end: after `exit`, when the connection was closed, or when this client was too slow
    /// and the shim let it go.
    public func next() async throws -> Frame? {
        while let (kind, payload) = try await connection.frame() {
            switch kind {
            case ShimFrame.output: return .output(payload)
            case ShimFrame.errorOutput: return .errorOutput(payload)
            case ShimFrame.exit where payload.count == 4:
                return .exit(code: payload.reduce(0) { $0 << 8 | Int32($1) })
            // A newer shim may have more to say.
            default: continue
            }
        }
        return nil
    }

    /// Writes to the process's input; returns when the shim has taken the bytes. EPIPE where nobody reads them any
    /// more.
    public func write(_ bytes: [UInt8]) async throws { try await connection.write(bytes) }

    /// Ends the input; output goes on.
    public func closeInput() { connection.closeWriting() }

    /// Lets go of the process; a waiting `next` answers nil.
    public func close() { connection.close() }
}
