import ClusterPKI
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import LinuxSystem
import Logging
import NIOCore
import NIOSSL
import Values

/// Answers a host's peers on the cluster's port: gRPC over TLS 1.3 with the cluster's own certificates.
///
/// gRPC's own mutual TLS knows no optional client certificate and lets TLS 1.2 in. So the transport is opened as
/// plaintext and a TLS handler of our own is put in front of it.
public final class ClusterServer: Sendable {
    private let transport: HTTP2ServerTransport.Posix
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let address: IPAddress
    private let port: Int
    private let stop = AsyncStream.makeStream(of: Void.self)
    private let connections: AcceptedConnections

    /// - Parameters:
    ///   - address: the IP address to listen on; the unspecified one for all.
    ///   - port: 0 for one that the kernel chooses (`boundPort` says which).
    public init(
        address: IPAddress, port: Int = ClusterAddress.defaultPort, credentials: @escaping CredentialProvider,
        handlers: any ClusterHandlers, logger: Logger
    ) {
        self.address = address
        self.port = port
        let contexts = TLSContexts(credentials, ClusterTLS.serverContext)
        let connections = AcceptedConnections()
        self.connections = connections
        let config = HTTP2ServerTransport.Posix.Config.defaults { config in
            // Clients ask for signs of life, and may.
            config.connection.keepalive.clientBehavior = .init(
                minPingIntervalWithoutCalls: .milliseconds(10), allowWithoutCalls: true)
            config.connection.maxGraceTime = RPCLimits.shutdownGrace
            config.http2.targetWindowSize = RPCLimits.windowBytes
            config.http2.maxConcurrentStreams = RPCLimits.streamsPerConnection
            config.rpc.maxRequestPayloadSize = RPCLimits.messageBytes
            config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
                guard connections.admit(channel) else {
                    return channel.eventLoop.makeFailedFuture(CancellationError())
                }
                do {
                    let handler = try Self.tlsHandler(contexts, logger: logger)
                    return ClusterTLS.install(handler, in: channel)
                } catch {
                    logger.error("a connection is refused for lack of credentials", metadata: ["error": "\(error)"])
                    return channel.eventLoop.makeFailedFuture(error)
                }
            }
        }
        transport = HTTP2ServerTransport.Posix(
            address: address.isV4
                ? .ipv4(host: address.description, port: port) : .ipv6(host: address.description, port: port),
            transportSecurity: .plaintext, config: config)
        server = GRPCServer(transport: transport, router: ClusterRouter(handlers: handlers).router())
    }

    private static func tlsHandler(_ contexts: TLSContexts, logger: Logger) throws -> NIOSSLServerHandler {
        let (credentials, context) = try contexts.current()
        return NIOSSLServerHandler(context: context) { certificates, promise in
            do {
                _ = try credentials.roots.verify(chain: ClusterTLS.chain(certificates), at: Clock.now())
                promise.succeed(.certificateVerified)
            } catch {
                logger.warning("a peer's certificate is refused", metadata: ["error": "\(error)"])
                promise.succeed(.failed)
            }
        }
    }

    /// Listens and answers until the task is cancelled or `shutdown` is called. Throws where the port cannot be had.
    public func run() async throws(RPCFailure) {
        let served = AsyncStream.makeStream(of: Void.self)
        let serving = Task { [server, stop] in
            defer {
                stop.continuation.finish()
                served.continuation.finish()
            }
            try await server.serve()
        }
        await withTaskCancellationHandler {
            for await _ in stop.stream { break }
        } onCancel: {
            stop.continuation.finish()
        }
        await end(serving, served.stream)
        do { try await serving.value } catch is CancellationError {
            return
        } catch {
            if Task.isCancelled { return }
            let cause = (error as? RuntimeError)?.cause ?? error
            throw RPCFailure(
                .unavailable, "cannot listen on \(ClusterAddress(address, port: port)): \(cause)", source: .transport)
        }
    }

    /// gRPC 2.4 forgets what it has accepted and not yet looked at when it is cancelled, connections and calls, and NIO
    /// traps where one of them is forgotten. So none comes any more before that, and those that came have a moment.
    private func end(_ serving: Task<Void, any Error>, _ served: AsyncStream<Void>) async {
        connections.refuse()
        let hasTime = !Task.isCancelled
        await Task.detached {
            try? await Task.sleep(for: Self.settling)
            self.server.beginGracefulShutdown()
            if hasTime {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { for await _ in served {} }
                    group.addTask { try? await Task.sleep(for: RPCLimits.shutdownGrace) }
                    await group.next()
                    group.cancelAll()
                }
            }
            guard await self.connections.close() else { return }
            try? await Task.sleep(for: Self.settling)
        }.value
        serving.cancel()
    }

    private static let settling: Duration = .milliseconds(50)

    /// Stops listening; calls under way get `RPCLimits.shutdownGrace` to end, then their handlers are cancelled.
    public func shutdown() { stop.continuation.finish() }

    /// The port that the server listens on; waits until it does. Throws where it could not listen.
    public var boundPort: Int {
        get async throws(RPCFailure) {
            do {
                let bound = try await transport.listeningAddress
                if let port = bound.ipv4?.port ?? bound.ipv6?.port { return port }
            } catch {
                throw RPCFailure(.unavailable, "the server does not listen: \(error)", source: .transport)
            }
            throw RPCFailure(.unavailable, "the server does not listen on an IP address", source: .transport)
        }
    }
}
