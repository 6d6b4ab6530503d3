import Values

/// Bytes that only holders of the cluster's data keys can read: what log, state, snapshots and SQL see of a secret.
///
/// Values are sealed before they are proposed, and opened for whoever may have them.
public struct SealedValue: Hashable, Sendable, Codable {
    /// The data key that opens it; empty where the value was never sealed.
    public var keyID: String
    /// Nonce, ciphertext and tag as base64 text.
    public var box: String

    public init(keyID: String, box: String) {
        self.keyID = keyID
        self.box = box
    }

    /// A text that is not sealed: of versions that did not seal it, and where there is nothing to hide.
    public init(unsealed text: String) {
        self.init(keyID: "", box: Base64.encode(Array(text.utf8)))
    }

    /// Versions that did not seal a value wrote it as plain text.
    public init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            self.init(unsealed: text)
        } else {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                keyID: try container.decode(String.self, forKey: .keyID),
                box: try container.decode(String.self, forKey: .box))
        }
    }

    /// Where a value belongs: it opens there and nowhere else, so that nobody can move it from one object to another.
    public struct Place: Hashable, Sendable {
        public var kind: ObjectKind
        public var id: String
        public var field: String

        public init(kind: ObjectKind, id: String, field: String) {
            self.kind = kind
            self.id = id
            self.field = field
        }
    }
}
