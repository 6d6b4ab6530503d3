import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// A creation that fails, or is killed, leaves nothing.
@Suite(.bundles, .serialized) struct FaultTests {
    /// The names of the steps, as the runtime's source has them: a new one is tested with no more ado.
    static let steps: [String] = {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        // Where tests were carried to (scripts/carry) it lies beside them.
        let places = [root + "/Sources/Containment", TestEnvironment.buildDirectory]
        let text = places.lazy.compactMap { try? Files.text($0 + "/FaultPoint.swift") }.first ?? ""
        let lines = text.split(separator: "\n").map { $0.drop { $0 == " " } }
        let cases = lines.drop { !$0.hasPrefix("public enum FaultPoint") }.prefix { $0 != "}" }
        return cases.filter { $0.hasPrefix("case ") }.flatMap { line in
            line.dropFirst(5).split(separator: ",").map { String($0.drop { $0 == " " }) }
        }
    }()

    @Test func `the steps are known`() {
        #expect(Set(Self.steps).isSuperset(of: ["stateDirectory", "groups", "clone", "mapping", "pivot", "handover"]))
    }

    /// How a container comes to be, which decides who undoes what.
    enum Making: String, CaseIterable, CustomTestStringConvertible {
        /// In the runtime's user namespace, or in a new one.
        case plain, user
        /// By a process in between, which makes a time namespace too.
        case staged
        /// By `run`, in a new user namespace.
        case foreground

        var testDescription: String { rawValue }
        var command: String { self == .foreground ? "run" : "create" }
        var hasUser: Bool { self != .plain }
    }

    /// A container that takes every step: a user namespace, hooks, a filter, a terminal for a socket.
    private static func prepare(_ fixture: BundleFixture, _ making: Making) throws -> String {
        try fixture.prepare("c", "exec sleep 1000") {
            if making.hasUser { $0.mapUsers(100_000) }
            if making == .staged { $0.add(.time) }
            $0.process?.terminal = true
            var hooks = RuntimeConfiguration.Hooks()
            let hook = RuntimeConfiguration.Hook(path: "/bin/true")
            hooks.prestart = [hook]
            hooks.createRuntime = [hook]
            hooks.createContainer = [hook]
            hooks.startContainer = [hook]
            $0.hooks = hooks
            var filter = SeccompConfiguration(defaultAction: .allow)
            filter.syscalls = [.init(["mkdir"], .errno, errnoRet: 28)]
            $0.linux?.seccomp = filter
            $0.mount(fixture.directory.path, "/data", ["bind"])
        }
    }

    /// Every step of every making: without a user namespace there are no identifiers to map, with one the first process
    /// makes its network namespace itself.
    static let faults: [(step: String, making: Making)] = Making.allCases.flatMap { making in
        steps.filter { $0 != (making.hasUser ? "network" : "mapping") }.map { ($0, making) }
    }

    @Test(arguments: faults)
    func `a fault at a step undoes those before it (runtime.md: Create)`(step: String, making: Making) async throws {
        try await withBundles("fault") { fixture in
            let bundle = try Self.prepare(fixture, making)
            let socket = fixture.directory.path("console")
            let listener = try UnixSocket.listen(socket)
            #expect(listener.rawValue >= 0)
            let pidFile = fixture.directory.path("pid")
            let flags = ["--bundle", bundle, "--console-socket", socket, "--pid-file", pidFile]
            let result = try await fixture.runtime(
                [making.command] + flags + ["c"], environment: ["MARTLET_FAIL_AT=" + step])
            #expect(result.code == 1, "\(result)")
            #expect(result.errors.contains("failed on purpose at step \(step)"), "\(result)")
            #expect(owner(pidFile) == nil && owner(pidFile + ".tmp") == nil)
            // Compiled filters are kept for all containers.
            #expect(try Files.list(fixture.stateRoot).filter { !$0.hasPrefix(":") } == [])
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(arguments: Making.allCases) func `the same container without a fault is made`(making: Making) async throws {
        try await withBundles("nofault") { fixture in
            let socket = fixture.directory.path("console")
            let listener = try UnixSocket.listen(socket)
            #expect(listener.rawValue >= 0)
            try await fixture.succeed(
                "create", "--bundle", Self.prepare(fixture, making), "--console-socket", socket, "c")
            try await fixture.succeed("start", "c")
            try await fixture.stop("c")
        }
    }

    @Test(arguments: ["createRuntime", "createContainer"])
    func `delete --force takes away what a killed creation left`(name: String) async throws {
        try await withBundles("killed") { fixture in
            let mark = fixture.directory.path("hook")
            let bundle = try fixture.prepare("c", "true") {
                var hooks = RuntimeConfiguration.Hooks()
                let hook = RuntimeConfiguration.Hook(
                    path: "/bin/sh",
                    args: ["sh", "-c", "echo $$ > \(mark).tmp; mv \(mark).tmp \(mark); exec sleep 600"])
                if name == "createRuntime" { hooks.createRuntime = [hook] } else { hooks.createContainer = [hook] }
                $0.hooks = hooks
            }
            let program = try #require(BundleFixture.program)
            let creation = try StartedCommand(
                [program, "--root", fixture.stateRoot, "create", "--bundle", bundle, "c"], in: fixture.directory)
            try await fixture.waitFile(mark)
            try await creation.stop()
            let hook = pid_t(try Files.text(mark).split(separator: "\n").first ?? "")
            // A hook of the runtime is the host's process; that of the container ends with it.
            if name == "createRuntime", let hook { kill(hook, SIGKILL) }
            #expect(fixture.traces(of: "c").contains { $0.hasPrefix("group ") })
            let status = try await fixture.state("c")["status"]
            #expect(status == "creating" || status == "stopped")
            try await fixture.succeed("delete", "--force", "c")
            try await fixture.expectNothingLeft("c")
            // The identifier is free again.
            try fixture.prepare("c", "true")
            try await fixture.succeed("run", "--bundle", bundle, "c")
        }
    }

    @Test func `of two creates of one identifier one wins`() async throws {
        try await withBundles("race") { fixture in
            let bundle = try fixture.prepare("c", "exec sleep 1000")
            let program = try #require(BundleFixture.program)
            for _ in 0..<5 {
                let words = [program, "--root", fixture.stateRoot, "create", "--bundle", bundle, "c"]
                let first = try StartedCommand(words, in: fixture.directory)
                let second = try StartedCommand(words, in: fixture.directory)
                let results = [try await first.end(), try await second.end()].sorted { $0.code < $1.code }
                try #require(results.map(\.code) == [0, 1], "\(results)")
                #expect(results[1].errors.contains("already exists"), "\(results[1])")
                let status = try await fixture.state("c")["status"]
                #expect(status == "created")
                try await fixture.succeed("delete", "--force", "c")
                try await fixture.expectNothingLeft("c")
            }
        }
    }
}
