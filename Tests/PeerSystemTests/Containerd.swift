import Glibc
import LinuxSystem
import TestSupport
import Testing

/// A containerd with directories of its own, driven by ctr. Its shim calls the runtime under test.
struct Containerd: Sendable {
    static let programs = ["containerd", "containerd-shim-runc-v2", "ctr"]
    static let isPossible = PeerRuntime.canBeDriven(by: programs)

    let traces: PeerTraces
    private let daemon: PeerDaemon
    private let namespace: String

    private init(_ traces: PeerTraces) throws {
        self.traces = traces
        let directory = traces.directory
        namespace = traces.groups.name
        let configuration = try directory.write(
            "config.toml",
            """
            version = 2
            root = "\(directory.path("root"))"
            state = "\(directory.path("state"))"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
              address = "\(directory.path("socket"))"
            [ttrpc]
              address = "\(directory.path("ttrpc"))"
            [debug]
              address = "\(directory.path("debug"))"
            """)
        daemon = try PeerDaemon(["containerd", "--config", configuration], log: directory.path("log"))
    }

    /// Hands out a daemon that has the image; nothing of it may stay.
    static func with(_ purpose: String, _ body: (Containerd) async throws -> Void) async throws {
        let directory = try TemporaryDirectory("containerd")
        let groups = PeerGroups("containerd-" + purpose)
        let containerd = try Containerd(
            PeerTraces(directory: directory, groups: groups, states: directory.path("runtime/" + groups.name)))
        do {
            try await containerd.daemon.started { try await containerd.attempt(["version"]).succeeded }
            try await containerd.succeed(["image", "import", PeerImage.write(into: directory)])
            try await body(containerd)
            try await containerd.removeAll()
            try await containerd.traces.areGone(except: [containerd.daemon.pid])
        } catch {
            print("containerd's log:\n" + containerd.daemon.log)
            try? await containerd.removeAll()
            await containerd.daemon.stop()
            await containerd.traces.clear()
            throw error
        }
        await containerd.daemon.stop()
        await containerd.traces.clear()
    }

    /// Where the runtime keeps the containers' state.
    var runtimeRoot: String { traces.directory.path("runtime/" + traces.groups.name) }

    func attempt(
        _ arguments: [String], input: [UInt8] = [], within limit: Duration = .seconds(30)
    ) async throws -> Command {
        try await Command.run(client + arguments, input: input, within: limit)
    }

    /// The output, trimmed; a failure is an error.
    @discardableResult
    func succeed(_ arguments: [String]) async throws -> String {
        let done = try await attempt(arguments)
        guard done.succeeded else { throw PeerFailure(command: client + arguments, done) }
        return done.output.trimmed
    }

    /// Runs a container to its end and removes it.
    func run(_ options: [String] = [], _ program: [String]) async throws -> Command {
        try await attempt(["run", "--rm"] + self.options("once") + options + [Self.image, "once"] + program)
    }

    /// What a shell in a container prints; a failure is an error.
    func output(_ options: [String] = [], _ script: String) async throws -> String {
        let done = try await run(options, ["sh", "-c", script])
        guard done.succeeded else { throw PeerFailure(command: [script], done) }
        return done.output.trimmed
    }

    /// Starts a container that runs on, with a log.
    func start(_ container: String, _ options: [String] = [], _ script: String) async throws {
        try await succeed(
            ["run", "-d", "--log-uri", "file://" + logPath(container)] + self.options(container) + options
                + [Self.image, container, "sh", "-c", script])
    }

    func log(_ container: String) -> String { (try? Files.text(logPath(container))) ?? "" }

    /// The number and the state of a container's process, as `task ls` tells them.
    func task(_ container: String) async throws -> (pid: pid_t, state: String)? {
        for line in try await succeed(["task", "ls"]).split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
            if fields.count == 3, fields[0] == container, let pid = pid_t(fields[1]) { return (pid, fields[2]) }
        }
        return nil
    }

    func pid(_ container: String) async throws -> pid_t {
        guard let task = try await task(container) else { throw PeerFailure("\(container) has no task") }
        return task.pid
    }

    /// Waits until the container's process has ended, and removes both.
    ///
    /// - Returns: the exit code.
    @discardableResult
    func remove(_ container: String) async throws -> Int32 {
        try await waitUntil("\(container) has ended") { try await task(container)?.state == "STOPPED" }
        let done = try await attempt(["task", "rm", container])
        try await succeed(["container", "rm", container])
        // ctr warns of any other code than 0 with these words, and ends with 0.
        let told = done.errorOutput.split(separator: "exit code ", maxSplits: 1)
        return told.count == 2 ? Int32(told[1].prefix(while: \.isNumber)) ?? -1 : done.code
    }

    /// Runs it on a terminal of 33 rows and 99 columns.
    func onTerminal(_ arguments: [String]) async throws -> Command { try await TerminalSession.run(client + arguments) }

    /// Options of `run` for a container of that name.
    func options(_ container: String) -> [String] {
        [
            "--runc-binary", PeerRuntime.path ?? "", "--runc-root", traces.directory.path("runtime"),
            "--cgroup", "/\(traces.groups.name)/\(container)",
        ]
    }

    static let image = "docker.io/library/" + PeerImage.name

    private var client: [String] { ["ctr", "--address", traces.directory.path("socket"), "--namespace", namespace] }

    private func logPath(_ container: String) -> String { traces.directory.path(container + ".log") }

    private func removeAll() async throws {
        for container in try await attempt(["container", "ls", "-q"]).lines {
            _ = try await attempt(["task", "resume", container])
            _ = try await attempt(["task", "rm", "-f", container])
            try await succeed(["container", "rm", container])
        }
    }
}
