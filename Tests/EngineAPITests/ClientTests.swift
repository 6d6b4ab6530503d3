import EngineClient
import EngineModel
import JSON
import Synchronization
import Testing

@testable import EngineAPI

/// The client against the server.
@Suite(.timeLimit(.minutes(1))) struct ClientTests {
    @Test func readsJSONAndRefusals() async throws {
        try await RunningServer.with(ConnectionTests.routes) { server in
            let answer1 = try await server.client.json("GET", "/hello")
            #expect(answer1["hello"] == "world")
            let answer2 = try await server.client.json("POST", "/json", body: ["a": [1, 2]])
            #expect(answer2["a"]?[1] == 2)
            await #expect(throws: EngineClientError(status: 409, message: "container x is paused")) {
                try await server.client.json("POST", "/refuse")
            }
            await #expect(throws: EngineClientError(status: 404, message: "page not found")) {
                try await server.client.json("GET", "/nowhere")
            }
        }
    }

    @Test func versionsAreChecked() async throws {
        try await RunningServer.with(ConnectionTests.routes) { server in
            let new = EngineClient(address: .unix(server.path), apiVersion: "1.52")
            await #expect(
                throws: EngineClientError(
                    status: 400, message: "client version 1.52 is too new. Maximum supported API version is 1.51")
            ) { try await new.json("GET", "/hello") }
            let old = EngineClient(address: .unix(server.path), apiVersion: "1.23")
            await #expect(
                throws: EngineClientError(
                    status: 400,
                    message: "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade "
                        + "your client to a newer version")
            ) { try await old.json("GET", "/hello") }
            let none = EngineClient(address: .unix(server.path), apiVersion: nil)
            let answer3 = try await none.json("GET", "/hello")
            #expect(answer3["hello"] == "world")
        }
    }

    @Test func malformedJSONIsNamed() async throws {
        try await RunningServer.with(ConnectionTests.routes) { server in
            for body in ["{", "{\"a\":}", ""] {
                let response = try await server.client.send(
                    "POST", "/json", body: .bytes(Array(body.utf8), contentType: "application/json"))
                #expect(response.status == 400)
                let text = String(decoding: try await response.bytes(), as: UTF8.self)
                #expect(text.contains("{\"message\":\"invalid JSON: "))
            }
        }
    }

    @Test func streamsLinesAsTheyCome() async throws {
        try await RunningServer.with(ConnectionTests.routes) { server in
            var numbers: [Int64] = []
            for try await line in try await server.client.perform("GET", "/lines").jsonLines() {
                numbers.append(line["number"]?.integer ?? -1)
            }
            #expect(numbers == [0, 1, 2])
        }
    }

    @Test func carriesBigBodies() async throws {
        try await RunningServer.with(ConnectionTests.routes) { server in
            let piece = [UInt8](repeating: 0x61, count: 100_000)
            let left = Mutex(200)
            let response = try await server.client.perform(
                "POST", "/count",
                body: .stream(contentType: "application/x-tar") {
                    left.withLock { left in
                        guard left > 0 else { return nil }
                        left -= 1
                        return piece
                    }
                })
            let answer = try JSONValue(parsing: try await response.bytes())
            #expect(answer["bytes"] == 20_000_000)
            let whole = try await server.client.perform(
                "POST", "/count", body: .bytes([UInt8](repeating: 1, count: 5_000_000), contentType: "x/y"))
            #expect(try JSONValue(parsing: try await whole.bytes())["bytes"] == 5_000_000)
        }
    }

    @Test func bodiesAreBounded() async throws {
        try await RunningServer.with(ConnectionTests.routes) { server in
            let response = try await server.client.send(
                "POST", "/json",
                body: .bytes([UInt8](repeating: 0x20, count: APIRequest.bodyLimit + 1), contentType: "application/json")
            )
            #expect(response.status == 413)
            response.close()
        }
    }

    @Test func takesConnectionsOver() async throws {
        try await RunningServer.with(ConnectionTests.routes) { server in
            let stream = try await server.client.hijack("POST", "/echo", body: ["Tty": true])
            #expect(!stream.isMultiplexed)
            try await stream.write(Array("ping".utf8))
            #expect(try await stream.read() == Array("ping".utf8))
            try await stream.closeInput()
            #expect(try await stream.read() == Array("bye".utf8))
            #expect(try await stream.read() == nil)
            await #expect(throws: EngineClientError(status: 409, message: "container x is paused")) {
                _ = try await server.client.hijack("POST", "/refuse")
            }
        }
    }

    @Test func saysWhereNobodyListens() async {
        let client = EngineClient(address: .unix("/tmp/martlet-nobody-listens.sock"))
        await #expect {
            try await client.json("GET", "/info")
        } throws: { error in
            "\(error)".contains("Cannot connect to the Martlet daemon at unix:///tmp/martlet-nobody-listens.sock")
        }
    }

    @Test func readsDockerHosts() throws {
        #expect(try EngineAddress(parsing: "unix:///run/x.sock") == .unix("/run/x.sock"))
        #expect(try EngineAddress(parsing: "tcp://10.0.0.1:2376") == .tcp(host: "10.0.0.1", port: 2376))
        #expect(try EngineAddress(parsing: "tcp://[::1]:2376/") == .tcp(host: "::1", port: 2376))
        #expect(try EngineAddress(parsing: "tcp://host") == .tcp(host: "host", port: 2375))
        #expect(try EngineAddress(environment: [:]) == .standard)
        for text in ["", "/run/x.sock", "unix://x", "tcp://", "tcp://a:0", "tcp://a:b", "ssh://a"] {
            #expect(throws: EngineClientError.self) { try EngineAddress(parsing: text) }
        }
    }

    @Test func framesComeApartAtEverySplit() throws {
        let bytes = AttachedStream.frame(1, Array("out".utf8)) + AttachedStream.frame(2, Array("err".utf8))
        for split in 0...bytes.count {
            var frames = OutputFrames()
            let found = try frames.feed(Array(bytes[..<split])) + frames.feed(Array(bytes[split...]))
            #expect(found.map(\.kind) == [1, 2])
            #expect(found.map { String(decoding: $0.payload, as: UTF8.self) } == ["out", "err"])
        }
        var frames = OutputFrames()
        #expect(throws: EngineClientError.self) { try frames.feed([1, 0, 0, 0, 255, 255, 255, 255]) }
    }
}
