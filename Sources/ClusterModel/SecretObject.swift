import Values

/// A file that services may ask for and that nobody else ever reads again (Engine API: Secret).
public struct SecretObject: NamedObject, Hashable, Codable {
    public static let kind = ObjectKind.secret
    /// The data of a secret is shorter than this, in bytes (Docker: MaxSecretSize).
    public static let dataLimit = 500 * 1024

    public let id: String
    public var version = ObjectVersion.none
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    public var spec: PayloadSpec
    /// Sealed for `place(id)`.
    public var data: SealedValue

    public init(id: String, createdAt: Timestamp, spec: PayloadSpec, data: SealedValue) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        self.spec = spec
        self.data = data
    }

    public var name: String { spec.name }

    /// Where the data of the secret with this identifier belongs.
    public static func place(_ id: String) -> SealedValue.Place { .init(kind: kind, id: id, field: "data") }
}
