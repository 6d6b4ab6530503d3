import EngineModel
import HTTPMessages
import JSON
import Logging

/// Turns a request's head and body into the answer of its route, with what every answer carries.
struct Responder: Sendable {
    let router: Router
    let logger: Logger

    func respond(_ head: RequestHead, _ body: RequestBody) async -> APIResponse {
        var response: APIResponse
        do {
            response = try await route(head, body)
        } catch {
            response = .failure(error)
            if response.status == 500 {
                logger.error(
                    "request failed",
                    metadata: ["method": "\(head.method)", "path": "\(path(head))", "error": "\(error)"])
            }
        }
        logger.debug(
            "request", metadata: ["method": "\(head.method)", "path": "\(path(head))", "status": "\(response.status)"])
        response.headers["Api-Version"] = APIVersion.text
        response.headers["Docker-Experimental"] = "false"
        response.headers["Ostype"] = "linux"
        response.headers["Server"] = "Martlet/\(ServerVersion.text) (linux)"
        return response
    }

    /// Queries may hold what is nobody's business, so that they are not logged.
    private func path(_ head: RequestHead) -> String { String(head.target.prefix { $0 != "?" }) }

    private func route(_ head: RequestHead, _ body: RequestBody) async throws -> APIResponse {
        let target = try RequestTarget(parsing: head.target)
        let (version, path) = try APIVersion.split(target.segments)
        guard let (handler, parameters) = router.find(head.method, path) else {
            throw EngineError(.notFound, "page not found")
        }
        return try await handler(
            APIRequest(head: head, target: target, version: version, parameters: parameters, body: body))
    }
}

/// The version of this program, as `/version` gives it.
public enum ServerVersion {
    public static let text = "0.1.0"
}
