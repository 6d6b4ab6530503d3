/// Why a text is not the JSON that was expected, and where.
public struct JSONError: Error, Hashable, CustomStringConvertible {
    /// What is wrong, without the place.
    public let reason: String
    /// The place as member names and indices: `TaskTemplate.ContainerSpec.Env[3]`; empty for the whole.
    public let path: String
    /// The byte at which parsing stopped; nil where the text is JSON of another shape.
    public let offset: Int?

    public init(_ reason: String, path: String = "", offset: Int? = nil) {
        self.reason = reason
        self.path = path
        self.offset = offset
    }

    public var description: String {
        var text = path.isEmpty ? reason : "\(path): \(reason)"
        if let offset { text += " at byte \(offset)" }
        return text
    }
}
