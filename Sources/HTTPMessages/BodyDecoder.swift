/// Takes a message's body from received bytes, however it is framed (RFC 9112 section 6).
public struct BodyDecoder: Sendable {
    private enum State: Hashable, Sendable {
        /// So many bytes are to come.
        case length(UInt64)
        /// The line that announces a chunk is to come.
        case chunkLine
        /// So many bytes of the chunk are to come, and the line's end after them.
        case chunk(UInt64)
        case chunkEnd
        case trailers(Int)
        /// All bytes until the connection ends.
        case untilEnd
        case done
        /// The framing was broken, and with it all that follows.
        case broken(HTTPError)
    }

    public enum Step: Equatable, Sendable {
        case piece([UInt8])
        case needsMore
        case end
    }

    private var state: State

    /// The body of a request. A message framed in two ways is refused, as it could be read in two ways.
    public init(request head: RequestHead) throws(HTTPError) {
        state = try Self.framed(head.headers) ?? .done
    }

    /// The body of a response to a request with `method`.
    public init(response head: ResponseHead, method: String) throws(HTTPError) {
        if method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304 {
            state = .done
        } else {
            state = try Self.framed(head.headers) ?? .untilEnd
        }
    }

    private static func framed(_ headers: HeaderFields) throws(HTTPError) -> State? {
        let lengths = Set(headers.all("content-length"))
        if !headers.all("transfer-encoding").isEmpty {
            guard headers.tokens("transfer-encoding") == ["chunked"] else { throw .unsupportedCoding }
            guard lengths.isEmpty else { throw .malformed("both Content-Length and Transfer-Encoding") }
            return .chunkLine
        }
        guard let text = lengths.first else { return nil }
        guard lengths.count == 1, !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = UInt64(text), length <= UInt64(Int64.max)
        else { throw .malformed("invalid Content-Length") }
        return length == 0 ? .done : .length(length)
    }

    public var isAtEnd: Bool { state == .done }

    /// The next piece of the body that the queue holds. After an error every call throws it again.
    public mutating func step(_ queue: inout ByteQueue) throws(HTTPError) -> Step {
        do {
            return try advance(&queue)
        } catch {
            state = .broken(error)
            throw error
        }
    }

    private mutating func advance(_ queue: inout ByteQueue) throws(HTTPError) -> Step {
        while true {
            switch state {
            case .done: return .end
            case .broken(let error): throw error
            case .untilEnd:
                return queue.isEmpty ? .needsMore : .piece(queue.take(upTo: HTTPLimits.pieceBytes))
            case .length(let rest):
                guard !queue.isEmpty else { return .needsMore }
                let piece = queue.take(upTo: Int(min(rest, UInt64(HTTPLimits.pieceBytes))))
                state = rest == UInt64(piece.count) ? .done : .length(rest - UInt64(piece.count))
                return .piece(piece)
            case .chunk(let rest):
                guard !queue.isEmpty else { return .needsMore }
                let piece = queue.take(upTo: Int(min(rest, UInt64(HTTPLimits.pieceBytes))))
                state = rest == UInt64(piece.count) ? .chunkEnd : .chunk(rest - UInt64(piece.count))
                return .piece(piece)
            case .chunkLine:
                guard let line = try line(&queue) else { return .needsMore }
                let size = try Self.chunkSize(line)
                state = size == 0 ? .trailers(0) : .chunk(size)
            case .chunkEnd:
                guard let line = try line(&queue) else { return .needsMore }
                guard line.isEmpty else { throw .malformed("malformed chunk") }
                state = .chunkLine
            case .trailers(let bytes):
                guard let line = try line(&queue) else { return .needsMore }
                guard bytes + line.count <= HTTPLimits.headBytes else { throw .headTooLong }
                state = line.isEmpty ? .done : .trailers(bytes + line.count)
            }
        }
    }

    /// Takes in that the connection ended; throws where the body is not complete.
    public mutating func finish() throws(HTTPError) {
        guard state == .done || state == .untilEnd else { throw .truncated }
        state = .done
    }

    private func line(_ queue: inout ByteQueue) throws(HTTPError) -> [UInt8]? {
        if let line = queue.takeLine() { return line }
        guard queue.count <= HTTPLimits.chunkLineBytes else { throw .malformed("malformed chunk") }
        return nil
    }

    private static func chunkSize(_ line: [UInt8]) throws(HTTPError) -> UInt64 {
        let digits = line.prefix { $0 != 0x3b && $0 != 0x20 && $0 != 0x09 }
        guard (1...15).contains(digits.count), let size = UInt64(String(decoding: digits, as: UTF8.self), radix: 16),
            digits.first != 0x2b, digits.first != 0x2d
        else { throw .malformed("malformed chunk size") }
        return size
    }
}

/// Frames a body's pieces as chunks (RFC 9112 section 7.1).
public enum Chunk {
    public static func head(_ count: Int) -> [UInt8] { Array((String(count, radix: 16) + "\r\n").utf8) }
    public static let end: [UInt8] = [0x0d, 0x0a]
    public static let last: [UInt8] = Array("0\r\n\r\n".utf8)

    /// A whole chunk; `bytes` must not be empty, since an empty chunk ends the body.
    public static func encode(_ bytes: [UInt8]) -> [UInt8] { head(bytes.count) + bytes + end }
}
