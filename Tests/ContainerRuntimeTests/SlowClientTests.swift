import Cgroups
import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

@testable import ContainerShim

/// Clients that do not take what they get, or go before they have.
struct SlowClientTests {
    /// All that there is to read now.
    private static func drain(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 {}
    }

    private static func turn(_ loop: EventLoop) throws {
        var turns = 1
        try loop.run {
            defer { turns -= 1 }
            return turns > 0
        }
    }

    @Test func oneTimerIsForAllThatStall() throws {
        let specification = ContainerSpecification(
            id: "a", process: ProcessSpecification(ProcessConfiguration(args: [])),
            root: .directory(path: "/", isReadOnly: false), hostname: "", cgroup: "a", log: LogSettings(path: ""))
        let shim = Shim(
            ContainerFacts(specification), group: ControlGroup(directories: []),
            try ShimOptions(["--data", "/none", "--run", "/none"]))
        var ends: [Int32] = []
        defer {
            for client in shim.clients.values { client.close() }
            for end in ends { close(end) }
        }
        for _ in 0..<2 {
            let (own, other) = try UnixSocket.pair()
            ends.append(other)
            let client = ShimClient(own, loop: shim.loop)
            shim.take(client)
            shim.handle(.attach(hasInput: false), from: client)
        }
        let piece = [UInt8](repeating: 0x61, count: ShimLimits.payload)
        func fill() { while piece.withUnsafeBytes({ shim.takeContainerOutput(ShimFrame.output, $0) }) {} }
        for _ in 0..<50 {
            fill()
            try #require(shim.loop.timers.count == 1)
            for end in ends { Self.drain(end) }
            try Self.turn(shim.loop)
        }
        #expect(shim.watchers.count == 2, "a slow one was let go")
        // One that takes nothing at all is.
        fill()
        let (begin, slow) = (Clock.sinceBoot(), shim.watchers[1])
        while shim.watchers.count == 2, Clock.sinceBoot() - begin < 5_000_000_000 {
            Self.drain(ends[1])
            try Self.turn(shim.loop)
        }
        #expect(shim.watchers.count == 1 && shim.watchers.first === slow)
        #expect(shim.loop.timers.isEmpty)
    }

    /// A client of `exec` for which the shim holds as much as it does for anybody.
    private static func full(
        _ box: ContainerFixture, _ arguments: [String]
    ) async throws -> ProcessConnection {
        try await box.start("a", "exec sleep 1000")
        let shim = try box.shim("a")
        let process = try box.specification("x", arguments).process
        let connection = try await box.runtime.exec("a", execID: "e", process)
        var before: UInt64 = 0
        try await waitUntil("the shim reads no more", every: .milliseconds(100)) {
            let now = try ContainerFixture.field("rchar", "/proc/\(shim)/io")
            defer { before = now }
            return now > 4 << 20 && now == before
        }
        return connection
    }

    @Test(.containers) func anExecGoesOnWithoutItsClient() async throws {
        try await withContainers("left") { box in
            let connection = try await Self.full(box, ["/bin/sh", "-c", "yes | head -c 20000000; touch /done"])
            #expect(!Files.exists(box.directory.path("layers/a/upper/done")))
            connection.close()
            try await waitUntil("it has gone on") { Files.exists(box.directory.path("layers/a/upper/done")) }
            try await box.asleep("a")
        }
    }

    @Test(.containers) func anExecThatEndedIsForgottenWithItsClient() async throws {
        try await withContainers("over") { box in
            let connection = try await Self.full(box, ["/bin/yes"])
            kill(connection.pid, SIGKILL)
            try await waitUntil("it is reaped") { !Files.exists("/proc/\(connection.pid)") }
            connection.close()
            try await box.asleep("a")
        }
    }

    /// What a client wrote before it left comes through, also where it took nothing of the output.
    @Test(.containers) func inputThatWaitsIsNotLost() async throws {
        try await withContainers("held") { box in
            var specification = try box.specification(
                "a",
                [
                    "/bin/sh", "-c",
                    "trap go=1 USR1; yes $(printf %01000d 0) | head -n 1000; echo full >&2; "
                        + "while [ -z $go ]; do usleep 10000; done; wc -c",
                ])
            specification.process.hasInput = true
            specification.process.closesInputAfterFirstClient = true
            _ = try await box.runtime.create(specification)
            let count = 400_000
            do {
                let client = try box.ask("a", .attach(hasInput: true))
                try await box.runtime.start("a")
                try await waitUntil("the output is there") { try box.log("a").count == 1001 }
                try Bytes.writeAll(client.rawValue, [UInt8](repeating: 0x61, count: count))
            }
            try await box.runtime.kill("a", signal: SIGUSR1)
            #expect(try await box.runtime.wait("a").code == 0)
            let seen = try #require(try box.log("a").last?.text)
            #expect(seen == "\(count)\n")
        }
    }
}
