import JSON

/// What a client wants of a config or a secret, without its data (Engine API: ConfigSpec, SecretSpec).
public struct PayloadSpec: Hashable, Sendable, Codable {
    public var name: String
    public var labels: [String: String]
    /// How the data is filled in for a task (Engine API: Driver); nil where it is taken as it is.
    public var templating: JSONValue?

    public init(name: String, labels: [String: String] = [:], templating: JSONValue? = nil) {
        self.name = name
        self.labels = labels
        self.templating = templating
    }
}
