import ClusterPKI
import GRPCCore
import NIOSSL

@testable import ClusterRPC

/// A client that does not follow the rules: it trusts anybody, and shows nothing or speaks an old version of TLS.
final class StrangeClient: Sendable {
    private let connection: PeerConnection

    /// Without a certificate.
    init(to address: ClusterAddress) throws {
        connection = try PeerConnection(to: address, contexts: nil) { _, _ in }
    }

    /// With a certificate, and TLS 1.2 or 1.3 alone.
    init(to address: ClusterAddress, credentials: @escaping CredentialProvider, isOld: Bool) throws {
        let contexts = TLSContexts(credentials) { credentials in
            var configuration = try ClusterTLS.clientConfiguration(credentials)
            configuration.minimumTLSVersion = isOld ? .tlsv12 : .tlsv13
            configuration.maximumTLSVersion = isOld ? .tlsv12 : .tlsv13
            return try NIOSSLContext(configuration: configuration)
        }
        connection = try PeerConnection(to: address, contexts: contexts) { _, _ in }
    }

    deinit { connection.close() }

    static let methods = ["Call", "Raft", "Session", "Blob"]

    /// Sends one message and returns the first of the answer.
    func ask(_ method: String) async throws -> [UInt8] {
        do {
            return try await connection.client.unary(
                request: ClientRequest(message: Array("x".utf8)),
                descriptor: MethodDescriptor(fullyQualifiedService: "martlet.Cluster", method: method),
                serializer: RawBytes(), deserializer: RawBytes(), options: PeerConnection.options(timeout: .seconds(10))
            ) { try $0.message }
        } catch {
            throw connection.failure(error)
        }
    }
}
