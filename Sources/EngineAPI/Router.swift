import EngineModel
import HTTPMessages
import JSON

/// Finds the route of a request by method and path.
///
/// A pattern's segments are words, `{name}` for one segment, and once `{name...}` for one or more, since the names of
/// images hold slashes. The first route that fits is taken.
struct Router: Sendable {
    typealias Handler = @Sendable (APIRequest) async throws -> APIResponse

    private enum Segment {
        case word(String)
        case one(String)
        case many(String)
    }

    private struct Route {
        let method: String
        let segments: [Segment]
        let handler: Handler
    }

    /// Routes by their first segment, which is always a word.
    private var routes: [String: [Route]] = [:]

    init() {}

    mutating func on(_ method: String, _ pattern: String, _ handler: @escaping Handler) {
        let segments = pattern.split(separator: "/").map { word in
            if word.hasPrefix("{"), word.hasSuffix("...}") { return Segment.many(String(word.dropFirst().dropLast(4))) }
            if word.hasPrefix("{"), word.hasSuffix("}") { return Segment.one(String(word.dropFirst().dropLast())) }
            return Segment.word(String(word))
        }
        guard case .word(let first)? = segments.first else { preconditionFailure("a pattern begins with a word") }
        routes[first, default: []].append(Route(method: method, segments: segments, handler: handler))
    }

    /// The handler for a path without version, and what stands in its pattern's braces; nil where none fits.
    func find(_ method: String, _ path: [String]) -> (handler: Handler, parameters: [String: String])? {
        guard let first = path.first else { return nil }
        let method = method == "HEAD" ? "GET" : method
        for route in routes[first] ?? [] where route.method == method {
            if let parameters = Self.match(route.segments, path) { return (route.handler, parameters) }
        }
        return nil
    }

    private static func match(_ pattern: [Segment], _ path: [String]) -> [String: String]? {
        var parameters: [String: String] = [:]
        var index = 0
        for (position, segment) in pattern.enumerated() {
            guard index < path.count else { return nil }
            switch segment {
            case .word(let word):
                guard path[index] == word else { return nil }
                index += 1
            case .one(let name):
                parameters[name] = path[index]
                index += 1
            case .many(let name):
                let end = path.count - (pattern.count - position - 1)
                guard end > index else { return nil }
                parameters[name] = path[index..<end].joined(separator: "/")
                index = end
            }
        }
        return index == path.count ? parameters : nil
    }
}
