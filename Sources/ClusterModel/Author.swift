/// Who asked for a change of the cluster.
public enum Author: Hashable, Sendable, Codable {
    /// The leader itself: what follows from the state, the receipts and the time.
    case orchestrator
    /// A node, by its certificate: the one whose API took a client's request, or one that spoke for itself.
    ///
    /// `client` says, in that node's words, through what the client came: `local socket, user 0`.
    case node(id: String, client: String?)

    /// The longest word about a client that is kept, in bytes.
    public static let clientByteLimit = 128

    /// A node that passes on what a client asked for.
    public static func node(_ id: String, through client: String?) -> Author {
        .node(id: id, client: client.map { String(decoding: $0.utf8.prefix(clientByteLimit), as: UTF8.self) })
    }
}
