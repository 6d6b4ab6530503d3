import Crypto
import FoundationEssentials
import SwiftASN1
import Values
import X509

/// The CA certificates that a host accepts, and the check of a peer's certificate against them.
///
/// A node's certificate is signed by a CA directly; there are no intermediates. Several CAs are trusted while a cluster
/// rotates from one to the next.
public struct TrustRoots: Hashable, Sendable {
    /// The most certificates that a set of roots may hold.
    public static let limit = 4

    /// One to four CA certificates.
    public let certificates: [Certificate]

    /// Reads CA certificates from PEM text.
    public init(pem: String) throws(PKIError) {
        let documents: [PEMDocument]
        do {
            documents = try PEMDocument.parseMultiple(pemString: pem)
            certificates = try documents.map { try Certificate(pemDocument: $0) }
        } catch {
            throw PKIError.malformed("CA certificate", "\(error)")
        }
        try check()
    }

    /// Reads CA certificates from DER bytes.
    public init(der: [[UInt8]]) throws(PKIError) {
        do { certificates = try der.map { try Certificate(derEncoded: $0) } } catch {
            throw PKIError.malformed("CA certificate", "\(error)")
        }
        try check()
    }

    private func check() throws(PKIError) {
        guard (1...Self.limit).contains(certificates.count) else {
            throw PKIError.malformed("CA certificate", "\(certificates.count) certificates, 1 to \(Self.limit) allowed")
        }
        for certificate in certificates { try Self.requireAuthority(certificate) }
    }

    init(certificates: [Certificate]) { self.certificates = certificates }

    /// The certificates as PEM text.
    public var pem: String {
        certificates.map { NodeIdentity.pem($0) }.joined(separator: "\n") + "\n"
    }

    /// The digest of the first certificate, which new join tokens pin.
    public var digest: CADigest { Self.digest(certificates[0]) }

    /// Refuses roots that do not begin with the CA that a join token names.
    public func requireDigest(_ expected: CADigest) throws(PKIError) {
        guard digest == expected else { throw PKIError.digestMismatch(expected: expected.base36) }
    }

    /// The digest of a certificate's DER bytes.
    static func digest(_ certificate: Certificate) -> CADigest {
        CADigest(bytes: SHA256.hash(data: NodeIdentity.der(certificate)))!
    }

    /// The DER bytes of every root.
    public var derCertificates: [[UInt8]] { certificates.map { NodeIdentity.der($0) } }

    /// Checks a peer's chain (DER, the peer's own certificate first) at a time and says who the peer is.
    public func verify(chain: [[UInt8]], at time: Timestamp) throws(PKIError) -> PeerIdentity {
        guard let first = chain.first else { throw PKIError.notANodeCertificate("there is none") }
        let certificate: Certificate
        do {
            certificate = try Certificate(derEncoded: first)
            try Self.requireOctets(inSignatureOf: first)
        } catch {
            throw PKIError.malformed("certificate", "\(error)")
        }
        return try verify(certificate, at: time)
    }

    /// A signature is of whole octets. How many of its last bits do not count stands outside of what is signed (X.690,
    /// section 8.6.2.2), and another number there would make two certificates of one.
    private static func requireOctets(inSignatureOf der: [UInt8]) throws {
        try DER.sequence(DER.parse(der), identifier: .sequence) { parts in
            // RFC 5280, section 4.1: what is signed, and by which algorithm.
            for _ in 0..<2 { _ = parts.next() }
            guard try ASN1BitString(derEncoded: &parts).paddingBits == 0 else {
                throw PKIError.malformed("certificate", "its signature ends within an octet")
            }
        }
    }

    /// Checks a peer's certificate at a time and says who the peer is.
    ///
    /// The CA's signature and validity, the certificate's validity, its usages (RFC 5280 section 4.2.1) and that it
    /// names the cluster of its CA.
    public func verify(_ certificate: Certificate, at time: Timestamp) throws(PKIError) -> PeerIdentity {
        let issuers = certificates.filter {
            $0.subject == certificate.issuer && $0.publicKey.isValidSignature(certificate.signature, for: certificate)
        }
        guard let issuer = issuers.first else { throw PKIError.foreignCertificate }
        try Self.requireValidity(issuer, at: time)
        try Self.requireValidity(certificate, at: time)
        try Self.requireNodeUsages(certificate)
        let identity = try PeerIdentity(certificate: certificate)
        let cluster = try PeerIdentity.attribute(.RDNAttributeType.organizationName, "organization", in: issuer.subject)
        guard identity.clusterID == cluster else {
            throw PKIError.wrongCluster(expected: cluster, found: identity.clusterID)
        }
        return identity
    }

    static func requireValidity(_ certificate: Certificate, at time: Timestamp) throws(PKIError) {
        let seconds = Double(time.secondsSinceEpoch)
        guard certificate.notValidBefore.timeIntervalSince1970 <= seconds else { throw PKIError.notYetValid }
        guard certificate.notValidAfter.timeIntervalSince1970 >= seconds else { throw PKIError.expired }
    }

    static func requireAuthority(_ certificate: Certificate) throws(PKIError) {
        guard case .isCertificateAuthority? = try? certificate.extensions.basicConstraints,
            certificate.publicKey.isValidSignature(certificate.signature, for: certificate)
        else { throw PKIError.malformed("CA certificate", "it is not the self-signed certificate of an authority") }
    }

    private static let understood: Set<ASN1ObjectIdentifier> = [
        .X509ExtensionID.basicConstraints, .X509ExtensionID.keyUsage, .X509ExtensionID.extendedKeyUsage,
        .X509ExtensionID.subjectKeyIdentifier, .X509ExtensionID.authorityKeyIdentifier,
        .X509ExtensionID.subjectAlternativeName,
    ]

    private static func requireNodeUsages(_ certificate: Certificate) throws(PKIError) {
        let extensions = certificate.extensions
        for item in extensions where item.critical && !understood.contains(item.oid) {
            throw PKIError.notANodeCertificate("its critical extension \(item.oid) is not understood")
        }
        do {
            guard case .notCertificateAuthority? = try extensions.basicConstraints else {
                throw PKIError.notANodeCertificate("it may be an authority's")
            }
            guard let usage = try extensions.keyUsage, usage.digitalSignature,
                let extended = try extensions.extendedKeyUsage, extended.contains(.clientAuth),
                extended.contains(.serverAuth)
            else { throw PKIError.notANodeCertificate("its key must not be used for both sides of TLS") }
        } catch let error as PKIError {
            throw error
        } catch {
            throw PKIError.malformed("certificate", "\(error)")
        }
    }
}
