import Engine
import EngineModel
import Glibc
import LinuxSystem
import TestSupport
import Values

/// An engine over directories and a host network namespace of its own, with one image, `busybox:latest`.
final class EngineFixture {
    let directory: TemporaryDirectory
    let configuration: EngineConfiguration
    private var current: Engine?

    static let isPossible =
        TestEnvironment.isRoot && TestEnvironment.program("martlet-runtime") != nil
        && TestEnvironment.command("busybox") != nil

    var engine: Engine { current! }

    private var namespace: String { directory.path("host") }

    init(_ name: String) async throws {
        directory = try TemporaryDirectory("engine-\(name)")
        try NetworkNamespace.create(at: directory.path("host"))
        try await Command.run(["nsenter", "--net=" + directory.path("host"), "ip", "link", "set", "lo", "up"])
        var configuration = EngineConfiguration(
            dataDirectory: directory.path("data"), runDirectory: directory.path("run"), hostname: "testhost",
            runtimePath: TestEnvironment.program("martlet-runtime")!,
            nameServicePath: TestEnvironment.program("martlet-net"))
        configuration.hostNamespace = directory.path("host")
        // No servers of the machine: names of no network are unknown at once.
        configuration.resolverPath = directory.path("no-resolv.conf")
        self.configuration = configuration
        current = try await Engine(configuration: configuration)
        try await engine.start()
        try await loadImage()
    }

    /// Runs `body` with a fixture and removes everything that it made.
    static func with(_ name: String, _ body: (EngineFixture) async throws -> Void) async throws {
        let fixture = try await EngineFixture(name)
        let result: Result<Void, any Error>
        do {
            try await body(fixture)
            result = .success(())
        } catch { result = .failure(error) }
        await fixture.tearDown()
        try result.get()
    }

    private func tearDown() async {
        if let engine = current {
            for record in await engine.containers() {
                try? await engine.removeContainer(record.id, force: true, removeVolumes: true)
            }
            for network in await engine.networks() { try? await engine.removeNetwork(network.id) }
            await engine.shutdown()
        }
        await endNameService()
        try? NetworkNamespace.remove(namespace)
        directory.remove()
    }

    /// martlet-net outlives engines; this test's is told by its arguments, which name the fixture's directory.
    private func endNameService() async {
        for name in (try? Files.list("/proc")) ?? [] {
            guard let pid = pid_t(name), let arguments = try? Files.read("/proc/\(pid)/cmdline"),
                String(decoding: arguments, as: UTF8.self).contains(directory.path)
            else { continue }
            kill(pid, SIGKILL)
        }
    }

    /// Another engine over the same directories, as after a restart of the daemon.
    func restart() async throws {
        await engine.shutdown()
        current = nil
        // The earlier one's last tasks let go of its directories.
        current = try await waitFor("the directories are free") { [configuration] in
            try? await Engine(configuration: configuration)
        }
        try await engine.start()
    }

    private func loadImage() async throws {
        let root = directory.path("root")
        for name in ["bin", "etc", "tmp", "data", "www"] { try Files.makeDirectories(root + "/" + name) }
        try Files.write(root + "/bin/busybox", try Files.read(TestEnvironment.command("busybox")!), mode: 0o755)
        let applets = [
            "sh", "httpd", "wget", "cat", "sleep", "hostname", "kill", "true", "false", "echo", "ls", "nslookup", "ip",
            "id", "env", "touch", "grep", "dd", "yes", "head", "mount", "pwd", "ps", "[",
        ]
        for applet in applets { symlink("busybox", root + "/bin/" + applet) }
        try Files.write(root + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:7:8::/:/bin/sh\n")
        try Files.write(root + "/data/seed", "from the image\n")
        try Files.write(root + "/www/index.html", "hello from the page\n")
        let layer = directory.path("layer.tar")
        try await tool(["tar", "-C", root, "--owner=0", "--group=0", "--numeric-owner", "-cf", layer, "."])
        let digest = try await tool(["sha256sum", layer]).output.prefix(64)
        let configuration = """
            {"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin","FROM=image"],"Cmd":["sh"],
            "Labels":{"image":"label"}},"rootfs":{"type":"layers","diff_ids":["sha256:\(digest)"]}}
            """
        try directory.write("config.json", configuration)
        try directory.write(
            "manifest.json", #"[{"Config":"config.json","RepoTags":["busybox:latest"],"Layers":["layer.tar"]}]"#)
        let archive = directory.path("image.tar")
        try await tool(["tar", "-C", directory.path, "-cf", archive, "manifest.json", "config.json", "layer.tar"])
        let file = try Descriptor.open(archive, O_RDONLY)
        _ = try await engine.loadImages(from: file.rawValue) { _ in }
    }

    @discardableResult
    private func tool(_ arguments: [String]) async throws -> Command {
        let result = try await Command.run(arguments)
        guard result.succeeded else { throw EngineError(.internalError, "\(arguments): \(result.errorOutput)") }
        return result
    }

    /// What a program of the machine answers in the host's network namespace.
    func onHost(_ arguments: [String]) async throws -> Command {
        try await Command.run(["nsenter", "--net=" + namespace] + arguments, within: .seconds(10))
    }

    // MARK: Containers

    func create(
        _ command: [String], name: String? = nil, _ change: (inout ContainerCreation) -> Void = { _ in }
    ) async throws -> String {
        var creation = ContainerCreation(
            configuration: ContainerConfiguration(), host: HostConfiguration(),
            networking: NetworkingConfiguration())
        creation.configuration.image = "busybox"
        creation.configuration.cmd = CommandLine(command)
        change(&creation)
        return try await engine.createContainer(name: name, creation).id
    }

    func start(
        _ command: [String], name: String? = nil, _ change: (inout ContainerCreation) -> Void = { _ in }
    ) async throws -> String {
        let id = try await create(command, name: name, change)
        try await engine.startContainer(id)
        return id
    }

    /// Runs a command to its end: its exit code and what it wrote.
    func run(
        _ command: [String], _ change: (inout ContainerCreation) -> Void = { _ in }
    ) async throws -> (code: Int32, output: String) {
        let id = try await create(command, change)
        let end = try await engine.wait(for: id, condition: .nextExit)
        try await engine.startContainer(id)
        let code = try await end.result().exitCode
        return (code, try await logs(id))
    }

    func logs(_ id: String, _ options: LogOptions = LogOptions()) async throws -> String {
        var bytes: [UInt8] = []
        for try await frame in try await engine.logs(id, options) { bytes += frame.bytes }
        return String(decoding: bytes, as: UTF8.self)
    }

    func exec(_ id: String, _ command: [String], input: String? = nil) async throws -> (code: Int32, output: String) {
        var configuration = ExecConfiguration()
        configuration.cmd = CommandLine(command)
        configuration.attachStdout = true
        configuration.attachStderr = true
        configuration.attachStdin = input != nil
        let exec = try await engine.createExec(id, configuration)
        let stream = try await engine.startExec(exec)
        if let input {
            try await stream.write(Array(input.utf8))
            await stream.closeInput()
        }
        var output: [UInt8] = []
        while let frame = try await stream.read() {
            switch frame {
            case .output(let bytes), .errorOutput(let bytes): output += bytes
            case .exit(let code): return (code, String(decoding: output, as: UTF8.self))
            }
        }
        throw EngineError(.internalError, "the stream ended without an exit code")
    }

    /// The error that `body` throws.
    func refusal(_ body: () async throws -> Void) async -> EngineError? {
        do { try await body() } catch { return error as? EngineError }
        return nil
    }
}
