/// Why bytes are not the HTTP/1.1 message that was expected.
public enum HTTPError: Error, Hashable, CustomStringConvertible {
    /// The bytes break the grammar; the text says where.
    case malformed(String)
    /// The head is longer than `HTTPLimits.headBytes`.
    case headTooLong
    /// A version other than 1.0 and 1.1.
    case unsupportedVersion
    /// A transfer coding other than `chunked`.
    case unsupportedCoding
    /// The connection ended within a message.
    case truncated

    public var description: String {
        switch self {
        case .malformed(let reason): reason
        case .headTooLong: "the request's head is longer than \(HTTPLimits.headBytes) bytes"
        case .unsupportedVersion: "unsupported protocol version"
        case .unsupportedCoding: "unsupported transfer encoding"
        case .truncated: "unexpected end of the connection"
        }
    }

    /// The status with which a server refuses such a request.
    public var status: Int {
        switch self {
        case .malformed, .truncated: 400
        case .headTooLong: 431
        case .unsupportedVersion: 505
        case .unsupportedCoding: 501
        }
    }
}

/// What a message from outside may cost.
public enum HTTPLimits {
    /// The longest head: first line and header fields, in bytes.
    public static let headBytes = 64 << 10
    /// The longest line that announces a chunk, in bytes.
    public static let chunkLineBytes = 1 << 10
    /// The longest piece of a body handed on at once, in bytes.
    public static let pieceBytes = 64 << 10
}
