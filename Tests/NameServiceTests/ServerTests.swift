import LinuxSystem
import NetworkModel
import Synchronization
import TestSupport
import Testing
import Values

@testable import NameService

/// The server in a sandbox's namespace, asked from inside.
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root"))
struct ServerTests {
    let stage: Stage

    init() throws { stage = try Stage() }

    @Test func answersInTheSandbox() async throws {
        let server = try await RunningServer(stage)
        let receipt = try stage.apply(Wire.picture(namespacePath: stage.sandbox))
        #expect(receipt == NameReceipt(revision: PlanRevision(history: "h", index: 1)))
        let answer = try #require(try stage.ask(Wire.question("web", id: 3)))
        #expect(Wire.addresses(answer) == [IPAddress("10.0.0.2")!])
        #expect(answer[0] == 0 && answer[1] == 3)
        let missing = try #require(try stage.ask(Wire.question("nope", id: 4)))
        #expect(Wire.code(missing) == 3)
        // Garbage before a question does no harm.
        #expect(try stage.ask([1, 2, 3], within: 100) == nil)
        let answers = try stage.askOverTCP([
            Wire.question("web", id: 1), Wire.question("tasks.web", id: 2), Wire.question("nope", id: 3),
        ])
        #expect(answers.map { $0[1] } == [1, 2, 3])
        #expect(answers.map { Wire.addresses($0)?.count } == [1, 2, 0])
        try await server.stop()
    }

    @Test("A real resolver understands the answers")
    func realClient() async throws {
        let server = try await RunningServer(stage)
        _ = try stage.apply(Wire.picture(namespacePath: stage.sandbox))
        let busybox = try #require(TestEnvironment.command("busybox"), "busybox is missing: run scripts/setup")
        let result = try await Command.run([
            "nsenter", "--net=\(stage.sandbox)", busybox, "nslookup", "tasks.web", "127.0.0.11",
        ])
        #expect(result.succeeded, "\(result.output) \(result.errorOutput)")
        for address in ["10.0.0.3", "10.0.0.4", "fd00::3"] { #expect(result.output.contains(address)) }
        try await server.stop()
    }

    @Test("A sandbox that leaves the picture is let go, a missing one is named in the receipt")
    func sandboxes() async throws {
        let server = try await RunningServer(stage)
        var picture = Wire.picture(namespacePath: stage.sandbox)
        picture.sandboxes.append(SandboxNames(id: "gone", namespacePath: "/nowhere", networks: []))
        let receipt = try stage.apply(picture)
        #expect(receipt.failures.keys.sorted() == ["gone"])
        #expect(try stage.ask(Wire.question("web", id: 3)) != nil)
        picture.sandboxes = []
        picture.revision.index = 2
        #expect(try stage.apply(picture).failures == [:])
        #expect(try stage.ask(Wire.question("web", id: 3), within: 300) == nil)
        // Another namespace at the same path gets sockets of its own.
        picture = Wire.picture(namespacePath: stage.sandbox, revision: 3)
        _ = try stage.apply(picture)
        try NetworkNamespace.remove(stage.sandbox)
        try NetworkNamespace.create(at: stage.sandbox)
        _ = try await Command.run(["nsenter", "--net=\(stage.sandbox)", "ip", "link", "set", "lo", "up"])
        #expect(try stage.ask(Wire.question("web", id: 3), within: 300) == nil)
        _ = try stage.apply(picture)
        #expect(try stage.ask(Wire.question("web", id: 3)) != nil)
        try await server.stop()
    }

    @Test("Other names are asked for elsewhere, from the host's namespace, under identifiers nobody can guess")
    func forwarding() async throws {
        let upstream = try await FakeUpstream(stage, "127.0.0.53", .answers)
        let server = try await RunningServer(stage)
        _ = try stage.apply(Wire.picture(namespacePath: stage.sandbox, upstream: [IPAddress("127.0.0.53")!]))
        for id in 1...20 as ClosedRange<UInt16> {
            let answer = try #require(try stage.ask(Wire.question("example.org", id: id, payloadLimit: 1232)))
            #expect(Wire.addresses(answer) == [IPAddress("192.0.2.1")!])
            #expect(answer[1] == UInt8(id))
        }
        #expect(Set(upstream.recorded.identifiers).count > 15)
        #expect(upstream.recorded.ports.count > 15)
        let answers = try stage.askOverTCP([Wire.question("example.org", id: 1), Wire.question("web", id: 2)])
        #expect(answers.count == 2)
        #expect(answers.first { $0[1] == 1 }.flatMap(Wire.addresses) == [IPAddress("192.0.2.1")!])
        upstream.stop()
        try await server.stop()
    }

    @Test("A server that is silent, absent or refuses is passed over; when all fail, SERVFAIL")
    func failingServers() async throws {
        let silent = try await FakeUpstream(stage, "127.0.0.53", .silent)
        let refusing = try await FakeUpstream(stage, "127.0.0.54", .refuses)
        let good = try await FakeUpstream(stage, "127.0.0.55", .answers)
        let server = try await RunningServer(stage)
        func ask(_ servers: [String]) throws -> [UInt8] {
            let addresses = servers.map { IPAddress($0)! }
            _ = try stage.apply(Wire.picture(namespacePath: stage.sandbox, upstream: addresses))
            return try #require(try stage.ask(Wire.question("example.org", id: 1), within: 10_000))
        }
        for other in ["127.0.0.53", "127.0.0.54", "127.0.0.99"] {
            #expect(Wire.addresses(try ask([other, "127.0.0.55"])) == [IPAddress("192.0.2.1")!], "after \(other)")
        }
        #expect(Wire.code(try ask(["127.0.0.53"])) == 2)
        #expect(silent.recorded.identifiers.count == 3, "one server alone is asked twice")
        #expect(Wire.code(try ask(["127.0.0.99"])) == 2)
        #expect(Wire.code(try ask(["127.0.0.54"])) == 5, "a refusal without another server is the answer")
        for upstream in [silent, refusing, good] { upstream.stop() }
        try await server.stop()
    }

    @Test func forgedAnswersAreIgnored() async throws {
        let upstream = try await FakeUpstream(stage, "127.0.0.53", .forges)
        let server = try await RunningServer(stage)
        _ = try stage.apply(Wire.picture(namespacePath: stage.sandbox, upstream: [IPAddress("127.0.0.53")!]))
        let answer = try #require(try stage.ask(Wire.question("example.org", id: 1)))
        #expect(Wire.addresses(answer) == [IPAddress("192.0.2.1")!])
        upstream.stop()
        try await server.stop()
    }

    @Test func questionsUnderWayAreBounded() async throws {
        let upstream = try await FakeUpstream(stage, "127.0.0.53", .silent)
        let server = try await RunningServer(stage)
        _ = try stage.apply(Wire.picture(namespacePath: stage.sandbox, upstream: [IPAddress("127.0.0.53")!]))
        for id in 0..<NameServer.forwardLimitPerSandbox {
            #expect(try stage.ask(Wire.question("example.org", id: UInt16(id)), within: 0) == nil)
        }
        let answer = try #require(try stage.ask(Wire.question("example.org", id: 999), within: 1000))
        #expect(Wire.code(answer) == 2)
        #expect(try stage.ask(Wire.question("web", id: 1)) != nil, "names of the cluster are answered all the same")
        upstream.stop()
        try await server.stop()
    }

    @Test("A newer server takes over under constant questions; none is lost")
    func takeover() async throws {
        var server = try await RunningServer(stage)
        // More sandboxes than one message carries.
        var picture = Wire.picture(namespacePath: stage.sandbox)
        let others = (0..<NameServer.handedAtOnce + 3).map { stage.directory.path("other\($0)") }
        defer { for path in others { try? NetworkNamespace.remove(path) } }
        for (number, path) in others.enumerated() {
            try NetworkNamespace.create(at: path)
            picture.sandboxes.append(SandboxNames(id: "other\(number)", namespacePath: path, networks: []))
        }
        #expect(try stage.apply(picture).failures == [:])
        let results = Results()
        let asker = NamespaceThread(in: stage.host) { [stage] in
            var id: UInt16 = 0
            while !results.isStopped.withLock({ $0 }) {
                id &+= 1
                let answer = try stage.ask(Wire.question("web", id: id))
                results.counts.withLock { counts in
                    if let answer, Wire.addresses(answer)?.count == 1 { counts.answered += 1 } else { counts.lost += 1 }
                }
            }
        }
        for round in 1...5 {
            let before = results.counts.withLock { $0.answered }
            try await waitUntil("questions are answered") { results.counts.withLock { $0.answered } > before + 20 }
            let next = try await RunningServer(stage, takesOver: true)
            try await waitUntil("the older one ends") { server.isEnded }
            server = next
            // The control socket and the picture came along.
            picture.revision.index = UInt64(round) + 1
            let receipt = try stage.apply(picture)
            #expect(receipt.failures == [:])
        }
        results.isStopped.withLock { $0 = true }
        try await waitUntil("the questions end") { asker.isEnded }
        #expect(results.counts.withLock { $0.lost } == 0)
        try await server.stop()
    }

    private final class Results: Sendable {
        let counts = Mutex((answered: 0, lost: 0))
        let isStopped = Mutex(false)
    }

    @Test("A take-over that breaks off leaves the older server answering")
    func brokenTakeover() async throws {
        let server = try await RunningServer(stage)
        _ = try stage.apply(Wire.picture(namespacePath: stage.sandbox))
        do {
            let channel = try ControlChannel(socketPath: stage.socketPath)
            _ = try channel.receive(.hello)
            try channel.send(ControlRequest(kind: .takeover))
            let handed = try channel.receive(.handed)
            #expect(handed.descriptors.count == 1)
            for descriptor in handed.descriptors { _ = Descriptor(owning: descriptor) }
            #expect(try stage.ask(Wire.question("web", id: 1), within: 200) == nil, "questions wait meanwhile")
        }
        #expect(try stage.ask(Wire.question("web", id: 2)) != nil)
        try await server.stop()
    }
}
