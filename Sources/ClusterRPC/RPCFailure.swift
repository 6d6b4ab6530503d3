/// Why a call to another host failed. A handler's failure crosses the wire as it is.
public struct RPCFailure: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The classes of failures. The first nine have the raw values of the engine's error kinds, so that a forwarded
    /// request keeps the status that Docker gives.
    public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case invalidParameter
        case unauthorized
        case forbidden
        case notFound
        case conflict
        case notModified
        case notImplemented
        case unavailable
        case internalError
        /// The time allowed passed; whether the peer carried out the call is not known.
        case timeout
        /// The caller gave up, or the host is shutting down.
        case cancelled
        /// A limit of messages or bytes was passed.
        case tooLarge
    }

    /// Who says so.
    public enum Source: String, Hashable, Sendable, Codable {
        /// The peer's handler: it got the call and this is its answer.
        case handler
        /// The way there: whether the peer carried out the call is not known.
        case transport
    }

    public let kind: Kind
    /// Text for the user, as the handler gave it.
    public let message: String
    /// What a caller's program may need, such as where the leader is.
    public let details: [String: String]
    public let source: Source

    /// The longest message that crosses the wire, in bytes of UTF-8; what is longer is cut.
    public static let messageLimit = 4096

    public init(_ kind: Kind, _ message: String, details: [String: String] = [:], source: Source = .handler) {
        self.kind = kind
        self.message = message
        self.details = details
        self.source = source
    }

    public var description: String { message }
}

/// An error that knows which failure it is on the wire; every other error becomes `internalError` with its description.
public protocol RPCFailureConvertible: Error {
    var rpcFailure: RPCFailure { get }
}
