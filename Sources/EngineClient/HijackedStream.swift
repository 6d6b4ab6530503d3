import HTTPMessages

/// A connection that an engine handed over: bytes both ways, each direction ended by itself.
public final class HijackedStream: Sendable {
    /// The headers of the answer that handed it over.
    public let headers: [(name: String, value: String)]
    private let connection: ClientConnection

    init(_ head: ResponseHead, connection: ClientConnection) {
        headers = head.headers.fields.map { ($0.name, $0.value) }
        self.connection = connection
    }

    deinit { connection.close() }

    /// Whether output comes in frames (no terminal) rather than raw.
    public var isMultiplexed: Bool {
        headers.contains {
            $0.name.lowercased() == "content-type" && $0.value == "application/vnd.docker.multiplexed-stream"
        }
    }

    /// The next bytes; nil when the other side ended its direction.
    public func read() async throws -> [UInt8]? { try await connection.nextBody() }

    /// Sends all bytes; returns when they were handed to the kernel.
    public func write(_ bytes: [UInt8]) async throws { try await connection.writeRaw(bytes) }

    /// Ends our direction; output still comes.
    public func closeInput() async throws { try await connection.closeOutput() }

    /// Ends both.
    public func close() { connection.close() }
}

/// Takes Docker's frames apart: kind (1 output, 2 error output), three zero bytes, length, payload.
public struct OutputFrames: Sendable {
    /// The longest payload that is taken, in bytes.
    public static let payloadLimit = 16 << 20

    private var pending: [UInt8] = []

    public init() {}

    /// Takes in bytes as they came; returns the frames that are complete.
    public mutating func feed(_ bytes: [UInt8]) throws(EngineClientError) -> [(kind: UInt8, payload: [UInt8])] {
        pending += bytes
        var frames: [(kind: UInt8, payload: [UInt8])] = []
        var index = 0
        while pending.count - index >= 8 {
            let length = pending[index + 4..<index + 8].reduce(0) { $0 << 8 | Int($1) }
            guard length <= Self.payloadLimit else {
                throw EngineClientError(status: 0, message: "a frame of \(length) bytes: the stream is not multiplexed")
            }
            guard pending.count - index >= 8 + length else { break }
            frames.append((pending[index], Array(pending[index + 8..<index + 8 + length])))
            index += 8 + length
        }
        pending.removeFirst(index)
        return frames
    }
}
