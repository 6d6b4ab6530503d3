import JSON

/// Why a request to an engine failed.
public struct EngineClientError: Error, Hashable, CustomStringConvertible {
    /// The HTTP status of the refusal; 0 where there was no answer.
    public let status: Int
    /// The engine's own words, or what went wrong on the way.
    public let message: String

    public init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    /// Reads a refusal's body: `{"message": "..."}`, or the text as it is.
    init(status: Int, body: [UInt8]) {
        let text = (try? JSONValue(parsing: body))?["message"]?.string
        let plain = String(decoding: body, as: UTF8.self).split(whereSeparator: \.isNewline).joined(separator: " ")
        self.init(
            status: status, message: text ?? (plain.isEmpty ? "the engine answered with status \(status)" : plain))
    }

    public var description: String { message }
}
