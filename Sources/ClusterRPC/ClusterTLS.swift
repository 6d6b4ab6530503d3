import ClusterPKI
import LinuxSystem
import NIOCore
import NIOSSL
import Synchronization

/// TLS between hosts: version 1.3 alone, certificates checked by `ClusterPKI` and not by host name.
enum ClusterTLS {
    /// A server's side: its certificate with the cluster's CA behind it, which a joining host compares with its token.
    static func serverContext(_ credentials: ClusterCredentials) throws -> NIOSSLContext {
        let own = try NIOSSLCertificate(bytes: Array(credentials.identity.certificatePEM.utf8), format: .pem)
        let roots = try credentials.roots.derCertificates.map { try NIOSSLCertificate(bytes: $0, format: .der) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(own), .certificate(roots[0])],
            privateKey: .privateKey(try privateKey(credentials.identity)))
        configuration.minimumTLSVersion = .tlsv13
        configuration.certificateVerification = .optionalVerification
        configuration.trustRoots = .certificates(roots)
        configuration.applicationProtocols = ["h2"]
        configuration.shutdownTimeout = TimeAmount(RPCLimits.farewell)
        return try NIOSSLContext(configuration: configuration)
    }

    /// A client's side, with a certificate or, for a host that joins, without.
    static func clientContext(_ credentials: ClusterCredentials?) throws -> NIOSSLContext {
        try NIOSSLContext(configuration: clientConfiguration(credentials))
    }

    static func clientConfiguration(_ credentials: ClusterCredentials?) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        // Replaced by the callback that every handler gets; "none" would leave the callback out.
        configuration.certificateVerification = .noHostnameVerification
        configuration.applicationProtocols = ["h2"]
        configuration.shutdownTimeout = TimeAmount(RPCLimits.farewell)
        if let identity = credentials?.identity {
            let own = try NIOSSLCertificate(bytes: Array(identity.certificatePEM.utf8), format: .pem)
            configuration.certificateChain = [.certificate(own)]
            configuration.privateKey = .privateKey(try privateKey(identity))
        }
        return configuration
    }

    private static func privateKey(_ identity: NodeIdentity) throws -> NIOSSLPrivateKey {
        try NIOSSLPrivateKey(bytes: Array(identity.keyPEM.utf8), format: .pem)
    }

    /// The DER bytes of the chain that a peer showed.
    static func chain(_ certificates: [NIOSSLCertificate]) throws(PKIError) -> [[UInt8]] {
        do { return try certificates.map { try $0.toDERBytes() } } catch {
            throw PKIError.malformed("certificate", "\(error)")
        }
    }

    /// Puts TLS in front of everything else in a channel's pipeline, and behind it the watch over its life.
    static func install(_ handler: some ChannelHandler, in channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(handler, position: .first)
            try channel.pipeline.syncOperations.addHandler(SilenceLimit(), position: .after(handler))
        }
    }
}

/// The context of the current credentials, made anew when they change.
final class TLSContexts: Sendable {
    private let provider: CredentialProvider
    private let make: @Sendable (ClusterCredentials) throws -> NIOSSLContext
    private let made = Mutex<(ClusterCredentials, NIOSSLContext)?>(nil)

    init(
        _ provider: @escaping CredentialProvider,
        _ make: @escaping @Sendable (ClusterCredentials) throws -> NIOSSLContext
    ) {
        self.provider = provider
        self.make = make
    }

    func current() throws -> (credentials: ClusterCredentials, context: NIOSSLContext) {
        let credentials = try provider()
        return try made.withLock { made in
            if let made, made.0 == credentials { return made }
            let context = try make(credentials)
            made = (credentials, context)
            return (credentials, context)
        }
    }
}
