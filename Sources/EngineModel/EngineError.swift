/// What an engine refuses, in the classes that the Engine API tells apart.
public struct EngineError: Error, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable {
        case invalidParameter
        case unauthorized
        case forbidden
        case notFound
        case conflict
        case notModified
        case notImplemented
        case unavailable
        case internalError

        /// The HTTP status that Docker gives for this class.
        public var status: Int {
            switch self {
            case .notModified: 304
            case .invalidParameter: 400
            case .unauthorized: 401
            case .forbidden: 403
            case .notFound: 404
            case .conflict: 409
            case .internalError: 500
            case .notImplemented: 501
            case .unavailable: 503
            }
        }
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }

    public static func notFound(container: String) -> EngineError {
        EngineError(.notFound, "No such container: \(container)")
    }

    public static func notFound(network: String) -> EngineError {
        EngineError(.notFound, "network \(network) not found")
    }
}
