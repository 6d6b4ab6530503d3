import ClusterPKI
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import LinuxSystem
import NIOCore
import NIOSSL
import Synchronization
import Values

/// One HTTP/2 connection to one address, opened when first needed and opened anew after a loss.
final class PeerConnection: Sendable {
    /// Says whether a server's chain (DER, its own certificate first) is the expected one.
    typealias Verification = @Sendable (ClusterCredentials?, [[UInt8]]) throws -> Void

    let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let running: Task<Void, Never>
    /// Why the last server was refused, since gRPC reports a closed connection only.
    private let refusal: Refusal

    private final class Refusal: Sendable {
        let error = Mutex<RPCFailure?>(nil)
    }

    /// - Parameter contexts: what this host shows; nil for a host that has no certificate yet.
    init(to address: ClusterAddress, contexts: TLSContexts?, verify: @escaping Verification) throws {
        let refusal = Refusal()
        self.refusal = refusal
        let config = HTTP2ClientTransport.Posix.Config.defaults { config in
            config.backoff = .init(
                initial: RPCLimits.reconnectBackoff.lowerBound, max: RPCLimits.reconnectBackoff.upperBound,
                multiplier: 1.6, jitter: 0.2)
            config.connection.maxIdleTime = RPCLimits.idle
            config.connection.keepalive = .init(
                time: RPCLimits.keepaliveInterval, timeout: RPCLimits.silence, allowWithoutCalls: true)
            config.http2.targetWindowSize = RPCLimits.windowBytes
            config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                do {
                    let current = try contexts?.current()
                    let context = try current?.context ?? ClusterTLS.clientContext(nil)
                    let handler = try NIOSSLClientHandler(context: context, serverHostname: nil) { chain, promise in
                        let failure = Self.check { try verify(current?.credentials, ClusterTLS.chain(chain)) }
                        refusal.error.withLock { $0 = failure }
                        promise.succeed(failure == nil ? .certificateVerified : .failed)
                    }
                    return ClusterTLS.install(handler, in: channel)
                } catch {
                    refusal.error.withLock { $0 = RPCFailure(.unauthorized, "\(error)", source: .transport) }
                    return channel.eventLoop.makeFailedFuture(error)
                }
            }
        }
        let transport = try HTTP2ClientTransport.Posix(
            target: Self.target(address), transportSecurity: .customSecure, config: config)
        let client = GRPCClient(transport: transport)
        self.client = client
        running = Task { try? await client.runConnections() }
    }

    deinit { running.cancel() }

    private static func check(_ body: () throws -> Void) -> RPCFailure? {
        do {
            try body()
            return nil
        } catch {
            return RPCFailure(.unauthorized, "\(error)", source: .transport)
        }
    }

    private static func target(_ address: ClusterAddress) -> any ResolvableTarget {
        guard let ip = IPAddress(address.host) else { return .dns(host: address.host, port: address.port) }
        return ip.isV4
            ? .ipv4(address: address.host, port: address.port) : .ipv6(address: address.host, port: address.port)
    }

    /// Options of a call; nil lets it last.
    static func options(timeout: Duration?, waitForReady: Bool = false) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = timeout
        options.waitForReady = waitForReady
        options.maxRequestMessageBytes = RPCLimits.messageBytes
        options.maxResponseMessageBytes = RPCLimits.messageBytes
        return options
    }

    /// What an error of a call over this connection is to the caller: the refusal of the server where that was the
    /// cause.
    func failure(_ error: any Error) -> RPCFailure {
        let failure = RPCFailure(receiving: error)
        guard failure.source == .transport, failure.kind == .unavailable, let refused = refusal.error.withLock({ $0 })
        else { return failure }
        return refused
    }

    /// Closes at once; calls under way fail.
    func close() { running.cancel() }

    /// Waits until everything is closed.
    func closed() async { await running.value }
}
