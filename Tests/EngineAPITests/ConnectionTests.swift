import EngineModel
import JSON
import Testing

@testable import EngineAPI

/// What a connection carries, byte by byte.
@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    static func routes(_ router: inout Router) {
        router.on("GET", "hello") { _ in .json(["hello": "world"]) }
        router.on("POST", "count") { request in
            var count = 0
            while let piece = try await request.body.next() { count += piece.count }
            return .json(["bytes": .integer(Int64(count))])
        }
        router.on("POST", "json") { request in .json(try await request.json()) }
        router.on("POST", "refuse") { _ in throw EngineError(.conflict, "container x is paused") }
        router.on("POST", "echo") { _ in
            APIResponse(
                status: 200, headers: ["Content-Type": "application/vnd.docker.raw-stream"],
                content: .hijack { connection in
                    while let bytes = try await connection.read() { try await connection.write(bytes) }
                    try await connection.write(Array("bye".utf8))
                })
        }
        router.on("GET", "lines") { _ in
            .stream(contentType: "application/json") { writer in
                for number in 0..<3 { try await writer.write(line: ["number": .integer(Int64(number))]) }
            }
        }
    }

    @Test func keepsTheConnection() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            for _ in 0..<3 {
                try await connection.send("GET /v1.51/hello HTTP/1.1\r\nHost: x\r\n\r\n")
                let answer = try await connection.receive(through: "}\n")
                #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(answer.contains("Api-Version: 1.51\r\n"))
                #expect(!answer.contains("Connection: close"))
            }
            connection.close()
        }
    }

    @Test func answersPipelinedRequestsInOrder() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send(
                "POST /count HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /count HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
                    + "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n")
            let answers = try await connection.receiveToEnd()
            let bodies = answers.split(separator: "\r\n\r\n").dropFirst().map { $0.prefix { $0 != "\n" } }
            #expect(bodies == ["{\"bytes\":3}", "{\"bytes\":0}", "{\"hello\":\"world\"}"])
        }
    }

    /// Bytes sent with the upgrade request, half-close, and the other direction's end.
    @Test func becomesRawWhereTheRouteAccepts() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send(
                "POST /v1.51/echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}early ")
            let head = try await connection.receive(through: "early ")
            #expect(head.hasPrefix("HTTP/1.1 101 UPGRADED\r\n"))
            #expect(head.contains("Content-Type: application/vnd.docker.raw-stream\r\n"))
            #expect(head.contains("Connection: Upgrade\r\nUpgrade: tcp\r\n"))
            #expect(head.hasSuffix("\r\n\r\nearly "))
            try await connection.send("late ")
            #expect(try await connection.receive(through: "late ") == "late ")
            try await connection.bytes.finishSending()
            #expect(try await connection.receiveToEnd() == "bye")
        }
    }

    /// All in one piece, the client's end included.
    @Test func becomesRawThoughTheClientHasEnded() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send(
                "POST /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nall at once, ")
            try await connection.bytes.finishSending()
            #expect(try await connection.receiveToEnd().hasSuffix("\r\n\r\nall at once, bye"))
        }
    }

    @Test func oldClientsGetTheirStreamWithoutUpgrade() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send("POST /v1.24/echo HTTP/1.1\r\nContent-Length: 0\r\n\r\nold ")
            #expect(try await connection.receive(through: "old ").hasPrefix("HTTP/1.1 200 OK\r\n"))
            try await connection.bytes.finishSending()
            #expect(try await connection.receiveToEnd() == "bye")
        }
    }

    @Test func aRefusedUpgradeChangesNothing() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send(
                "POST /refuse HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
                    + "GET /hello HTTP/1.1\r\n\r\n")
            let answers = try await connection.receive(through: "world\"}\n")
            #expect(answers.hasPrefix("HTTP/1.1 409 Conflict\r\n"))
            #expect(answers.contains("{\"message\":\"container x is paused\"}\n"))
            try await connection.send("GET /hello HTTP/1.1\r\n\r\n")
            #expect(try await connection.receive(through: "world\"}\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
            connection.close()
        }
    }

    @Test func headHasNoBody() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send(
                "HEAD /hello HTTP/1.1\r\n\r\nHEAD /lines HTTP/1.1\r\n\r\n"
                    + "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n"
            )
            let answers = try await connection.receiveToEnd()
            #expect(answers.split(separator: "HTTP/1.1 200 OK").count == 3)
            #expect(answers.contains("Content-Length: 18\r\n"))
            #expect(answers.split(separator: "{\"hello\"", omittingEmptySubsequences: false).count == 2)
            #expect(!answers.contains("number"))
        }
    }

    @Test func streamsInChunksAndForOldVersionsToTheEnd() async throws {
        try await RunningServer.with(Self.routes) { server in
            let new = try await RawConnection(server.path)
            try await new.send("GET /lines HTTP/1.1\r\n\r\n")
            let chunked = try await new.receive(through: "0\r\n\r\n")
            #expect(chunked.contains("Transfer-Encoding: chunked\r\n"))
            #expect(chunked.hasSuffix("d\r\n{\"number\":2}\n\r\n0\r\n\r\n"))
            new.close()
            let old = try await RawConnection(server.path)
            try await old.send("GET /lines HTTP/1.0\r\n\r\n")
            let plain = try await old.receiveToEnd()
            #expect(plain.hasSuffix("\r\n\r\n{\"number\":0}\n{\"number\":1}\n{\"number\":2}\n"))
        }
    }

    @Test func invitesABodyThatWaits() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send("POST /count HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            #expect(try await connection.receive(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            try await connection.send("body")
            #expect(try await connection.receive(through: "}\n").contains("{\"bytes\":4}"))
            connection.close()
        }
    }

    @Test(arguments: [
        ("nonsense\r\n\r\n", "400 Bad Request"), ("GET / HTTP/2.0\r\n\r\n", "505 "),
        ("POST /count HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400 Bad Request"),
        ("POST /count HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "501 "),
        ("POST /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"),
        ("GET /%zz HTTP/1.1\r\nConnection: close\r\n\r\n", "400 Bad Request"),
    ])
    func malformedRequestsAreRefused(_ text: String, _ status: String) async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send(text)
            let answer = try await connection.receiveToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 \(status)"))
            #expect(answer.contains("{\"message\":\""))
        }
    }

    @Test func aBodyLeftUnreadEndsTheConnection() async throws {
        try await RunningServer.with(Self.routes) { server in
            let connection = try await RawConnection(server.path)
            try await connection.send("POST /refuse HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n")
            // The server may stop reading before all is sent.
            try? await connection.send(String(repeating: "x", count: 3_000_000))
            #expect(try await connection.receive(through: "paused\"}\n").hasPrefix("HTTP/1.1 409"))
            connection.close()
        }
    }

    /// Many, since a client may leave at any moment of the answer's beginning.
    @Test func streamsEndWhenTheirClientsLeave() async throws {
        let count = 2000
        let (stopped, continuation) = AsyncStream.makeStream(of: Void.self)
        try await RunningServer.with { router in
            router.on("GET", "endless") { _ in
                .stream(contentType: "application/json") { _ in
                    defer { continuation.yield() }
                    try await Task.sleep(for: .seconds(600))
                }
            }
        } _: { server in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<count / 4 {
                            let connection = try await RawConnection(server.path)
                            try await connection.send("GET /endless HTTP/1.1\r\n\r\n")
                            _ = try await connection.receive(through: "\r\n\r\n")
                            connection.close()
                        }
                    }
                }
                try await group.waitForAll()
            }
            for await _ in stopped.prefix(count) {}
        }
    }

    @Test func aHijackedStreamEndsWhenItsClientLeaves() async throws {
        let (stopped, continuation) = AsyncStream.makeStream(of: Void.self)
        try await RunningServer.with { router in
            router.on("POST", "endless") { _ in
                APIResponse(
                    status: 200,
                    content: .hijack { connection in
                        defer { continuation.finish() }
                        while try await connection.read() != nil {}
                        // As a process that says nothing.
                        try await Task.sleep(for: .seconds(600))
                    })
            }
        } _: { server in
            let connection = try await RawConnection(server.path)
            try await connection.send(
                "POST /endless HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n")
            _ = try await connection.receive(through: "\r\n\r\n")
            connection.close()
            for await _ in stopped {}
        }
    }

    @Test func streamsEndAtShutdownAndRequestsUnderWayAreAnswered() async throws {
        let (release, gate) = AsyncStream.makeStream(of: Void.self)
        let (begun, beginning) = AsyncStream.makeStream(of: Void.self)
        try await RunningServer.with { router in
            router.on("GET", "endless") { _ in
                .stream(contentType: "application/json") { writer in
                    try await writer.write(line: ["first": true])
                    try await Task.sleep(for: .seconds(600))
                }
            }
            router.on("GET", "slow") { _ in
                beginning.finish()
                for await _ in release {}
                return .json("done")
            }
        } _: { server in
            let idle = try await RawConnection(server.path)
            let stream = try await RawConnection(server.path)
            let slow = try await RawConnection(server.path)
            try await stream.send("GET /endless HTTP/1.1\r\n\r\n")
            _ = try await stream.receive(through: "first")
            try await slow.send("GET /slow HTTP/1.1\r\n\r\n")
            for await _ in begun {}
            await server.shutDown()
            #expect(try await idle.receiveToEnd() == "")
            _ = try? await stream.receiveToEnd()
            gate.finish()
            #expect(try await slow.receive(through: "\"done\"").hasPrefix("HTTP/1.1 200 OK"))
        }
    }
}
