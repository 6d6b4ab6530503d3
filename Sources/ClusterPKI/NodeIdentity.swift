import Crypto
import FoundationEssentials
import SwiftASN1
import Values
import X509

/// A node's private key with its certificate.
public struct NodeIdentity: Hashable, Sendable {
    public let identity: PeerIdentity
    /// The private key as PEM text. Never log it.
    public let keyPEM: String
    /// The node's certificate as PEM text.
    public let certificatePEM: String
    public let notBefore: Timestamp
    public let notAfter: Timestamp

    /// Joins a key with the certificate that a CA issued for it.
    public init(keyPEM: String, certificatePEM: String) throws(PKIError) {
        let certificate: Certificate
        let key: P256.Signing.PrivateKey
        do { certificate = try Certificate(pemEncoded: certificatePEM) } catch {
            throw PKIError.malformed("certificate", "\(error)")
        }
        do { key = try P256.Signing.PrivateKey(pemRepresentation: keyPEM) } catch {
            throw PKIError.malformed("private key", "it is no P-256 key in PEM")
        }
        guard Certificate.PublicKey(key.publicKey) == certificate.publicKey else { throw PKIError.keyMismatch }
        identity = try PeerIdentity(certificate: certificate)
        self.keyPEM = key.pemRepresentation
        self.certificatePEM = Self.pem(certificate)
        notBefore = Timestamp(secondsSinceEpoch: Int64(certificate.notValidBefore.timeIntervalSince1970))
        notAfter = Timestamp(secondsSinceEpoch: Int64(certificate.notValidAfter.timeIntervalSince1970))
    }

    /// Whether half of the certificate's life is over and a new one should be asked for.
    public func isRenewalDue(at time: Timestamp) -> Bool {
        time.nanoseconds(since: notBefore) >= notAfter.nanoseconds(since: notBefore) / 2
    }

    /// Reads a key and a certificate from PEM text.
    ///
    /// - Parameter name: what the text is called in errors.
    public init(pem text: String, of name: String) throws(PKIError) {
        let documents: [PEMDocument]
        do { documents = try PEMDocument.parseMultiple(pemString: text) } catch {
            throw PKIError.malformed(name, "\(error)")
        }
        guard documents.count == 2 else {
            throw PKIError.malformed(name, "\(documents.count) parts instead of a key and a certificate")
        }
        try self.init(keyPEM: documents[0].pemString, certificatePEM: documents[1].pemString)
    }

    /// A certificate's DER bytes. What was parsed or made can be serialized.
    static func der(_ certificate: Certificate) -> [UInt8] {
        var serializer = DER.Serializer()
        do { try serializer.serialize(certificate) } catch { preconditionFailure("a certificate serializes: \(error)") }
        return serializer.serializedBytes
    }

    /// A certificate as PEM text.
    static func pem(_ certificate: Certificate) -> String {
        PEMDocument(type: "CERTIFICATE", derBytes: der(certificate)).pemString
    }
}
