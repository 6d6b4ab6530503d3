import Crypto
import FoundationEssentials
import SwiftASN1
import Values
import X509

/// A cluster's own certificate authority: a P-256 key and its self-signed certificate, which names the cluster.
public struct CertificateAuthority: Sendable {
    /// How long a node's certificate holds unless the cluster wants otherwise, in seconds: 90 days (Docker).
    public static let nodeLifetimeSeconds: Int64 = 90 * 86_400
    /// How long the CA's certificate holds, in seconds: 20 years.
    public static let authorityLifetimeSeconds: Int64 = 20 * 365 * 86_400
    /// Certificates hold from an hour before they are issued, for clocks that differ.
    public static let backdatingSeconds: Int64 = 3600

    public let clusterID: String
    /// The CA's private key as PEM text. Never log it, and seal it before it is stored in the cluster's state.
    public let keyPEM: String
    /// The CA's certificate as PEM text.
    public let certificatePEM: String
    private let key: Certificate.PrivateKey
    private let certificate: Certificate

    /// Makes the CA of a new cluster.
    public static func create(clusterID: String, at time: Timestamp) throws(PKIError) -> CertificateAuthority {
        let key = P256.Signing.PrivateKey()
        do {
            let subject = try DistinguishedName {
                OrganizationName(clusterID)
                CommonName("swarm-ca")
            }
            let publicKey = Certificate.PublicKey(key.publicKey)
            let certificate = try Certificate(
                version: .v3, serialNumber: .init(), publicKey: publicKey,
                notValidBefore: Self.date(time, -backdatingSeconds),
                notValidAfter: Self.date(time, authorityLifetimeSeconds), issuer: subject, subject: subject,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: publicKey)
                },
                issuerPrivateKey: .init(key))
            return try CertificateAuthority(
                keyPEM: key.pemRepresentation, certificatePEM: NodeIdentity.pem(certificate))
        } catch let error as PKIError {
            throw error
        } catch {
            throw PKIError.malformed("CA certificate", "\(error)")
        }
    }

    /// A CA from its key and certificate.
    public init(keyPEM: String, certificatePEM: String) throws(PKIError) {
        do { certificate = try Certificate(pemEncoded: certificatePEM) } catch {
            throw PKIError.malformed("CA certificate", "\(error)")
        }
        try TrustRoots.requireAuthority(certificate)
        let signingKey: P256.Signing.PrivateKey
        do { signingKey = try P256.Signing.PrivateKey(pemRepresentation: keyPEM) } catch {
            throw PKIError.malformed("CA key", "it is no P-256 key in PEM")
        }
        guard Certificate.PublicKey(signingKey.publicKey) == certificate.publicKey else { throw PKIError.keyMismatch }
        key = .init(signingKey)
        clusterID = try PeerIdentity.attribute(
            .RDNAttributeType.organizationName, "organization", in: certificate.subject)
        self.keyPEM = keyPEM
        self.certificatePEM = certificatePEM
    }

    /// The CA's certificate as what peers trust.
    public var roots: TrustRoots { TrustRoots(certificates: [certificate]) }

    /// What join tokens pin.
    public var digest: CADigest { roots.digest }

    /// Certifies the key of a request for a node. The request's own subject counts for nothing.
    ///
    /// - Returns: the node's certificate as PEM text.
    public func issue(
        _ requestPEM: String, for nodeID: String, role: PeerIdentity.Role, at time: Timestamp,
        lifetimeSeconds: Int64 = nodeLifetimeSeconds
    ) throws(PKIError) -> String {
        let publicKey = try CertificateRequest.publicKey(of: requestPEM)
        let identity = PeerIdentity(nodeID: nodeID, role: role, clusterID: clusterID)
        do {
            let issued = try Certificate(
                version: .v3, serialNumber: .init(), publicKey: publicKey,
                notValidBefore: Self.date(time, -Self.backdatingSeconds),
                notValidAfter: Self.date(time, lifetimeSeconds), issuer: certificate.subject,
                subject: try identity.subject, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.serverAuth, .clientAuth])
                    SubjectKeyIdentifier(hash: publicKey)
                    AuthorityKeyIdentifier(
                        keyIdentifier: try certificate.extensions.subjectKeyIdentifier?.keyIdentifier)
                },
                issuerPrivateKey: key)
            return NodeIdentity.pem(issued)
        } catch {
            throw PKIError.malformed("certificate", "\(error)")
        }
    }

    /// A new key with its certificate at once: for the node that creates the cluster.
    public func makeIdentity(
        for nodeID: String, role: PeerIdentity.Role, at time: Timestamp
    ) throws(PKIError) -> NodeIdentity {
        let request = try CertificateRequest(nodeID: nodeID)
        let certificate = try issue(request.requestPEM, for: nodeID, role: role, at: time)
        return try NodeIdentity(keyPEM: request.keyPEM, certificatePEM: certificate)
    }

    private static func date(_ time: Timestamp, _ offsetSeconds: Int64) -> Date {
        Date(timeIntervalSince1970: Double(time.secondsSinceEpoch + offsetSeconds))
    }
}
