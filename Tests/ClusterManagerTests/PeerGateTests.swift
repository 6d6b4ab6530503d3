import ClusterModel
import ClusterPKI
import ClusterRPC
import EngineModel
import JSON
import LinuxSystem
import Logging
import RaftNode
import SessionModel
import TestSupport
import Testing
import Values

@testable import ClusterManager

/// Whom a host refuses what: by the certificate's role, by the node's row, by raft's members.
@Suite(.serialized) struct PeerGateTests {
    /// An agent that refuses nobody anything.
    private struct Willing: HostServices {
        func call(_ method: String, _ payload: [UInt8]) async throws -> [UInt8] { Array(method.utf8) }

        func blob(
            _ digest: Digest, offset: Int64, _ send: @escaping @Sendable ([UInt8]) async throws -> Void
        ) async throws { try await send([1]) }
    }

    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// What managers ask each other, beside `manager.version`: the certificate and the node's row have to say manager.
    private static let managersMethods = [
        ClusterMethodNames.propose, ClusterMethodNames.proposeAgain, ClusterMethodNames.sessions,
        ClusterMethodNames.joinRaft, ClusterMethodNames.dataKeys, ClusterMethodNames.rotateKeys,
        ClusterMethodNames.holdsKey,
    ]

    private static let garbage: [[UInt8]] = [Array("{\"id\":".utf8), [0xff, 0x00]]

    private func manager(_ host: ControlHost) throws -> Manager {
        let manager = host.control.shared.withLock(\.manager)
        return try #require(manager)
    }

    private func peer(_ host: ControlHost) throws -> ClusterPeer {
        ClusterPeer(
            nodeID: try #require(host.record?.nodeID), address: try #require(ClusterAddress(parsing: host.address)))
    }

    /// Connections with a certificate of the cluster's own CA.
    private func connector(
        as nodeID: String, _ role: PeerIdentity.Role, of host: ControlHost
    ) async throws -> ClusterConnector {
        let cluster = try #require(host.state?.cluster)
        let authority = try await host.control.authority(of: cluster)
        let identity = try authority.makeIdentity(for: nodeID, role: role, at: Clock.now())
        let credentials = ClusterCredentials(identity: identity, roots: authority.roots)
        return ClusterConnector(credentials: { credentials }, logger: logger)
    }

    /// - Parameter words: what the message has to contain; nil for any.
    private func check(
        _ failure: RPCFailure?, _ kind: RPCFailure.Kind, _ words: String?, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isMeant = failure?.kind == kind && failure?.source == .handler
        let isNamed = words.map { failure?.message.contains($0) == true } ?? true
        let found = failure.map { "\($0.kind) of the \($0.source): \($0.message)" } ?? "no failure"
        #expect(isMeant && isNamed, "\(what): \(found)", sourceLocation: sourceLocation)
    }

    /// What a host answers a call with, which has to be a refusal.
    private func expectRefusal(
        of method: String, _ payload: [UInt8] = [], by host: ControlHost, to connector: ClusterConnector,
        _ kind: RPCFailure.Kind, _ words: String?, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let peer = try peer(host)
        let failure = await #expect(throws: RPCFailure.self, sourceLocation: sourceLocation) {
            try await connector.call(method, payload, to: peer)
        }
        check(failure, kind, words, method, sourceLocation: sourceLocation)
    }

    /// The stream is open before anything was said; the first message ends it.
    private func expectRefusal(
        ofRaft message: RaftMessage, by host: ControlHost, to connector: ClusterConnector
    ) async throws {
        let channel = connector.raftChannel(to: try peer(host))
        defer { channel.close() }
        try await waitUntil("the stream is open") { channel.isConnected }
        try await waitUntil("the message ends it") { !channel.send(message.encoded()) }
    }

    /// A member that hears it follows the stranger that sent it.
    private func laterTerm(than status: RaftStatus) throws -> RaftMessage {
        let member = try #require(status.member)
        return RaftMessage(
            from: member.id ^ 1, to: member.id, term: status.term + 10, body: .heartbeat(commit: 0, read: 0))
    }

    /// A manager and two workers, of whom the manager and the last worker answer for their hosts.
    private func clusterOfThree() async throws -> (ControlHost, ControlHost, ControlHost) {
        let first = try await ControlHost("first")
        let (second, third) = (try await ControlHost("second"), try await ControlHost("third"))
        try await first.initialise()
        for host in [second, third] { try await host.join(first, asManager: false) }
        for host in [first, third] { host.control.setHostServices(Willing()) }
        return (first, second, third)
    }

    @Test("A worker's certificate is good for what is the worker's own and for images, not for what managers ask")
    func worker() async throws {
        let (first, worker, other) = try await clusterOfThree()
        let connector = worker.control.connector
        let own = try #require(worker.record)

        for method in Self.managersMethods {
            try await expectRefusal(
                of: method, by: first, to: connector, .forbidden, "node \(own.nodeID) is no manager")
        }
        try await expectRefusal(
            of: ClusterMethodNames.version, by: first, to: connector, .forbidden, "nothing to ask a manager")
        let config = ConfigObject(id: "c", createdAt: .epoch, spec: PayloadSpec(name: "site"), data: "YWJj")
        let request = ProposalRequest(id: "p", mutations: [.putConfig(config, expected: 0)])
        try await expectRefusal(
            of: ClusterMethodNames.propose, JSONCoding.encode(request), by: first, to: connector, .forbidden,
            "is no manager")
        #expect(first.state?.configs.named("site") == nil)

        let known = other.record?.managers
        let addresses = ManagerAddresses(
            history: own.history ?? "", managers: [PeerAddress(nodeID: own.nodeID, address: "a:1", isManager: true)])
        try await expectRefusal(
            of: ClusterMethodNames.managers, JSONCoding.encode(addresses), by: other, to: connector, .forbidden,
            "is not known as a manager")
        #expect(other.record?.managers == known && known?.isEmpty == false)

        for host in [first, other] {
            try await expectRefusal(of: HostMethods.logs, by: host, to: connector, .forbidden, "is no manager")
            let answer = try await connector.call(HostMethods.image, [], to: peer(host))
            #expect(answer == Array(HostMethods.image.utf8))
        }
        let answer = try await first.control.connector.call(HostMethods.logs, [], to: peer(other))
        #expect(answer == Array(HostMethods.logs.utf8), "a manager may")

        // Whatever name the request has, the certificate is for who asks, and for the role that its row has.
        let key = try CertificateRequest(nodeID: first.record?.nodeID ?? "")
        let renewed = try await connector.call(
            ClusterMethodNames.renew, JSONCoding.encode(RenewRequest(request: key.requestPEM)), to: peer(first))
        let certificate = try JSONCoding.decode(EnrolResponse.self, from: renewed).certificate
        let identity = try NodeIdentity(keyPEM: key.keyPEM, certificatePEM: certificate).identity
        #expect(identity == PeerIdentity(nodeID: own.nodeID, role: .worker, clusterID: own.clusterID))
        for host in [worker, other, first] { await host.stop() }
    }

    @Test("Raft hears its members alone, and none that shows a worker's certificate") func raft() async throws {
        let (first, worker) = (try await ControlHost("first"), try await ControlHost("worker"))
        try await first.initialise()
        try await worker.join(first, asManager: false)
        let manager = try manager(first)
        let (own, id) = (try #require(first.record?.nodeID), try #require(worker.record?.nodeID))
        let term = manager.raft.status.term
        let message = try laterTerm(than: manager.raft.status)
        let forged = [
            try await connector(as: id, .manager, of: first), try await connector(as: own, .worker, of: first),
        ]
        for connector in [worker.control.connector] + forged {
            try await expectRefusal(ofRaft: message, by: first, to: connector)
        }
        let heard = first.control.shared.withLock(\.managersHeard)
        #expect(heard.isEmpty)
        #expect(manager.raft.status.term == term && manager.isLeading)
        // It would show.
        manager.raft.step(message.encoded(), from: id)
        try await waitUntil("the message counts") { manager.raft.status.term >= message.term }
        for connector in forged { await connector.shutdown() }
        for host in [worker, first] { await host.stop() }
    }

    @Test("A node that was removed is refused by managers and workers, though its certificate holds")
    func removedNode() async throws {
        let (first, removed, other) = try await clusterOfThree()
        let id = try #require(removed.record?.nodeID)
        let connector = removed.control.connector
        let digest = Digest(sha256: [UInt8](repeating: 0, count: 32))
        try await waitUntil("the other worker knows it") { other.control.shared.withLock(\.peers).contains(id) }
        for host in [first, other] {
            let answer = try await connector.call(HostMethods.image, [], to: peer(host))
            #expect(answer == Array(HostMethods.image.utf8))
            try await connector.fetchBlob(digest, from: peer(host)) { _ in }
        }

        try await first.control.removeNode(id, force: true)
        try await waitUntil("the other worker has heard of it") {
            let peers = other.control.shared.withLock(\.peers)
            return !peers.isEmpty && !peers.contains(id)
        }
        let words = "node \(id) is not part of this cluster"
        for method in [ClusterMethodNames.renew, ClusterMethodNames.address, ClusterMethodNames.leave] {
            try await expectRefusal(of: method, by: first, to: connector, .forbidden, words)
        }
        for host in [first, other] {
            let peer = try peer(host)
            try await expectRefusal(of: HostMethods.image, by: host, to: connector, .forbidden, words)
            let blob = await #expect(throws: RPCFailure.self) {
                try await connector.fetchBlob(digest, from: peer) { _ in }
            }
            check(blob, .forbidden, words, "a blob")
            let session = await #expect(throws: RPCFailure.self) {
                try await connector.withSession(to: peer) { inbound, _ in for try await _ in inbound {} }
            }
            check(session, .forbidden, words, "a session")
        }
        try await waitUntil("its session is over") { !first.servedNodes.contains(id) }
        let answer = try await other.control.connector.call(HostMethods.image, [], to: peer(first))
        #expect(answer == Array(HostMethods.image.utf8), "who is left may")
        for host in [removed, other, first] { await host.stop() }
    }

    @Test("A manager that was demoted is refused with the certificate that it had as a manager")
    func demotedManager() async throws {
        let (first, second) = (try await ControlHost("first"), try await ControlHost("second"))
        try await first.initialise()
        try await second.join(first, asManager: true)
        let id = try #require(second.record?.nodeID)
        let held = second.control.shared.withLock(\.credentials)
        let credentials = try #require(held)
        #expect(credentials.identity.identity.role == .manager)
        let connector = ClusterConnector(credentials: { credentials }, logger: logger)
        let firstPeer = try peer(first)
        try await waitUntil("the leader answers it", within: .seconds(30)) {
            (try? await connector.call(ClusterMethodNames.dataKeys, [], to: firstPeer)) != nil
        }
        try await waitUntil("it is demoted", within: .seconds(30), every: .milliseconds(100)) {
            guard let node = first.state?.nodes[id] else { return false }
            if node.spec.role == .worker { return true }
            var spec = node.spec
            spec.role = .worker
            // Refused until both are ready, and where the row has changed meanwhile.
            try? await first.control.updateNode(id, version: node.version.index, spec: spec)
            return false
        }
        try await waitUntil("raft has let it go", within: .seconds(30)) {
            first.isLeading && first.state?.nodes[id]?.raftMember == nil && second.record?.isManager == false
        }
        for method in Self.managersMethods + [HostMethods.logs] {
            try await expectRefusal(of: method, by: first, to: connector, .forbidden, "node \(id) is no manager")
        }
        let manager = try manager(first)
        let term = manager.raft.status.term
        try await expectRefusal(ofRaft: laterTerm(than: manager.raft.status), by: first, to: connector)
        #expect(manager.raft.status.term == term && manager.isLeading)
        await connector.shutdown()
        for host in [second, first] { await host.stop() }
    }

    @Test("A call whose payload is no request is refused as an invalid parameter, whatever it asks")
    func garbageOfPeers() async throws {
        let host = try await ControlHost("alone")
        try await host.initialise()
        let connector = host.control.connector
        let methods = [
            ClusterMethodNames.propose, ClusterMethodNames.proposeAgain, ClusterMethodNames.sessions,
            ClusterMethodNames.enrol, ClusterMethodNames.renew, ClusterMethodNames.joinRaft,
            ClusterMethodNames.holdsKey, ClusterMethodNames.address, ClusterMethodNames.managers,
            HostMethods.attach, HostMethods.detach,
        ]
        for method in methods {
            for payload in Self.garbage {
                try await expectRefusal(of: method, payload, by: host, to: connector, .invalidParameter, nil)
            }
        }
        // Nothing is proposed but what was asked for, whole.
        let more = Array(#"{"id":"p","mutations":[],"more":1}"#.utf8)
        try await expectRefusal(
            of: ClusterMethodNames.propose, more, by: host, to: connector, .invalidParameter, "unknown member")
        await host.stop()
    }

    @Test("A host without a certificate that asks for nonsense is told so, and gets no place")
    func garbageOfStrangers() async throws {
        let host = try await ControlHost("alone")
        try await host.initialise()
        let cluster = try #require(host.state?.cluster)
        let tokens = try await host.control.joinTokens(of: cluster)
        let digest = try JoinToken(parsing: tokens.worker).digest
        let address = try #require(ClusterAddress(parsing: host.address))
        for payload in Self.garbage + [[]] {
            let failure = await #expect(throws: RPCFailure.self) {
                try await ClusterConnector.enrol(at: address, expecting: digest, payload)
            }
            check(failure, .invalidParameter, nil, "enrol")
        }
        #expect(host.state?.nodes.count == 1)
        await host.stop()
    }

    @Test("The leader names the method that it does not know") func unknownMethod() async throws {
        let (first, worker) = (try await ControlHost("first"), try await ControlHost("worker"))
        try await first.initialise()
        try await worker.join(first, asManager: false)
        for connector in [first.control.connector, worker.control.connector] {
            for method in ["leader.nothing", "leader.keys2", "LEADER.KEYS", "x"] {
                try await expectRefusal(
                    of: method, by: first, to: connector, .notImplemented, "does not know \"\(method)\"")
            }
        }
        for host in [worker, first] { await host.stop() }
    }
}
