import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// A daemon that comes back and finds shims that live and cannot be asked. None of them needs a container.
@Suite struct RecoveryTests {
    static let patience: ShimPatience = {
        var patience = ShimPatience()
        patience.answer = .milliseconds(300)
        patience.firstPause = .milliseconds(5)
        patience.longestPause = .milliseconds(40)
        return patience
    }()

    static func runtime(_ directory: TemporaryDirectory) throws -> ContainerRuntime {
        try ContainerRuntime(
            runtimePath: "/nowhere/martlet-runtime", dataDirectory: directory.path("data"),
            runDirectory: directory.path("run"), patience: patience)
    }

    /// Why a shim cannot be asked.
    enum Silence: CaseIterable {
        case hangs, closes, babbles, understandsNothing, isFull, hasNoSocket
    }

    private func silence(_ shim: FakeShim, _ silence: Silence) throws {
        switch silence {
        case .hangs: break
        case .closes: shim.serve([:])
        case .babbles: shim.serve([#"{"state":{}}"#: "what?"])
        case .understandsNothing: shim.serve([#"{"state":{}}"#: #"{"error":"request not understood"}"#])
        // Who left waits there nevertheless.
        case .isFull: _ = try UnixSocket.connect(shim.socket)
        case .hasNoSocket: rename(shim.socket, shim.socket + ".away")
        }
    }

    @Test(arguments: Silence.allCases)
    func aShimThatLivesIsNeverBuried(_ reason: Silence) async throws {
        let directory = try TemporaryDirectory("recovery")
        let shim = try FakeShim(directory, backlog: reason == .isFull ? 0 : 128)
        try silence(shim, reason)
        let runtime = try Self.runtime(directory)
        #expect(await runtime.recover() == [RecoveredContainer(id: "a", state: .unreachable(pid: shim.pid))])
        #expect(await runtime.state("a") == .unreachable(pid: shim.pid))
        // Some attempts later, too.
        try await Task.sleep(for: .milliseconds(500))
        #expect(!Files.exists(shim.record))
        #expect(Files.exists(shim.state))
        #expect(shim.isAlive)
        let error = await #expect(throws: RuntimeError.self) { _ = try await runtime.create(Self.specification("a")) }
        #expect(error?.reason == "container a runs already")
        let refusal = await #expect(throws: RuntimeError.self) { try await runtime.kill("a", signal: SIGTERM) }
        #expect(refusal?.kind == .failed)
        #expect(refusal?.reason.hasPrefix("the shim of container a cannot be reached: ") == true)

        if reason == .hasNoSocket { rename(shim.socket + ".away", shim.socket) }
        shim.serve(shim.running)
        try await waitUntil("it is reached") { await runtime.state("a") == .running(pid: shim.pid) }
        shim.serve(FakeShim.ended(code: 5).merging(shim.running) { $1 })
        #expect(try await runtime.wait("a").code == 5)
        var exits = runtime.exits.makeAsyncIterator()
        #expect(await exits.next()?.record.code == 5)
    }

    static func specification(_ id: String) -> ContainerSpecification {
        ContainerSpecification(
            id: id, process: ProcessSpecification(.init(args: ["true"])),
            root: .directory(path: "/", isReadOnly: true), hostname: "h", cgroup: "martlet-test/" + id,
            log: LogSettings(path: ""))
    }

    /// What a shim says of itself is enough.
    @Test(arguments: [("{", nil), ("{}", "{"), ("{}", "")] as [(String, String?)])
    func unreadableFilesAreNoReasonToDropIt(_ specification: String, _ state: String?) async throws {
        let directory = try TemporaryDirectory("recovery")
        let shim = try FakeShim(directory, state: state, specification: specification)
        shim.serve(shim.running)
        let runtime = try Self.runtime(directory)
        #expect(await runtime.recover() == [RecoveredContainer(id: "a", state: .running(pid: shim.pid))])
        if state != nil { await #expect(throws: RuntimeError.self) { _ = try await runtime.processes("a") } }
        try await Self.expectFollowed(shim, runtime, code: 4)
    }

    /// Its end is taken from the shim, and no record is made before.
    private static func expectFollowed(_ shim: FakeShim, _ runtime: ContainerRuntime, code: Int) async throws {
        // Nothing happens meanwhile, which cannot be waited for.
        try await Task.sleep(for: .milliseconds(200))
        #expect(!Files.exists(shim.record))
        shim.serve(FakeShim.ended(code: code).merging(shim.running) { $1 })
        #expect(try await runtime.wait("a").code == Int32(code))
    }

    /// The connection that waits for its end is lost, and the shim is not.
    @Test func aLostConnectionIsMadeAgain() async throws {
        let directory = try TemporaryDirectory("recovery")
        let shim = try FakeShim(directory)
        shim.serve(shim.running)
        let runtime = try Self.runtime(directory)
        _ = await runtime.recover()
        try await Self.expectFollowed(shim, runtime, code: 6)
    }

    @Test func itsDeathIsSeenWhileItCannotBeReached() async throws {
        let directory = try TemporaryDirectory("recovery")
        let shim = try FakeShim(directory)
        let runtime = try Self.runtime(directory)
        _ = await runtime.recover()
        shim.die()
        #expect(try await runtime.wait("a").code == 137)
        #expect(Files.exists(shim.record))
        try await waitUntil("its files are gone") { !Files.exists(shim.state) && !Files.exists(shim.socket) }
    }

    @Test func hungShimsHoldTheDaemonUpOnce() async throws {
        let directory = try TemporaryDirectory("recovery")
        let hung = try (0..<6).map { try FakeShim(directory, "hung\($0)") }
        let well = try FakeShim(directory, "well")
        well.serve(well.running)
        let runtime = try Self.runtime(directory)
        let begin = ContinuousClock.now
        let found = await runtime.recover()
        #expect(begin.duration(to: .now) < Self.patience.answer * 3)
        let states = Dictionary(uniqueKeysWithValues: found.map { ($0.id, $0.state) })
        #expect(states.count == 7)
        #expect(states["well"] == .running(pid: well.pid))
        for shim in hung { #expect(states[shim.id] == .unreachable(pid: shim.pid)) }
        // Nothing is written any more when the directory goes.
        for shim in hung + [well] {
            shim.die()
            #expect(try await runtime.wait(shim.id).code == 137)
        }
    }

    /// After a restart of the host, and after a shim's death.
    @Test(arguments: [(false, 255), (true, 137)] as [(Bool, Int32)])
    func whatIsDeadIsBuried(_ hasState: Bool, _ code: Int32) async throws {
        let directory = try TemporaryDirectory("recovery")
        let shim = try FakeShim(directory)
        shim.die()
        if !hasState { try Files.removeTree(directory.path("run/containers/a")) }
        let found = await (try Self.runtime(directory)).recover()
        guard case .ended(let record)? = found.first?.state else {
            Issue.record("\(found)")
            return
        }
        #expect(record.code == code)
        #expect(Files.exists(shim.record))
        #expect(!Files.exists(shim.state))
    }
}
