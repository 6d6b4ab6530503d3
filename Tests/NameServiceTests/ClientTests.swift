import Glibc
import LinuxSystem
import NetworkModel
import TestSupport
import Testing
import Values

@testable import NameService

/// martlet-net as a process, and martletd's side of it.
@Suite(
    .enabled(if: TestEnvironment.isRoot, "needs root"),
    .enabled(if: TestEnvironment.program("martlet-net") != nil, "martlet-net was not built"))
struct ClientTests {
    let stage: Stage
    let program: String

    init() throws {
        stage = try Stage()
        program = TestEnvironment.program("martlet-net") ?? ""
    }

    private func makeClient() -> NameServiceClient {
        NameServiceClient(socketPath: stage.socketPath, program: program, logger: Stage.logger)
    }

    /// The process that listens at the control socket.
    private func processID() throws -> pid_t {
        let channel = try ControlChannel(socketPath: stage.socketPath)
        return try channel.receive(.hello).reply.processID ?? 0
    }

    @Test("It is started where it is missing, outlives its client, and the next client finds it")
    func outlivesItsClient() async throws {
        var client: NameServiceClient? = makeClient()
        var picture = Wire.picture(namespacePath: stage.sandbox)
        let receipt = try await client!.apply(picture)
        #expect(receipt == NameReceipt(revision: picture.revision))
        let first = try processID()
        #expect(try stage.ask(Wire.question("web", id: 1)) != nil)
        // It is a session of its own, and no child of this process.
        #expect(getsid(first) != getsid(0))
        let status = try Files.text("/proc/\(first)/status")
        #expect(!status.contains("PPid:\t\(getpid())\n"))
        await client!.disconnect()
        client = nil
        #expect(try stage.ask(Wire.question("web", id: 2)) != nil)

        let second = makeClient()
        picture.revision.index = 9
        picture.zones["n1"]!.names["db"] = [IPAddress("10.0.0.9")!]
        #expect(try await second.apply(picture).revision.index == 9)
        #expect(try processID() == first)
        let answer = try #require(try stage.ask(Wire.question("db", id: 3)))
        #expect(Wire.addresses(answer) == [IPAddress("10.0.0.9")!])
        try await second.stopService()
        #expect(try stage.ask(Wire.question("db", id: 4), within: 200) == nil)
    }

    @Test("Killed, it is started anew and gets the picture again, without anybody asking")
    func healsItself() async throws {
        let client = makeClient()
        try await client.apply(Wire.picture(namespacePath: stage.sandbox))
        let first = try processID()
        kill(first, SIGKILL)
        try await waitUntil("names are answered again") {
            try stage.ask(Wire.question("web", id: 1), within: 100) != nil
        }
        #expect(try processID() != first)
        var picture = Wire.picture(namespacePath: stage.sandbox, revision: 2)
        picture.zones["n1"]!.names["web"] = [IPAddress("10.0.0.7")!]
        #expect(try await client.apply(picture).revision.index == 2)
        let answer = try #require(try stage.ask(Wire.question("web", id: 2)))
        #expect(Wire.addresses(answer) == [IPAddress("10.0.0.7")!])
        try await client.stopService()
    }

    @Test("A newer program on the disk takes over when a client connects")
    func newerProgram() async throws {
        let copy = stage.directory.path("martlet-net")
        func install() throws {
            try Files.write(copy + ".new", Files.read(program, limit: 1 << 30), mode: 0o755)
            rename(copy + ".new", copy)
        }
        try install()
        let old = NameServiceClient(socketPath: stage.socketPath, program: copy, logger: Stage.logger)
        try await old.apply(Wire.picture(namespacePath: stage.sandbox))
        let first = try processID()
        await old.disconnect()
        try install()
        let new = NameServiceClient(socketPath: stage.socketPath, program: copy, logger: Stage.logger)
        try await new.apply(Wire.picture(namespacePath: stage.sandbox, revision: 2))
        let second = try processID()
        #expect(second != first)
        #expect(try stage.ask(Wire.question("web", id: 1)) != nil)
        try await waitUntil("the older one ends") { kill(first, 0) != 0 }
        await new.disconnect()
        let again = NameServiceClient(socketPath: stage.socketPath, program: copy, logger: Stage.logger)
        try await again.apply(Wire.picture(namespacePath: stage.sandbox, revision: 3))
        #expect(try processID() == second, "the same program is left alone")
        try await again.stopService()
    }

    @Test func programThatIsMissing() async throws {
        let client = NameServiceClient(socketPath: stage.socketPath, program: "/nowhere", logger: Stage.logger)
        await #expect(throws: NameServiceError.self) { try await client.apply(Wire.picture) }
        await client.disconnect()
    }
}
