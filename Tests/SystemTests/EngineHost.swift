import EngineClient
import Glibc
import JSON
import Lab
import LinuxSystem
import TestSupport
import Testing
import Values

/// Scenarios on one host that is in no swarm, driven as people drive it. One lab at a time: they share two processors.
@Suite(.serialized, .enabled(if: TestEnvironment.isRoot, "labs need root"))
struct EngineSystemTests {}

/// A lab of one host with an image, and the clients that drive it.
struct EngineHost: Sendable {
    /// The image that every lab has: busybox with all its names, as root, with `sh` as its command.
    static let image = "box:1"
    static let name = "h1"

    /// The directory of the programs under test: `MARTLET_BIN`, or where the test bundle lies.
    static let programs: String? = {
        let directory = getenv("MARTLET_BIN").map { String(cString: $0) } ?? TestEnvironment.buildDirectory
        let all = ["martlet", "martletd", "martlet-net", "martlet-runtime"]
        return all.allSatisfy { access(directory + "/" + $0, X_OK) == 0 } ? directory : nil
    }()
    static let isPossible = programs != nil && TestEnvironment.command("busybox") != nil
    static let isDriven = isPossible && DockerCLI.installed != nil
    static let hasDockerPy = isPossible && DockerPy.python != nil

    static let possibleReason: Comment = "needs busybox and the programs (scripts/build, or MARTLET_BIN)"
    static let drivenReason: Comment =
        "needs the docker CLI (scripts/setup --tests), busybox and the programs (scripts/build)"
    static let dockerPyReason: Comment = "needs docker-py (scripts/setup --tests), busybox and the programs"

    let lab: RunningLab
    let files: TemporaryDirectory
    let address: IPAddress
    let underlay: IPAddress
    let client: EngineClient
    private let environment: [String]

    /// Makes a lab with the image, and takes it down after `body`.
    static func with(_ purpose: String, _ body: (EngineHost) async throws -> Void) async throws {
        let configuration = LabConfiguration(
            name: "e\(getpid())-\(purpose)", hosts: [LabConfiguration.Host(name: name)],
            underlay: .init(ipv4: CIDR("10.83.0.0/24")!, ipv6: CIDR("fd83::/64")!))
        var traces = LabTraces(of: configuration.name)
        let lab = try await RunningLab.up(
            configuration, options: LabOptions(formsSwarm: false, programs: programs))
        do {
            let host = try EngineHost(lab)
            try await host.load(TestImage.base(named: image), as: "base.tar")
            try await body(host)
            traces.note()
        } catch {
            print("the daemon's log:\n" + ((try? lab.log(name, limit: 4 << 10)) ?? ""))
            try? await lab.down()
            throw error
        }
        try await lab.down()
        #expect(traces.notedNetworks > 1)
        #expect(try await traces.left() == [])
    }

    private init(_ lab: RunningLab) throws {
        self.lab = lab
        files = try TemporaryDirectory("system")
        let host = try lab.host(Self.name)
        address = host.address
        underlay = try lab.underlayAddresses().v4
        client = try lab.client(Self.name)
        environment = ["DOCKER_HOST=unix://\(host.socketPath)", "DOCKER_CONFIG=\(files.path("client"))"]
    }

    // MARK: Clients

    /// The docker CLI's own, for what depends on its version.
    var cli: DockerCLI {
        get throws { try #require(DockerCLI.installed) }
    }

    /// The docker CLI, however it ends.
    func attempt(
        _ arguments: [String], input: [UInt8] = [], within limit: Duration = .seconds(60)
    ) async throws -> Command {
        try await Command.run(["docker"] + arguments, input: input, environment: environment, within: limit)
    }

    /// The docker CLI, which must succeed; what it printed, without the last line feed.
    @discardableResult
    func docker(
        _ arguments: String..., input: [UInt8] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let done = try await attempt(arguments, input: input)
        #expect(
            done.succeeded, "docker \(arguments): \(done.code) \(done.errorOutput)", sourceLocation: sourceLocation)
        return done.output.trimmed
    }

    /// `docker run --rm` with options, the image and a shell script.
    func run(_ options: [String], _ script: String) async throws -> Command {
        try await attempt(["run", "--rm"] + options + [Self.image, "sh", "-c", script])
    }

    /// The same, which must succeed; its output without the last line feed.
    func output(
        _ options: [String], _ script: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let done = try await run(options, script)
        #expect(done.succeeded, "\(script): \(done.code) \(done.errorOutput)", sourceLocation: sourceLocation)
        return done.output.trimmed
    }

    /// `docker inspect` of one value.
    func inspect(_ name: String, _ template: String) async throws -> String {
        try await docker("inspect", "-f", "{{\(template)}}", name)
    }

    /// A python program with `client`, docker-py's, and every name of `docker`.
    func python(_ program: String) async throws -> Command {
        try await Command.run(
            [
                try #require(DockerPy.python), "-c",
                "import docker, socket, sys\nclient = docker.from_env(timeout=30)\n" + program,
            ],
            environment: environment)
    }

    /// Another program that talks to the host: `martlet`, `script`.
    func command(_ arguments: [String]) async throws -> Command {
        try await Command.run(arguments, environment: environment)
    }

    /// Waits until what `docker inspect` shows is `value`.
    func waitFor(_ name: String, _ template: String, _ value: String, within limit: Duration = .seconds(20))
        async throws
    {
        try await waitUntil("\(template) of \(name) is \(value)", within: limit, every: .milliseconds(100)) {
            try await attempt(["inspect", "-f", "{{\(template)}}", name]).output.trimmed == value
        }
    }

    // MARK: The host

    /// A program on the host, or on the underlay.
    func exec(on host: String = name, _ command: String...) async throws -> (code: Int32, output: String) {
        let done = try await lab.exec(on: host, command)
        return (done.code, String(decoding: done.output, as: UTF8.self).trimmed)
    }

    /// Loads an archive.
    @discardableResult
    func load(_ archive: [UInt8], as file: String) async throws -> String {
        try Files.write(files.path(file), archive)
        let response = try await client.perform(
            "POST", "/images/load", body: .bytes(archive, contentType: "application/x-tar"))
        return String(decoding: try await response.bytes(), as: UTF8.self)
    }

    /// Every path of the image store, and the host's mounts: what a refusal must leave as it was.
    func traces() async throws -> [String] {
        let store = try await exec(
            "find", "/var/lib/martlet/images", "/var/lib/martlet/tmp", "/var/lib/martlet/containers")
        return (store.output + "\n" + (try await exec("cat", "/proc/mounts").output)).split(separator: "\n").map(
            String.init
        )
        .sorted()
    }
}

extension String {
    var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
