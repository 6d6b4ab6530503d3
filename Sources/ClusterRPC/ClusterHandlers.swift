import ClusterPKI
import Values

/// What a host does for its peers. The server has checked every peer's certificate before it calls one of these;
/// whether this node may do this now is the handler's own question (the node's row, its role).
///
/// A handler's task is cancelled when its peer is gone or the server shuts down. Whatever a handler throws reaches the
/// peer as an `RPCFailure`: one thrown as such, or by an `RPCFailureConvertible`, keeps its kind, message and details.
public protocol ClusterHandlers: Sendable {
    /// A host without a certificate asks for something: the CA, or a certificate by join token.
    ///
    /// - Parameter remote: the address it comes from, as text.
    func enrol(_ request: [UInt8], remote: String) async throws -> [UInt8]

    /// Whether a peer may speak to this host at all: asked before each of the following. Throws where it may not.
    ///
    /// - Parameter history: the history of the cluster to which the peer says that it belongs; nil where it names none.
    func admit(_ peer: PeerIdentity, history: String?) throws

    /// One question and one answer.
    func call(_ method: String, _ payload: [UInt8], from peer: PeerIdentity) async throws -> [UInt8]

    /// A stream of Raft messages of one peer, in the order in which it sent them. Ends when the peer closes it.
    func raft(_ messages: MessageStream, from peer: PeerIdentity) async throws

    /// An agent's session: both sides speak until one of them ends it.
    func session(_ inbound: MessageStream, _ outbound: MessageWriter, from peer: PeerIdentity) async throws

    /// Writes a blob from `offset` on, in pieces of at most `RPCLimits.blobChunkBytes`.
    func blob(_ digest: Digest, offset: Int64, _ writer: MessageWriter, from peer: PeerIdentity) async throws
}
