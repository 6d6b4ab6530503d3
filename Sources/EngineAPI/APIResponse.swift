import EngineModel
import HTTPMessages
import ImageStore
import JSON
import OCI

/// A route's answer.
struct APIResponse: Sendable {
    enum Content: Sendable {
        case none
        case bytes([UInt8])
        /// The headers go out at once, then what the closure writes; it is cancelled when the client leaves.
        case stream(@Sendable (ResponseWriter) async throws -> Void)
        /// The connection becomes raw: 101 for a client that asked for an upgrade, 200 otherwise.
        case hijack(@Sendable (HijackedConnection) async throws -> Void)
    }

    var status: Int
    var headers: HeaderFields = [:]
    var content: Content

    init(status: Int, headers: HeaderFields = [:], content: Content = .none) {
        self.status = status
        self.headers = headers
        self.content = content
    }

    static func json(_ value: JSONValue, status: Int = 200) -> APIResponse {
        APIResponse(
            status: status, headers: ["Content-Type": "application/json"],
            content: .bytes(value.serialized() + [0x0a]))
    }

    static func text(_ text: String) -> APIResponse {
        APIResponse(
            status: 200, headers: ["Content-Type": "text/plain; charset=utf-8"], content: .bytes(Array(text.utf8)))
    }

    static let noContent = APIResponse(status: 204)
    static let ok = APIResponse(status: 200)

    static func stream(
        contentType: String, _ body: @escaping @Sendable (ResponseWriter) async throws -> Void
    ) -> APIResponse {
        APIResponse(status: 200, headers: ["Content-Type": contentType], content: .stream(body))
    }

    /// A stream of JSON values, one a line, whose failure after the start is its last line: progress of images.
    static func progress(_ body: @escaping @Sendable (ResponseWriter) async throws -> Void) -> APIResponse {
        stream(contentType: "application/json") { writer in
            do {
                try await body(writer)
            } catch let error as CancellationError {
                throw error
            } catch {
                let message = JSONValue.string(refusal(of: error).message)
                try await writer.write(line: ["errorDetail": ["message": message], "error": message])
            }
        }
    }

    /// Docker's form of a refusal.
    static func failure(_ error: any Error) -> APIResponse {
        let (status, message) = refusal(of: error)
        if status == 304 { return APIResponse(status: 304) }
        return json(["message": .string(message)], status: status)
    }

    /// The one place where errors become HTTP statuses.
    static func refusal(of error: any Error) -> (status: Int, message: String) {
        switch error {
        case let error as EngineError: (error.kind.status, error.message)
        case let error as ImageStoreError: (status(of: error.kind), error.message)
        case let error as OCIError: (400, "\(error)")
        case let error as JSONError: (400, "invalid JSON: \(error)")
        case let error as HTTPError: (error.status, error.description)
        case let error as BodyTooLarge: (413, error.description)
        default: (500, "\(error)")
        }
    }

    private static func status(of kind: ImageStoreError.Kind) -> Int {
        switch kind {
        case .notFound: 404
        case .conflict: 409
        case .invalidParameter, .corrupted: 400
        case .io: 500
        }
    }
}

/// A request's body was longer than its route takes.
struct BodyTooLarge: Error, CustomStringConvertible {
    let limit: Int
    var description: String { "the request's body is longer than \(limit) bytes" }
}
