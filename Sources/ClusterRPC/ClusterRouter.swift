import ClusterPKI
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import LinuxSystem
import Values
import X509

/// Brings each gRPC method to its handler, with the peer that the certificate of its connection names.
struct ClusterRouter {
    let handlers: any ClusterHandlers

    func router() -> RPCRouter<HTTP2ServerTransport.Posix> {
        let handlers = handlers
        var router = RPCRouter<HTTP2ServerTransport.Posix>()
        Self.unary(&router, ClusterMethods.enrol) { request, _, context in
            try await handlers.enrol(request, remote: context.remotePeer)
        }
        Self.unary(&router, ClusterMethods.call) { request, metadata, context in
            let peer = try Self.peer(context)
            try Self.admit(peer, metadata, handlers)
            guard let name = metadata[stringValues: ClusterMethods.callName].first(where: { _ in true }) else {
                throw RPCFailure(.invalidParameter, "the call names no method")
            }
            return try await handlers.call(name, request, from: peer)
        }
        Self.streaming(&router, handlers, ClusterMethods.raft) { messages, _, peer in
            try await handlers.raft(messages, from: peer)
        }
        Self.streaming(&router, handlers, ClusterMethods.session) { messages, writer, peer in
            try await handlers.session(messages, writer, from: peer)
        }
        Self.streaming(&router, handlers, ClusterMethods.blob) { messages, writer, peer in
            guard let message = try await messages.first(where: { _ in true }),
                let request = BlobRequest(parsing: message)
            else { throw RPCFailure(.invalidParameter, "malformed request for a blob") }
            try await handlers.blob(request.digest, offset: request.offset, writer, from: peer)
        }
        return router
    }

    /// The peer by its certificate, which the handshake verified; connections live on, so its end is looked at again.
    private static func peer(_ context: ServerContext) throws -> PeerIdentity {
        let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context
        guard let certificate = transport?.peerCertificate else {
            throw RPCFailure(.unauthorized, "a certificate of this cluster is required")
        }
        do {
            return try PeerIdentity(certificate: certificate, at: Clock.now())
        } catch {
            throw RPCFailure(.unauthorized, error.description)
        }
    }

    private static func admit(
        _ peer: PeerIdentity, _ metadata: Metadata, _ handlers: any ClusterHandlers
    ) throws {
        try handlers.admit(peer, history: metadata[stringValues: ClusterMethods.history].first { _ in true })
    }

    private static func unary(
        _ router: inout RPCRouter<HTTP2ServerTransport.Posix>, _ method: MethodDescriptor,
        _ handler: @escaping @Sendable ([UInt8], Metadata, ServerContext) async throws -> [UInt8]
    ) {
        router.registerHandler(forMethod: method, deserializer: RawBytes(), serializer: RawBytes()) {
            request, context in
            do {
                let request = try await ServerRequest(stream: request)
                let answer = try await cancellable(context) {
                    try await handler(request.message, request.metadata, context)
                }
                guard answer.count <= RPCLimits.messageBytes else {
                    throw RPCFailure(.tooLarge, "the answer has \(answer.count) bytes")
                }
                return StreamingServerResponse(single: ServerResponse(message: answer))
            } catch {
                throw RPCFailure(handling: error).rpcError
            }
        }
    }

    private static func streaming(
        _ router: inout RPCRouter<HTTP2ServerTransport.Posix>, _ handlers: any ClusterHandlers,
        _ method: MethodDescriptor,
        _ handler: @escaping @Sendable (MessageStream, MessageWriter, PeerIdentity) async throws -> Void
    ) {
        router.registerHandler(forMethod: method, deserializer: RawBytes(), serializer: RawBytes()) {
            request, context in
            let peer: PeerIdentity
            do {
                peer = try Self.peer(context)
                try Self.admit(peer, request.metadata, handlers)
            } catch { throw RPCFailure(handling: error).rpcError }
            // The headers that say "accepted" go out before the handler's first message.
            return StreamingServerResponse(of: [UInt8].self) { writer in
                do {
                    try await cancellable(context) {
                        try await handler(MessageStream(request.messages), MessageWriter(writer), peer)
                    }
                    return [:]
                } catch {
                    throw RPCFailure(handling: error).rpcError
                }
            }
        }
    }

    /// Runs a handler and cancels it when the peer is gone.
    private static func cancellable<Result: Sendable>(
        _ context: ServerContext, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try? await context.cancellation.cancelled
                return nil
            }
            while let ended = try await group.next() {
                group.cancelAll()
                if let ended { return ended }
            }
            throw CancellationError()
        }
    }
}

/// What a host asks for when it fetches a blob, as text: the digest and the offset.
struct BlobRequest {
    let digest: Digest
    let offset: Int64

    init(digest: Digest, offset: Int64) {
        self.digest = digest
        self.offset = offset
    }

    init?(parsing bytes: [UInt8]) {
        guard bytes.count < 128 else { return nil }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard parts.count == 2, let digest = Digest(parsing: parts[0]), let offset = Int64(parts[1]), offset >= 0 else {
            return nil
        }
        self.init(digest: digest, offset: offset)
    }

    var bytes: [UInt8] { Array("\(digest) \(offset)".utf8) }
}
