import ClusterPKI
import GRPCCore
import LinuxSystem
import Logging
import Synchronization
import Values

/// This host's connections to its peers: opened when first needed, kept, and opened anew after a loss.
///
/// Raft, sessions with calls, and blobs have a connection each, so that none holds up another.
public final class ClusterConnector: Sendable {
    enum Purpose: Hashable {
        case calls
        case raft
        case blobs
    }

    private struct Key: Hashable {
        let peer: ClusterPeer
        let purpose: Purpose
    }

    private struct Entry {
        let connection: PeerConnection
        /// What this host showed when the connection was made.
        let credentials: ClusterCredentials?
    }

    private struct State {
        var connections: [Key: Entry] = [:]
        var isShutDown = false
    }

    private let contexts: TLSContexts
    private let history: @Sendable () -> String?
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameter history: which history of its cluster this host belongs to, as its peers are told in each call and
    ///   stream; asked every time.
    public init(
        credentials: @escaping CredentialProvider, history: @escaping @Sendable () -> String? = { nil }, logger: Logger
    ) {
        contexts = TLSContexts(credentials, ClusterTLS.clientContext)
        self.history = history
        self.logger = logger
    }

    deinit { for entry in state.withLock({ $0.connections.values }) { entry.connection.close() } }

    /// Asks a peer one question. Fails with `timeout` when the answer does not come in time.
    ///
    /// - Parameter method: a name of up to `RPCLimits.methodNameBytes` visible ASCII characters.
    public func call(
        _ method: String, _ payload: [UInt8], to peer: ClusterPeer, timeout: Duration = RPCLimits.callTimeout
    ) async throws(RPCFailure) -> [UInt8] {
        guard ClusterMethods.isName(method) else {
            throw RPCFailure(.invalidParameter, "\"\(method)\" cannot name a method", source: .transport)
        }
        try Self.requireSize(payload)
        let connection = try connection(to: peer, for: .calls)
        var metadata = metadata
        metadata.addString(method, forKey: ClusterMethods.callName)
        do {
            return try await connection.client.unary(
                request: ClientRequest(message: payload, metadata: metadata),
                descriptor: ClusterMethods.call, serializer: RawBytes(), deserializer: RawBytes(),
                options: PeerConnection.options(timeout: timeout)
            ) { try $0.message }
        } catch {
            throw connection.failure(error)
        }
    }

    /// Opens a session and runs `body` with its two directions; the session ends when `body` returns or throws. An
    /// error of `body` itself passes through; a failure of the session is an `RPCFailure`.
    ///
    /// - Parameter timeout: how long it may take until the peer has accepted the session.
    public func withSession<Result: Sendable>(
        to peer: ClusterPeer, timeout: Duration = RPCLimits.callTimeout,
        _ body: @escaping @Sendable (MessageStream, MessageWriter) async throws -> Result
    ) async throws -> Result {
        let connection = try connection(to: peer, for: .calls)
        let stream = DuplexStream(connection: connection, method: ClusterMethods.session, metadata: metadata)
        return try await stream.run(timeout: timeout, body)
    }

    /// Receives a blob from `offset` on, piece by piece. The caller checks the digest. An error of `receive` passes
    /// through.
    ///
    /// - Parameter stall: the longest wait for a next piece.
    public func fetchBlob(
        _ digest: Digest, offset: Int64 = 0, from peer: ClusterPeer, stall: Duration = RPCLimits.callTimeout,
        _ receive: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let connection = try connection(to: peer, for: .blobs)
        let request = ClientRequest(message: BlobRequest(digest: digest, offset: offset).bytes, metadata: metadata)
        let watchdog = Watchdog(limit: stall)
        try await watchdog.guarding {
            do {
                try await connection.client.serverStreaming(
                    request: request, descriptor: ClusterMethods.blob, serializer: RawBytes(),
                    deserializer: RawBytes(), options: PeerConnection.options(timeout: nil)
                ) { response in
                    for try await piece in response.messages {
                        watchdog.pause()
                        do { try await receive(piece) } catch { throw BodyError(cause: error) }
                        watchdog.resume()
                    }
                }
            } catch let error as BodyError {
                throw error.cause
            } catch {
                throw connection.failure(error)
            }
        }
    }

    /// A channel for Raft messages to one member. Close it when the member leaves.
    public func raftChannel(to peer: ClusterPeer) -> RaftChannel {
        RaftChannel(peer: peer, logger: logger) { [weak self] in
            guard let self else { throw RPCFailure(.cancelled, "the connections are closed", source: .transport) }
            return (try self.connection(to: peer, for: .raft), self.metadata)
        }
    }

    /// Lets go of the connections to a peer, such as one that left the cluster; calls under way fail.
    public func disconnect(_ peer: ClusterPeer) {
        let gone = state.withLock { state in
            let keys = state.connections.keys.filter { $0.peer == peer }
            return keys.compactMap { state.connections.removeValue(forKey: $0)?.connection }
        }
        for connection in gone { connection.close() }
    }

    /// Closes every connection; calls under way fail, later ones too.
    public func shutdown() async {
        let connections = state.withLock { state in
            state.isShutDown = true
            defer { state.connections = [:] }
            return state.connections.values.map(\.connection)
        }
        for connection in connections { connection.close() }
        for connection in connections { await connection.closed() }
    }

    /// Asks a host of a cluster that this host is not part of yet.
    ///
    /// The peer's certificate must be a manager's, signed by a CA with the digest from the join token. The peer sends
    /// its CA in the handshake, so nothing else has to be known before.
    ///
    /// - Returns: the answer, and the CA certificates that the digest vouched for.
    public static func enrol(
        at address: ClusterAddress, expecting digest: CADigest, _ request: [UInt8],
        timeout: Duration = RPCLimits.callTimeout
    ) async throws(RPCFailure) -> (response: [UInt8], roots: TrustRoots) {
        try requireSize(request)
        let found = FoundRoots()
        let connection: PeerConnection
        do {
            connection = try PeerConnection(to: address, contexts: nil) { _, chain in
                guard chain.count >= 2 else { throw PKIError.notANodeCertificate("its CA is not shown") }
                let roots = try TrustRoots(der: Array(chain.dropFirst()))
                try roots.requireDigest(digest)
                let peer = try roots.verify(chain: chain, at: Clock.now())
                guard peer.role == .manager else { throw PKIError.wrongRole(expected: .manager, found: peer.role) }
                found.roots.withLock { $0 = roots }
            }
        } catch {
            throw RPCFailure(receiving: error)
        }
        defer { connection.close() }
        do {
            let response = try await connection.client.unary(
                request: ClientRequest(message: request), descriptor: ClusterMethods.enrol, serializer: RawBytes(),
                deserializer: RawBytes(), options: PeerConnection.options(timeout: timeout)
            ) { try $0.message }
            guard let roots = found.roots.withLock({ $0 }) else { preconditionFailure("an answer without a handshake") }
            return (response, roots)
        } catch {
            throw connection.failure(error)
        }
    }

    private final class FoundRoots: Sendable {
        let roots = Mutex<TrustRoots?>(nil)
    }

    /// What goes with every call and stream.
    private var metadata: Metadata {
        history().map { [ClusterMethods.history: .string($0)] } ?? [:]
    }

    private static func requireSize(_ payload: [UInt8]) throws(RPCFailure) {
        guard payload.count <= RPCLimits.messageBytes else {
            throw RPCFailure(
                .tooLarge, "a message of \(payload.count) bytes; \(RPCLimits.messageBytes) are allowed",
                source: .transport)
        }
    }

    /// A connection that was made with other credentials is replaced, so that a node's new role counts from its next
    /// call on; what runs over the old one keeps it until its end.
    private func connection(to peer: ClusterPeer, for purpose: Purpose) throws(RPCFailure) -> PeerConnection {
        let credentials = try? contexts.current().credentials
        do {
            return try state.withLock { state in
                guard !state.isShutDown else {
                    throw RPCFailure(.cancelled, "the connections are closed", source: .transport)
                }
                let key = Key(peer: peer, purpose: purpose)
                if let entry = state.connections[key], entry.credentials == credentials { return entry.connection }
                let connection = try PeerConnection(to: peer.address, contexts: contexts) { credentials, chain in
                    guard let credentials else { preconditionFailure("a peer's connection has credentials") }
                    let found = try credentials.roots.verify(chain: chain, at: Clock.now())
                    guard found.nodeID == peer.nodeID else {
                        throw PKIError.wrongNode(expected: peer.nodeID, found: found.nodeID)
                    }
                }
                state.connections[key] = Entry(connection: connection, credentials: credentials)
                return connection
            }
        } catch {
            throw RPCFailure(receiving: error)
        }
    }
}

/// An error of the caller's own code inside a call, which is not the call's failure.
struct BodyError: Error {
    let cause: any Error
}
