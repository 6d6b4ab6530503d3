import ClusterPKI
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import ClusterRPC

/// What happens when a peer goes away and comes back.
@Suite struct ReconnectTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("A server stops while peers come: none that it has accepted is forgotten", arguments: 0..<10)
    func stopsWhilePeersCome(round: Int) async throws {
        let server = fixture.makeServer()
        let running = Task { try await server.run() }
        let peer = fixture.peer(try await server.boundPort)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { [fixture] in
                    while !Task.isCancelled {
                        let connector = ClusterConnector(credentials: fixture.provider, logger: fixture.logger)
                        _ = try? await connector.call("echo", [1], to: peer, timeout: .milliseconds(200))
                        await connector.shutdown()
                    }
                }
            }
            try? await Task.sleep(for: .milliseconds(20 + round))
            if round % 2 == 0 { server.shutdown() } else { running.cancel() }
            _ = await running.result
            group.cancelAll()
        }
    }

    @Test func callsAndRaftGoOnAfterTheServerRestarts() async throws {
        let connector = ClusterConnector(credentials: fixture.provider, logger: fixture.logger)
        var server = fixture.makeServer()
        var running = Task { [server] in try await server.run() }
        let port = try await server.boundPort
        let peer = fixture.peer(port)
        let channel = connector.raftChannel(to: peer)
        #expect(!channel.send([0]), "nothing is queued before there is a connection")
        for round in 0..<3 {
            try await waitUntil("the Raft channel connects") { channel.isConnected }
            let before = fixture.handlers.recorded.raft.count
            for number in 0..<1000 { #expect(channel.send([UInt8(round), UInt8(number & 255), UInt8(number >> 8)])) }
            try await waitUntil("all messages arrive") { [fixture] in
                fixture.handlers.recorded.raft.count == before + 1000
            }
            let numbers = fixture.handlers.recorded.raft[before...].map { Int($0[1]) + Int($0[2]) << 8 }
            #expect(numbers == Array(0..<1000), "in order")
            let answer1 = try await connector.call("echo", [9], to: peer)
            #expect(answer1 == [9])

            server.shutdown()
            try await running.value
            try await waitUntil("the loss is noticed") { !channel.isConnected }
            #expect(!channel.send([1]))
            await #expect(throws: RPCFailure.self) { try await connector.call("echo", [9], to: peer) }
            server = fixture.makeServer(port: port)
            running = Task { [server] in try await server.run() }
            _ = try await server.boundPort
            try await waitUntil("calls get through again") {
                (try? await connector.call("echo", [9], to: peer)) == [9]
            }
        }
        channel.close()
        await connector.shutdown()
        server.shutdown()
        try await running.value
    }

    @Test("A peer that falls silent, without closing anything, is noticed in about three seconds")
    func silence() async throws {
        try await fixture.run { [fixture] connector, peer in
            let relay = try Relay(to: peer.address.port)
            defer { relay.close() }
            let channel = connector.raftChannel(to: fixture.peer(relay.port))
            try await waitUntil("the Raft channel connects") { channel.isConnected }
            let welcomes = AsyncStream.makeStream(of: Void.self)
            let session = Task {
                try await connector.withSession(to: fixture.peer(relay.port)) { inbound, _ in
                    for try await _ in inbound { welcomes.continuation.yield() }
                }
            }
            for await _ in welcomes.stream { break }
            relay.silence()
            let start = ContinuousClock.now
            await #expect(throws: RPCFailure.self) { try await session.value }
            try await waitUntil("the loss is noticed") { !channel.isConnected }
            // TCP alone would take minutes; a busy machine takes a while as well.
            #expect(start.duration(to: .now) < .seconds(30))
            try await waitUntil("the server's handler ends too") {
                fixture.handlers.recorded.sessionsEnded == 1
            }
            channel.close()
        }
    }

    @Test func fullQueueDrops() {
        let queue = RaftQueue()
        #expect(!queue.append([1]))
        queue.connect()
        for _ in 0..<RPCLimits.raftQueueMessages { #expect(queue.append([1])) }
        #expect(!queue.append([1]))
        queue.disconnect()
        queue.connect()
        let large = [UInt8](repeating: 0, count: RPCLimits.messageBytes)
        for _ in 0..<RPCLimits.raftQueueBytes / large.count { #expect(queue.append(large)) }
        #expect(!queue.append([1]))
    }
}
