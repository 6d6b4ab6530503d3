import HTTPMessages
import JSON

/// An engine's answer, whose body is read as it comes. It must be read to its end or closed.
public final class EngineResponse: Sendable {
    public let status: Int
    /// Names as they were sent.
    public let headers: [(name: String, value: String)]
    private let connection: ClientConnection

    init(_ head: ResponseHead, connection: ClientConnection) {
        status = head.status
        headers = head.headers.fields.map { ($0.name, $0.value) }
        self.connection = connection
    }

    deinit { connection.close() }

    /// The first header of that name, whatever its case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The next piece of the body; nil at its end. An answer cut short throws.
    public func next() async throws -> [UInt8]? {
        guard let piece = try await connection.nextBody() else {
            connection.close()
            return nil
        }
        return piece
    }

    /// The whole body; an answer longer than `limit` bytes throws.
    public func bytes(limit: Int = EngineClient.bodyLimit) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await next() {
            guard bytes.count + piece.count <= limit else {
                connection.close()
                throw EngineClientError(status: status, message: "the answer is longer than \(limit) bytes")
            }
            bytes += piece
        }
        return bytes
    }

    /// The body's lines as JSON values, each as it comes: progress, events, statistics.
    public func jsonLines() -> JSONLines { JSONLines(response: self) }

    /// Ends the connection; the rest of the body is lost.
    public func close() { connection.close() }

    /// A body of one JSON value a line.
    public struct JSONLines: AsyncSequence, AsyncIteratorProtocol, Sendable {
        public typealias Element = JSONValue

        /// The longest line in bytes.
        public static let lineLimit = 16 << 20

        let response: EngineResponse
        private var pending: [UInt8] = []
        private var isAtEnd = false

        init(response: EngineResponse) { self.response = response }

        public func makeAsyncIterator() -> JSONLines { self }

        public mutating func next() async throws -> JSONValue? {
            while true {
                if let end = pending.firstIndex(of: 0x0a) {
                    let line = Array(pending[..<end])
                    pending.removeFirst(end + 1)
                    if let value = try value(line) { return value }
                } else if isAtEnd {
                    let line = pending
                    pending = []
                    return try value(line)
                } else if let piece = try await response.next() {
                    guard pending.count + piece.count <= Self.lineLimit else {
                        throw EngineClientError(status: response.status, message: "a line longer than 16 MiB")
                    }
                    pending += piece
                } else {
                    isAtEnd = true
                }
            }
        }

        private func value(_ line: [UInt8]) throws -> JSONValue? {
            // A bare `nil` would be JSON's null.
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x0d || $0 == 0x09 }) { return Optional<JSONValue>.none }
            return try JSONValue(parsing: line)
        }
    }
}
