import ClusterModel
import Fuzzing
import JSON
import Testing
import Values

@testable import ClusterPKI

/// Tokens, keys and certificates as they come from people, peers and disks, broken.
@Suite struct PKIFuzzTests {
    private static let time = Timestamp(secondsSinceEpoch: 1_790_000_000)

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func tokens() throws {
        var generator = SplitMix64(seed: 1)
        let digest = try #require(CADigest(bytes: 0..<32))
        let report = Fuzzer("join-tokens").run(
            [Array(JoinToken(digest: digest, using: &generator).text.utf8)],
            decode: { try JoinToken(parsing: Self.text($0)) }, encode: { Array($0.text.utf8) })
        #expect(report.finding == nil)
    }

    @Test func unlockKeys() throws {
        let report = Fuzzer("unlock-keys").run(
            [Array(UnlockKey().text.utf8), Array(" \(UnlockKey().text)\n".utf8)],
            decode: { try UnlockKey(parsing: Self.text($0)) }, encode: { Array($0.text.utf8) })
        #expect(report.finding == nil)
    }

    private struct Host {
        let authority: CertificateAuthority
        let request: CertificateRequest
        let identity: NodeIdentity

        init() throws {
            authority = try CertificateAuthority.create(clusterID: "cluster", at: PKIFuzzTests.time)
            request = try CertificateRequest(nodeID: "n")
            let certificate = try authority.issue(request.requestPEM, for: "n", role: .manager, at: PKIFuzzTests.time)
            identity = try NodeIdentity(keyPEM: request.keyPEM, certificatePEM: certificate)
        }
    }

    @Test func roots() throws {
        let (first, second) = (try Host().authority, try Host().authority)
        let report = Fuzzer("ca-certificates").run(
            [first.certificatePEM, second.certificatePEM, first.certificatePEM + "\n" + second.certificatePEM].map {
                Array($0.utf8)
            }, decode: { try TrustRoots(pem: Self.text($0)) }, encode: { Array($0.pem.utf8) })
        #expect(report.finding == nil)
    }

    /// Nobody's certificate counts that the CA has not signed as it stands.
    @Test func peersCertificates() throws {
        let host = try Host()
        let roots = host.authority.roots
        let whole = try CertificateTests.der(host.identity.certificatePEM)
        let other = try CertificateTests.der(Host().identity.certificatePEM)
        let report = Fuzzer("peers-certificates").run([whole]) { input in
            guard let peer = try? roots.verify(chain: [input, other], at: Self.time) else { return .refused }
            return peer == host.identity.identity ? .taken : .wrong("it is \(peer)'s")
        }
        #expect(report.finding == nil)
    }

    @Test func identities() throws {
        let host = try Host()
        let report = Fuzzer("key-with-certificate").run(
            [Array((host.identity.keyPEM + "\n" + host.identity.certificatePEM).utf8)],
            decode: { try NodeIdentity(pem: Self.text($0), of: "a file") },
            encode: { Array(($0.keyPEM + "\n" + $0.certificatePEM).utf8) })
        #expect(report.finding == nil)
    }

    @Test func requests() throws {
        let host = try Host()
        let report = Fuzzer("certificate-requests").run([Array(host.request.requestPEM.utf8)]) { input in
            guard let certificate = try? host.authority.issue(Self.text(input), for: "n", role: .worker, at: Self.time)
            else { return .refused }
            // The sender has the key: so it is the one of the request.
            guard let issued = try? NodeIdentity(keyPEM: host.request.keyPEM, certificatePEM: certificate),
                issued.identity == PeerIdentity(nodeID: "n", role: .worker, clusterID: "cluster")
            else { return .wrong("a certificate for another key, or another node") }
            return .taken
        }
        #expect(report.finding == nil)
    }

    @Test func keyFiles() throws {
        var generator = SplitMix64(seed: 2)
        var keys = HostKeys(identity: try Host().identity)
        keys.dataKeys.add(using: &generator)
        let unlock = UnlockKey()
        let files = [
            try KeyFile(keys, lock: KeyLock(version: 3)), try KeyFile(keys, lock: KeyLock(key: unlock, version: 4)),
        ]
        let examples = try files.map { try JSONCoding.encode($0) }
        let report = Fuzzer("key-files").run(
            examples, decode: { try JSONCoding.decode(KeyFile.self, from: $0) }, encode: { try JSONCoding.encode($0) })
        #expect(report.finding == nil)
        // Of a locked file nothing is believed that was not written under the key.
        let opened = Fuzzer("key-files-locked").run([examples[1]]) { input in
            guard let file = try? JSONCoding.decode(KeyFile.self, from: input), file.isWhole, file.isLocked,
                let (found, lock) = try? file.open(with: unlock)
            else { return .refused }
            return found == keys && lock == KeyLock(key: unlock, version: 4) ? .taken : .wrong("it opens as another")
        }
        #expect(opened.finding == nil)
    }

    @Test func sealedValues() throws {
        var generator = SplitMix64(seed: 3)
        var keys = DataKeys()
        keys.add(using: &generator)
        let place = SealedValue.Place(kind: .secret, id: "s", field: "data")
        let sealed = try keys.seal([1, 2, 3], for: place)
        let report = Fuzzer("sealed-values").run([try JSONCoding.encode(sealed)]) { input in
            guard let value = try? JSONCoding.decode(SealedValue.self, from: input), !value.keyID.isEmpty,
                let bytes = try? keys.open(value, for: place)
            else { return .refused }
            return bytes == [1, 2, 3] ? .taken : .wrong("it opens as \(bytes)")
        }
        #expect(report.finding == nil)
        let lists = Fuzzer("data-keys").run(
            [try JSONCoding.encode(keys)],
            decode: { input in
                let read = try JSONCoding.decode(DataKeys.self, from: input)
                _ = try? read.seal([1], for: place)
                return read
            }, encode: { try JSONCoding.encode($0) })
        #expect(lists.finding == nil)
    }
}
