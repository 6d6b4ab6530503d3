import Crypto
import SwiftASN1
import X509

/// A new key of a node and the request to certify it (PKCS #10, RFC 2986). The key never leaves the node.
public struct CertificateRequest: Sendable {
    /// The private key as PEM text. Never log it.
    public let keyPEM: String
    /// The certificate signing request as PEM text.
    public let requestPEM: String

    /// Makes a P-256 key and a request for it. `nodeID` is what the node calls itself; who it will be, the CA decides.
    public init(nodeID: String = "") throws(PKIError) {
        let key = P256.Signing.PrivateKey()
        do {
            let subject = try DistinguishedName { CommonName(nodeID) }
            let request = try CertificateSigningRequest(
                version: .v1, subject: subject, privateKey: .init(key), attributes: .init(),
                signatureAlgorithm: .ecdsaWithSHA256)
            requestPEM = try request.serializeAsPEM().pemString
        } catch {
            throw PKIError.malformed("certificate request", "\(error)")
        }
        keyPEM = key.pemRepresentation
    }

    /// Parses a request and checks that its sender holds the key.
    static func publicKey(of requestPEM: String) throws(PKIError) -> Certificate.PublicKey {
        let request: CertificateSigningRequest
        do { request = try CertificateSigningRequest(pemEncoded: requestPEM) } catch {
            throw PKIError.malformed("certificate request", "\(error)")
        }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw PKIError.requestSignature
        }
        guard P256.Signing.PublicKey(request.publicKey) != nil else {
            throw PKIError.malformed("certificate request", "its key is not of the curve P-256")
        }
        return request.publicKey
    }
}
