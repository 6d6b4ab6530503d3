import Cgroups
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// The shim by its command line and its socket.
@Suite(.containers) struct ShimTests {
    private static func state(_ box: ContainerFixture, _ id: String) throws -> ShimState {
        try JSONCoding.decode(
            ShimState.self, from: Files.read(box.directory.path("run/containers/\(id)/\(ShimFiles.state)")))
    }

    @Test func aWaitersConnectionEndsWithTheGroup() async throws {
        try await withContainers("group") { box in
            try await box.start("a", "exec sleep 1000")
            let group = ControlGroup(directories: try Self.state(box, "a").cgroups)
            // What is in the group beside the container makes its removal take time.
            let sleep = try #require(TestEnvironment.command("sleep"))
            let null = try Descriptor.open("/dev/null", O_RDWR)
            let others = try (0..<40).map { _ in
                try ChildProcess.spawn(
                    sleep, ["sleep", "1000"], environment: [],
                    descriptors: [null.rawValue, null.rawValue, null.rawValue])
            }
            defer {
                for pid in others {
                    kill(pid, SIGKILL)
                    _ = try? ChildProcess.wait(pid)
                }
            }
            for pid in others { try group.add(pid) }
            let waiter = try box.ask("a", .wait)
            try await box.runtime.kill("a", signal: SIGKILL)
            // Looked at as soon as it ends.
            var text: [UInt8] = []
            while true {
                try #require(ContainerFixture.isReadable(waiter.rawValue, within: 10_000))
                let piece = try Bytes.read(waiter.rawValue, upTo: 1 << 16)
                if piece.isEmpty { break }
                text += piece
            }
            #expect(group.directories.filter { Files.exists($0.path) }.map(\.path) == [])
            #expect(try JSONCoding.decode(ShimAnswer.self, from: text.dropLast()).exit?.code == 137)
            // The record is older than the answer.
            #expect(Files.exists(box.directory.path("data/containers/a/\(ShimFiles.exit)")))
        }
    }

    /// A newer program may write what this one cannot read: that is told by its version.
    @Test func aNewerSpecificationIsRefused() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("data/\(ShimFiles.specification)", #"{"version":99,"process":"a word"}"#)
        let program = try #require(TestEnvironment.program("martlet-runtime"))
        let script = "exec \(program) shim --data \(directory.path("data")) --run \(directory.path("run")) 3>&1"
        let result = try await Command.run(["sh", "-c", script])
        #expect(result.code == 1)
        #expect(result.output.contains("specification version 99 is newer than this runtime"), "\(result)")
    }

    private static func descriptors(_ pid: pid_t) throws -> Set<Int> {
        Set(try Files.list("/proc/\(pid)/fd").compactMap { Int($0) })
    }

    private static func processorTime(_ pid: pid_t) throws -> Duration {
        // Nanoseconds on a processor come first (Documentation/scheduler/sched-stats.rst).
        let text = try Files.text("/proc/\(pid)/schedstat")
        return .nanoseconds(try #require(Int64(text.prefix { $0 != " " })))
    }

    @Test func clientsWithoutADescriptorWaitAndCostNothing() async throws {
        try await withContainers("descriptors") { box in
            try await box.start("a", "exec sleep 1000")
            let shim = try Self.state(box, "a").shimPid
            // Clients take descriptors until there is none free between others.
            var clients: [Int32] = []
            defer { for client in clients { close(client) } }
            var taken = try Self.descriptors(shim)
            while taken.max()! >= taken.count {
                try #require(clients.count < 64)
                clients.append(try box.ask("a", .attach(hasInput: false)).release())
                try #require(ContainerFixture.isReadable(clients.last!, within: 10_000))
                taken = try Self.descriptors(shim)
            }
            let limit = try await Command.run(["prlimit", "--pid=\(shim)", "--nofile=\(taken.count):"])
            try #require(limit.succeeded, "\(limit.errorOutput)")
            let before = try Self.processorTime(shim)
            let second = try box.ask("a", .state)
            #expect(!ContainerFixture.isReadable(second.rawValue, within: 500), "there was a descriptor for it")
            let used = try Self.processorTime(shim) - before
            #expect(used < .milliseconds(50), "the shim worked for \(used) while it could do nothing")
            try #require(try await Command.run(["prlimit", "--pid=\(shim)", "--nofile=1024:"]).succeeded)
            #expect(ContainerFixture.isReadable(second.rawValue, within: 10_000))
        }
    }

    @Test(arguments: [
        (["--data", "/a", "--bogus", "/b"], "unknown option \"--bogus\""), (["--data"], "--data wants a directory"),
        (["--run", "/a"], "--data is missing"), (["--data", "/a"], "--run is missing"),
    ])
    func wrongOptionsAreNamed(words: [String], message: String) async throws {
        let program = try #require(TestEnvironment.program("martlet-runtime"))
        let result = try await Command.run([program, "shim"] + words)
        #expect(result.code == 2)
        #expect(result.errorOutput.hasPrefix("martlet-runtime shim: " + message), "\(result.errorOutput)")
        #expect(result.errorOutput.split(separator: "\n").count == 1)
    }
}
