/// Bytes that only holders of the cluster's data keys can read: what log, state, snapshots and SQL see of a secret.
///
/// Values are sealed before they are proposed, and opened for whoever may have them.
public struct SealedValue: Hashable, Sendable, Codable {
    /// The data key that opens it.
    public var keyID: String
    /// Nonce, ciphertext and tag as base64 text.
    public var box: String

    public init(keyID: String, box: String) {
        self.keyID = keyID
        self.box = box
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
