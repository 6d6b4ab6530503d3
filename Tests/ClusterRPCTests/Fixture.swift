import ClusterPKI
import LinuxSystem
import Logging
import Synchronization
import Values

@testable import ClusterRPC

/// A cluster of two nodes: a server, and a connector to it, over loopback with real certificates.
final class Fixture: Sendable {
    let authority: CertificateAuthority
    let server: NodeIdentity
    let client: NodeIdentity
    let handlers = RecordingHandlers()
    private let credentials: Mutex<ClusterCredentials>

    init() throws {
        let now = Clock.now()
        authority = try CertificateAuthority.create(clusterID: "cluster1", at: now)
        server = try authority.makeIdentity(for: "server", role: .manager, at: now)
        client = try authority.makeIdentity(for: "client", role: .worker, at: now)
        credentials = Mutex(ClusterCredentials(identity: client, roots: authority.roots))
    }

    var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    func setClient(_ identity: NodeIdentity) {
        credentials.withLock { [roots = authority.roots] in
            $0 = ClusterCredentials(identity: identity, roots: roots)
        }
    }

    var provider: CredentialProvider { { [self] in credentials.withLock { $0 } } }

    func makeServer(port: Int = 0, identity: NodeIdentity? = nil) -> ClusterServer {
        let credentials = ClusterCredentials(identity: identity ?? server, roots: authority.roots)
        return ClusterServer(
            address: .v4Loopback, port: port, credentials: { credentials }, handlers: handlers, logger: logger)
    }

    func peer(_ port: Int, nodeID: String = "server") -> ClusterPeer {
        ClusterPeer(nodeID: nodeID, address: ClusterAddress(.v4Loopback, port: port))
    }

    /// Runs `body` with a server that listens and a connector.
    func run(_ body: @Sendable (ClusterConnector, ClusterPeer) async throws -> Void) async throws {
        let server = makeServer()
        let running = Task { try await server.run() }
        let connector = ClusterConnector(credentials: provider, logger: logger)
        do {
            try await body(connector, peer(try await server.boundPort))
        } catch {
            await connector.shutdown()
            server.shutdown()
            _ = await running.result
            throw error
        }
        await connector.shutdown()
        server.shutdown()
        try await running.value
    }
}

/// Handlers that answer what tests ask and note who called.
final class RecordingHandlers: ClusterHandlers {
    struct Seen {
        var calls: [String] = []
        var peers: Set<String> = []
        var histories: [String?] = []
        var raft: [[UInt8]] = []
        var raftStreams = 0
        var sessionsEnded = 0
    }

    private let seen = Mutex(Seen())
    var recorded: Seen { seen.withLock { $0 } }
    /// 20 MB; a period that no power of two divides shows a piece at the wrong place.
    static let blob: [UInt8] = {
        let period = (0..<99_991).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        var bytes: [UInt8] = []
        while bytes.count < 20_000_000 { bytes += period }
        return bytes
    }()

    private func note(_ peer: PeerIdentity) { seen.withLock { _ = $0.peers.insert(peer.description) } }

    func enrol(_ request: [UInt8], remote: String) async throws -> [UInt8] { Array("enrolled ".utf8) + request }

    func admit(_ peer: PeerIdentity, history: String?) throws {
        seen.withLock { $0.histories.append(history) }
        if history == "foreign" { throw RPCFailure(.unavailable, "another history") }
    }

    func call(_ method: String, _ payload: [UInt8], from peer: PeerIdentity) async throws -> [UInt8] {
        note(peer)
        seen.withLock { $0.calls.append(method) }
        switch method {
        case "echo": return payload
        case "conflict":
            throw RPCFailure(.conflict, "name conflicts with an existing object: ü \"web\"", details: ["leader": "n1"])
        case "long": throw RPCFailure(.internalError, String(repeating: "\u{1}", count: 100_000))
        case "wait": try await Task.sleep(for: .seconds(60))
        default: throw OtherError()
        }
        return []
    }

    func raft(_ messages: MessageStream, from peer: PeerIdentity) async throws {
        note(peer)
        seen.withLock { $0.raftStreams += 1 }
        for try await message in messages { seen.withLock { $0.raft.append(message) } }
    }

    func session(_ inbound: MessageStream, _ outbound: MessageWriter, from peer: PeerIdentity) async throws {
        note(peer)
        defer { seen.withLock { $0.sessionsEnded += 1 } }
        try await outbound.write(Array("welcome \(peer.nodeID)".utf8))
        for try await message in inbound {
            if message == Array("refuse".utf8) { throw RPCFailure(.unavailable, "no leader", details: ["try": "n2"]) }
            if message == Array("bye".utf8) { return }
            try await outbound.write(message.reversed())
        }
    }

    func blob(_ digest: Digest, offset: Int64, _ writer: MessageWriter, from peer: PeerIdentity) async throws {
        note(peer)
        guard digest.hex.hasPrefix("0") else { throw RPCFailure(.notFound, "no such blob \(digest)") }
        var start = Int(offset)
        while start < Self.blob.count {
            let end = min(start + RPCLimits.blobChunkBytes, Self.blob.count)
            try await writer.write(Array(Self.blob[start..<end]))
            start = end
        }
    }

    struct OtherError: Error, CustomStringConvertible {
        let description = "something of another kind"
    }
}
