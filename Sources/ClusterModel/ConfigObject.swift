import Values

/// A file that services may ask for (Engine API: Config).
public struct ConfigObject: NamedObject, Hashable, Codable {
    public static let kind = ObjectKind.config
    /// The data of a config is shorter than this, in bytes (Docker: MaxConfigSize).
    public static let dataLimit = 1000 * 1024

    public let id: String
    public var version = ObjectVersion.none
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    public var spec: PayloadSpec
    /// Base64 text; it never changes.
    public let data: String

    public init(id: String, createdAt: Timestamp, spec: PayloadSpec, data: String) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        self.spec = spec
        self.data = data
    }

    public var name: String { spec.name }
}
