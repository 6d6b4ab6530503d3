import EngineClient
import JSON

/// What an engine says while it loads, imports or pulls: a JSON value a line.
enum ProgressLines {
    /// Prints texts as they come; an error among them ends the verb.
    static func show(_ response: EngineResponse, isQuiet: Bool = false, toErrors: Bool = false) async throws {
        for try await line in response.jsonLines() {
            if let error = line["error"]?.string ?? line.at("errorDetail", "message")?.string {
                throw CommandExit(code: 1, message: error)
            }
            if isQuiet { continue }
            var text = line["stream"]?.string ?? ""
            if let status = line["status"]?.string {
                text =
                    [line["id"]?.string, status, line["progress"]?.string].compactMap { $0 }.joined(separator: " ")
                    + "\n"
            }
            if toErrors { Output.errorBytes(Array(text.utf8)) } else { Output.text(text) }
        }
    }
}
