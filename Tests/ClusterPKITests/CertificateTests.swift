import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import ClusterPKI

@Suite struct CertificateTests {
    static let now = Timestamp(secondsSinceEpoch: 1_700_000_000)
    static let day: Int64 = 86_400 * 1_000_000_000

    let authority: CertificateAuthority
    let node: NodeIdentity

    init() throws {
        authority = try CertificateAuthority.create(clusterID: "cluster1", at: Self.now)
        node = try authority.makeIdentity(for: "node1", role: .manager, at: Self.now)
    }

    private func der(_ identity: NodeIdentity) throws -> [UInt8] {
        try Self.der(identity.certificatePEM)
    }

    /// The bytes between the lines of PEM (RFC 7468).
    static func der(_ pem: String) throws -> [UInt8] {
        let lines = pem.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }
        return try #require(Base64.decode(lines.joined()))
    }

    @Test func issuedCertificateNamesTheNode() throws {
        #expect(node.identity == PeerIdentity(nodeID: "node1", role: .manager, clusterID: "cluster1"))
        #expect(try authority.roots.verify(chain: [der(node)], at: Self.now) == node.identity)
        let worker = try authority.makeIdentity(for: "node2", role: .worker, at: Self.now)
        #expect(try authority.roots.verify(chain: [der(worker)], at: Self.now).role == .worker)
    }

    @Test("90 days, from an hour before; renewal is due after half of it")
    func lifetime() throws {
        let chain = [try der(node)]
        let roots = authority.roots
        #expect(node.notAfter.nanoseconds(since: Self.now) == 90 * Self.day)
        _ = try roots.verify(chain: chain, at: Self.now.advanced(byNanoseconds: -3600 * 1_000_000_000))
        _ = try roots.verify(chain: chain, at: Self.now.advanced(byNanoseconds: 90 * Self.day))
        #expect(throws: PKIError.notYetValid) {
            try roots.verify(chain: chain, at: Self.now.advanced(byNanoseconds: -3601 * 1_000_000_000))
        }
        #expect(throws: PKIError.expired) {
            try roots.verify(chain: chain, at: Self.now.advanced(byNanoseconds: 90 * Self.day + 1_000_000_000))
        }
        #expect(!node.isRenewalDue(at: Self.now.advanced(byNanoseconds: 44 * Self.day)))
        #expect(node.isRenewalDue(at: Self.now.advanced(byNanoseconds: 45 * Self.day)))
    }

    @Test("A cluster may want certificates that hold for less long")
    func chosenLifetime() throws {
        let request = try CertificateRequest(nodeID: "node2")
        let certificate = try authority.issue(
            request.requestPEM, for: "node2", role: .worker, at: Self.now, lifetimeSeconds: 3600)
        let identity = try NodeIdentity(keyPEM: request.keyPEM, certificatePEM: certificate)
        #expect(identity.notAfter.nanoseconds(since: Self.now) == 3600 * 1_000_000_000)
    }

    @Test func foreignAuthorityIsRefused() throws {
        // The same cluster name, so that the issuer's name matches and the signature alone tells them apart.
        let other = try CertificateAuthority.create(clusterID: "cluster1", at: Self.now)
        let stranger = try other.makeIdentity(for: "node1", role: .manager, at: Self.now)
        #expect(throws: PKIError.foreignCertificate) {
            try authority.roots.verify(chain: [der(stranger)], at: Self.now)
        }
        #expect(throws: PKIError.digestMismatch(expected: authority.digest.base36)) {
            try other.roots.requireDigest(authority.digest)
        }
    }

    @Test func tamperedCertificateIsRefused() throws {
        let good = try der(node)
        var refused = 0
        for index in good.indices {
            var bytes = good
            bytes[index] ^= 0x01
            do {
                _ = try authority.roots.verify(chain: [bytes], at: Self.now)
                Issue.record("byte \(index) can be changed")
            } catch { refused += 1 }
        }
        #expect(refused == good.count)
        for count in stride(from: 0, to: good.count, by: 11) {
            #expect(throws: PKIError.self) { try authority.roots.verify(chain: [Array(good[..<count])], at: Self.now) }
        }
        #expect(throws: PKIError.self) { try authority.roots.verify(chain: [], at: Self.now) }
    }

    @Test("The CA's own certificate is no node's")
    func authorityIsNoNode() throws {
        #expect(throws: PKIError.self) {
            try authority.roots.verify(chain: authority.roots.derCertificates, at: Self.now)
        }
        #expect(throws: PKIError.self) { try TrustRoots(pem: node.certificatePEM) }
        #expect(throws: PKIError.self) {
            try CertificateAuthority(keyPEM: node.keyPEM, certificatePEM: authority.certificatePEM)
        }
    }

    @Test("The request's own subject counts for nothing; the CA decides")
    func requestSubjectIsIgnored() throws {
        let request = try CertificateRequest(nodeID: "somebody-else")
        let certificate = try authority.issue(request.requestPEM, for: "node3", role: .worker, at: Self.now)
        let identity = try NodeIdentity(keyPEM: request.keyPEM, certificatePEM: certificate)
        #expect(identity.identity == PeerIdentity(nodeID: "node3", role: .worker, clusterID: "cluster1"))
        #expect(throws: PKIError.keyMismatch) {
            try NodeIdentity(keyPEM: node.keyPEM, certificatePEM: certificate)
        }
    }

    @Test func tamperedRequestIsRefused() throws {
        let good = try Self.der(try CertificateRequest(nodeID: "node4").requestPEM)
        for index in stride(from: 4, to: good.count, by: 5) {
            var bytes = good
            bytes[index] ^= 0x01
            let text = "-----BEGIN CERTIFICATE REQUEST-----\n\(Base64.encode(bytes))\n-----END CERTIFICATE REQUEST-----"
            #expect(throws: PKIError.self, "byte \(index)") {
                try authority.issue(text, for: "node4", role: .manager, at: Self.now)
            }
        }
        #expect(throws: PKIError.self) { try authority.issue("", for: "node4", role: .manager, at: Self.now) }
    }

    @Test func authorityFromItsPEM() throws {
        let again = try CertificateAuthority(keyPEM: authority.keyPEM, certificatePEM: authority.certificatePEM)
        #expect(again.clusterID == "cluster1")
        #expect(again.digest == authority.digest)
        let later = try again.makeIdentity(for: "node5", role: .worker, at: Self.now)
        #expect(try authority.roots.verify(chain: [der(later)], at: Self.now).nodeID == "node5")
        #expect(try TrustRoots(pem: authority.roots.pem) == authority.roots)
    }

    @Test("Two CAs are trusted while a cluster rotates")
    func rotation() throws {
        let next = try CertificateAuthority.create(clusterID: "cluster1", at: Self.now)
        let both = try TrustRoots(pem: authority.certificatePEM + "\n" + next.certificatePEM)
        #expect(both.digest == authority.digest)
        for issuer in [authority, next] {
            let identity = try issuer.makeIdentity(for: "node6", role: .worker, at: Self.now)
            #expect(try both.verify(chain: [der(identity)], at: Self.now).nodeID == "node6")
        }
    }

    @Test("A text that is not one key and one certificate is refused")
    func text() throws {
        #expect(try NodeIdentity(pem: node.keyPEM + "\n" + node.certificatePEM, of: "a file") == node)
        for text in [node.certificatePEM, "", node.keyPEM + node.certificatePEM + node.certificatePEM] {
            #expect(throws: PKIError.self) { try NodeIdentity(pem: text, of: "a file") }
        }
    }
}
