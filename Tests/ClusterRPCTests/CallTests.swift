import ClusterPKI
import Glibc
import LinuxSystem
import Synchronization
import TestSupport
import Testing
import Values

@testable import ClusterRPC

@Suite struct CallTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test func failureKeepsKindMessageAndDetails() async throws {
        try await fixture.run { connector, peer in
            let failure = await #expect(throws: RPCFailure.self) { try await connector.call("conflict", [], to: peer) }
            #expect(
                failure
                    == RPCFailure(
                        .conflict, "name conflicts with an existing object: ü \"web\"", details: ["leader": "n1"]))
            let other = await #expect(throws: RPCFailure.self) { try await connector.call("other", [], to: peer) }
            #expect(other == RPCFailure(.internalError, "something of another kind"))
            let long = await #expect(throws: RPCFailure.self) { try await connector.call("long", [], to: peer) }
            #expect(long?.kind == .internalError)
            #expect(long?.source == .handler)
        }
    }

    @Test func limits() async throws {
        try await fixture.run { connector, peer in
            let large = [UInt8](repeating: 7, count: RPCLimits.messageBytes)
            let answer1 = try await connector.call("echo", large, to: peer, timeout: .seconds(60))
            #expect(answer1 == large)
            let failure = await #expect(throws: RPCFailure.self) {
                try await connector.call("echo", large + [1], to: peer)
            }
            #expect(failure?.kind == .tooLarge)
            await #expect(throws: RPCFailure.self) { try await connector.call("no such name", [], to: peer) }
        }
    }

    @Test func timeoutAndCancellation() async throws {
        try await fixture.run { connector, peer in
            _ = try await connector.call("echo", [], to: peer)
            let failure = await #expect(throws: RPCFailure.self) {
                try await connector.call("wait", [], to: peer, timeout: .milliseconds(200))
            }
            #expect(failure?.kind == .timeout)
            let call = Task { try await connector.call("wait", [], to: peer, timeout: .seconds(60)) }
            try await waitUntil("the call arrives") { [fixture] in
                fixture.handlers.recorded.calls.count == 3
            }
            call.cancel()
            let cancelled = await #expect(throws: RPCFailure.self) { try await call.value }
            #expect(cancelled?.kind == .cancelled)
        }
    }

    @Test func nobodyThere() async throws {
        let connector = ClusterConnector(credentials: fixture.provider, logger: fixture.logger)
        let peer = fixture.peer(1)
        let failure = await #expect(throws: RPCFailure.self) { try await connector.call("echo", [], to: peer) }
        #expect(failure?.kind == .unavailable)
        #expect(failure?.source == .transport)
        await connector.shutdown()
        let later = await #expect(throws: RPCFailure.self) { try await connector.call("echo", [], to: peer) }
        #expect(later?.kind == .cancelled)
    }

    @Test func portTaken() async throws {
        try await fixture.run { [fixture] _, peer in
            let second = fixture.makeServer(port: peer.address.port)
            let failure = await #expect(throws: RPCFailure.self) { try await second.run() }
            #expect(failure?.message.hasPrefix("cannot listen on 127.0.0.1:\(peer.address.port): ") == true)
        }
    }

    @Test func sessionBothWays() async throws {
        try await fixture.run { connector, peer in
            let replies = try await connector.withSession(to: peer) { inbound, outbound in
                var replies: [[UInt8]] = []
                var iterator = inbound.makeAsyncIterator()
                replies.append(try #require(try await iterator.next()))
                for number in 0..<100 {
                    try await outbound.write([UInt8(number), 255])
                    replies.append(try #require(try await iterator.next()))
                }
                return replies
            }
            #expect(replies.first == Array("welcome client".utf8))
            let reversed: [[UInt8]] = (0..<100).map { [255, UInt8($0)] }
            #expect(Array(replies.dropFirst()) == reversed)
        }
        #expect(fixture.handlers.recorded.sessionsEnded == 1)
    }

    @Test("A session's end: by the server, refused by it, by an error of the body")
    func sessionEnds() async throws {
        try await fixture.run { connector, peer in
            let all = try await connector.withSession(to: peer) { inbound, outbound in
                try await outbound.write(Array("bye".utf8))
                var all: [[UInt8]] = []
                for try await message in inbound { all.append(message) }
                return all
            }
            #expect(all == [Array("welcome client".utf8)])
            let failure = await #expect(throws: RPCFailure.self) {
                try await connector.withSession(to: peer) { inbound, outbound in
                    try await outbound.write(Array("refuse".utf8))
                    for try await _ in inbound {}
                }
            }
            #expect(failure == RPCFailure(.unavailable, "no leader", details: ["try": "n2"]))
            struct Own: Error {}
            await #expect(throws: Own.self) { try await connector.withSession(to: peer) { _, _ in throw Own() } }
            try await waitUntil("the server's handlers end") { [fixture] in
                fixture.handlers.recorded.sessionsEnded == 3
            }
        }
    }

    @Test("Each call and stream says which history its host belongs to, and one that is refused is refused at once")
    func history() async throws {
        let server = fixture.makeServer()
        let running = Task { try await server.run() }
        let own = Mutex("own")
        let connector = ClusterConnector(
            credentials: fixture.provider, history: { own.withLock { $0 } }, logger: fixture.logger)
        let peer = fixture.peer(try await server.boundPort)
        let digest = Digest(sha256: [UInt8](repeating: 0, count: 32))
        _ = try await connector.call("echo", [], to: peer)
        try await connector.withSession(to: peer) { _, _ in }
        _ = try? await connector.fetchBlob(digest, from: peer) { _ in }
        let channel = connector.raftChannel(to: peer)
        try await waitUntil("the Raft channel connects") { channel.isConnected }
        channel.close()
        #expect(fixture.handlers.recorded.histories == ["own", "own", "own", "own"])
        own.withLock { $0 = "foreign" }
        let before = fixture.handlers.recorded
        let refusal = RPCFailure(.unavailable, "another history")
        #expect(await #expect(throws: RPCFailure.self) { try await connector.call("echo", [], to: peer) } == refusal)
        await #expect(throws: refusal) { try await connector.withSession(to: peer) { _, _ in } }
        await #expect(throws: refusal) { try await connector.fetchBlob(digest, from: peer) { _ in } }
        let refused = connector.raftChannel(to: peer)
        try await waitUntil("the Raft stream is refused, again and again") { [fixture] in
            fixture.handlers.recorded.histories.count >= before.histories.count + 5
        }
        #expect(!refused.isConnected)
        refused.close()
        #expect(fixture.handlers.recorded.calls == before.calls)
        #expect(fixture.handlers.recorded.raftStreams == before.raftStreams)
        await connector.shutdown()
        server.shutdown()
        try await running.value
    }

    @Test func cancelledSessionEndsOnBothSides() async throws {
        try await fixture.run { connector, peer in
            let opened = AsyncStream.makeStream(of: Void.self)
            let session = Task {
                try await connector.withSession(to: peer) { inbound, _ in
                    for try await _ in inbound { opened.continuation.yield() }
                }
            }
            for await _ in opened.stream { break }
            session.cancel()
            _ = await session.result
            try await waitUntil("the server's handler ends") { [fixture] in
                fixture.handlers.recorded.sessionsEnded == 1
            }
        }
    }

    @Test func blobOfTwentyMegabytes() async throws {
        let digest = try #require(Digest(hex: String(repeating: "0", count: 64)))
        let missing = try #require(Digest(hex: String(repeating: "1", count: 64)))
        try await fixture.run { connector, peer in
            for offset in [0, 12_345_678] {
                let received = Mutex<[UInt8]>([])
                try await connector.fetchBlob(digest, offset: Int64(offset), from: peer) { piece in
                    #expect(piece.count <= RPCLimits.blobChunkBytes)
                    received.withLock { $0 += piece }
                }
                let isEqual = received.withLock { $0 == Array(RecordingHandlers.blob[offset...]) }
                #expect(isEqual)
            }
            let failure = await #expect(throws: RPCFailure.self) {
                try await connector.fetchBlob(missing, from: peer) { _ in }
            }
            #expect(failure?.kind == .notFound)
            struct Own: Error {}
            await #expect(throws: Own.self) { try await connector.fetchBlob(digest, from: peer) { _ in throw Own() } }
        }
    }
}
