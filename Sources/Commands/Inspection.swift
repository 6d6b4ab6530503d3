import ArgumentParser
import EngineClient
import JSON

/// Shows objects as the API gives them, or as a template says.
struct Inspection {
    enum Kind: String, CaseIterable, ExpressibleByArgument {
        case container, image, network, volume, node, service, task

        /// In the order in which a name without a type is looked up.
        static let all: [Kind] = [.container, .image, .network, .volume, .service, .task, .node]

        func path(_ name: String) -> String {
            let name = EngineClient.escape(name)
            return switch self {
            case .container: "/containers/\(name)/json"
            case .image: "/images/\(name)/json"
            case .network: "/networks/\(name)"
            case .volume: "/volumes/\(name)"
            case .node: "/nodes/\(name)"
            case .service: "/services/\(name)"
            case .task: "/tasks/\(name)"
            }
        }
    }

    let engine: EngineClient
    let kinds: [Kind]
    var format: String?
    var query: [(String, String)] = []

    /// Prints what was found, then what was not; ends with 1 if something was not.
    func run(_ names: [String], transform: (JSONValue) -> JSONValue = { $0 }) async throws {
        let template = try format.flatMap { $0.isEmpty || $0 == "json" ? nil : $0 }.map { try Template($0) }
        var found: [JSONValue] = []
        var failures: [String] = []
        for name in names {
            do {
                found.append(transform(try await find(name)))
            } catch let error as EngineClientError where error.status > 0 {
                failures.append(
                    kinds.count == 1
                        ? CommandFailure.text(error) : "Error response from daemon: no such object: \(name)")
            }
        }
        if let template {
            for value in found { Output.line(try template.render(value)) }
        } else if format == "json" {
            for value in found { Output.line(value.text) }
        } else {
            Output.line(JSONValue.array(found).pretty())
        }
        if !failures.isEmpty { throw CommandExit(code: 1, message: failures.joined(separator: "\n")) }
    }

    private func find(_ name: String) async throws -> JSONValue {
        var failure: (any Error)?
        for kind in kinds {
            do {
                return try await engine.json("GET", kind.path(name), query: query)
            } catch let error as EngineClientError where error.status == 404 || error.status == 503 && kinds.count > 1 {
                failure = failure ?? error
            }
        }
        throw failure ?? EngineClientError(status: 404, message: "no such object: \(name)")
    }
}

/// `inspect NAME...`: any object.
struct InspectCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Shows all of containers, images, networks, services and so on.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template such as '{{.Id}}'.")
    var format: String?
    @Option(help: "container, image, network, volume, node, service or task.") var type: Inspection.Kind?
    @Flag(name: .shortAndLong, help: "With the sizes of containers.") var size = false
    @Argument(help: "Names or identifiers.") var names: [String]

    func run() async throws {
        try await Inspection(
            engine: engine, kinds: type.map { [$0] } ?? Inspection.Kind.all, format: format,
            query: size ? [("size", "1")] : []
        ).run(names)
    }
}
