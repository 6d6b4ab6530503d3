import ClusterPKI
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import ClusterRPC

/// Who is let in (docs/architecture.md, Trust).
@Suite struct TrustTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test func goodPeerIsNamedToTheHandler() async throws {
        try await fixture.run { connector, peer in
            let answer1 = try await connector.call("echo", [1, 2, 3], to: peer)
            #expect(answer1 == [1, 2, 3])
        }
        #expect(fixture.handlers.recorded.peers == ["worker client of cluster cluster1"])
    }

    @Test func foreignCertificateIsRefused() async throws {
        let foreign = try CertificateAuthority.create(clusterID: "cluster1", at: Clock.now())
        fixture.setClient(try foreign.makeIdentity(for: "client", role: .manager, at: Clock.now()))
        try await fixture.run { connector, peer in
            await #expect(throws: RPCFailure.self) { try await connector.call("echo", [], to: peer) }
        }
        #expect(fixture.handlers.recorded.calls == [])
    }

    @Test func expiredCertificateIsRefused() async throws {
        let past = Clock.now().advanced(byNanoseconds: -91 * 86_400 * 1_000_000_000)
        fixture.setClient(try fixture.authority.makeIdentity(for: "client", role: .manager, at: past))
        try await fixture.run { connector, peer in
            await #expect(throws: RPCFailure.self) { try await connector.call("echo", [], to: peer) }
        }
        #expect(fixture.handlers.recorded.calls == [])
    }

    @Test("Without a certificate: enrolment alone")
    func withoutCertificate() async throws {
        try await fixture.run { _, peer in
            let client = try StrangeClient(to: peer.address)
            for method in StrangeClient.methods {
                let failure = await #expect(throws: RPCFailure.self) { try await client.ask(method) }
                #expect(failure?.kind == .unauthorized, "\(method)")
                #expect(failure?.message == "a certificate of this cluster is required")
            }
            let answer = try await client.ask("Enrol")
            #expect(answer == Array("enrolled x".utf8))
        }
        #expect(fixture.handlers.recorded.peers == [])
    }

    @Test("TLS 1.2 is refused", arguments: [true, false])
    func version(isOld: Bool) async throws {
        try await fixture.run { [fixture] _, peer in
            let client = try StrangeClient(to: peer.address, credentials: fixture.provider, isOld: isOld)
            let answer = try? await client.ask("Enrol")
            #expect((answer == nil) == isOld)
        }
    }

    @Test func anotherNodeAtTheAddressIsRefused() async throws {
        try await fixture.run { [fixture] connector, peer in
            let other = ClusterPeer(nodeID: "elsewhere", address: peer.address)
            let failure = await #expect(throws: RPCFailure.self) {
                try await connector.call("echo", [], to: other)
            }
            #expect(failure?.kind == .unauthorized)
            #expect(failure?.message == "expected node elsewhere, found node server")
            #expect(failure?.source == .transport)
            #expect(fixture.handlers.recorded.calls == [])
        }
    }

    @Test("A server of another cluster is refused by the client")
    func foreignServer() async throws {
        let foreign = try CertificateAuthority.create(clusterID: "cluster1", at: Clock.now())
        let identity = try foreign.makeIdentity(for: "server", role: .manager, at: Clock.now())
        let server = fixture.makeServer(identity: identity)
        let running = Task { try await server.run() }
        let connector = ClusterConnector(credentials: fixture.provider, logger: fixture.logger)
        let peer = fixture.peer(try await server.boundPort)
        let failure = await #expect(throws: RPCFailure.self) { try await connector.call("echo", [], to: peer) }
        #expect(failure?.message == "certificate signed by unknown authority")
        await connector.shutdown()
        server.shutdown()
        try await running.value
    }

    @Test("A joining host pins the CA by its digest and learns it in the handshake")
    func enrolment() async throws {
        try await fixture.run { [fixture] _, peer in
            let (response, roots) = try await ClusterConnector.enrol(
                at: peer.address, expecting: fixture.authority.digest, Array("please".utf8))
            #expect(String(decoding: response, as: UTF8.self) == "enrolled please")
            #expect(roots == fixture.authority.roots)
            let other = try CertificateAuthority.create(clusterID: "cluster1", at: Clock.now())
            let failure = await #expect(throws: RPCFailure.self) {
                try await ClusterConnector.enrol(at: peer.address, expecting: other.digest, [])
            }
            #expect(failure?.message == "remote CA does not match fingerprint. Expected: \(other.digest.base36)")
        }
    }

    @Test("A worker's certificate enrols nobody")
    func enrolmentAtAWorker() async throws {
        let server = fixture.makeServer(identity: fixture.client)
        let running = Task { try await server.run() }
        let address = fixture.peer(try await server.boundPort).address
        let digest = fixture.authority.digest
        let failure = await #expect(throws: RPCFailure.self) {
            try await ClusterConnector.enrol(at: address, expecting: digest, [])
        }
        #expect(failure?.message == "expected a manager, found a worker")
        server.shutdown()
        try await running.value
    }

    @Test("New credentials count from the next call on")
    func renewal() async throws {
        try await fixture.run { [fixture] connector, peer in
            _ = try await connector.call("echo", [], to: peer)
            #expect(fixture.handlers.recorded.peers == ["worker client of cluster cluster1"])
            fixture.setClient(try fixture.authority.makeIdentity(for: "client", role: .manager, at: Clock.now()))
            _ = try await connector.call("echo", [], to: peer)
            #expect(fixture.handlers.recorded.peers.contains("manager client of cluster cluster1"))
        }
    }
}
