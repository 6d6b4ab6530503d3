import Cgroups
import ContainerRuntime
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

/// A runtime with directories, control groups and a busybox image of its own; everything goes with it.
final class ContainerFixture: Sendable {
    static let isPossible =
        TestEnvironment.isRoot && TestEnvironment.program("martlet-runtime") != nil
        && BusyboxRoot.isPossible

    let directory: TemporaryDirectory
    let runtime: ContainerRuntime
    let groupName: String

    init(_ name: String) throws {
        directory = try TemporaryDirectory("runtime-\(name)")
        groupName = "martlet-test-" + directory.path.split(separator: "-").last!
        runtime = try Self.runtime(directory)
        try BusyboxRoot.make(
            directory.path("image"), users: "app:x:1000:1001::/home/app:/bin/sh\n",
            groups: "app:x:1001:\nextra:x:77:app\n")
    }

    static func runtime(_ directory: TemporaryDirectory) throws -> ContainerRuntime {
        try ContainerRuntime(
            runtimePath: try #require(TestEnvironment.program("martlet-runtime")),
            dataDirectory: directory.path("data"), runDirectory: directory.path("run"))
    }

    func specification(_ id: String, _ arguments: [String]) throws -> ContainerSpecification {
        for name in ["upper", "work"] { try Files.makeDirectories(directory.path("layers/\(id)/\(name)")) }
        var configuration = ProcessConfiguration(args: arguments)
        configuration.env = ["PATH=/bin"]
        configuration.capabilities = .init(mask: Capability.dockerDefault)
        let process = ProcessSpecification(configuration)
        var specification = ContainerSpecification(
            id: id, process: process,
            root: .overlay(
                lower: [directory.path("image")], upper: directory.path("layers/\(id)/upper"),
                work: directory.path("layers/\(id)/work"), isReadOnly: false),
            hostname: "box", cgroup: groupName + "/" + id,
            log: LogSettings(path: directory.path("data/containers/\(id)/log.json")))
        specification.mounts = ContainerMountList.usual()
        return specification
    }

    /// Runs a shell script to its end: its record and what it wrote.
    func run(
        _ id: String, _ script: String, _ change: (inout ContainerSpecification) -> Void = { _ in }
    ) async throws -> (record: ExitRecord, output: String) {
        try await run(id, arguments: ["/bin/sh", "-c", script], change)
    }

    func run(
        _ id: String, arguments: [String], _ change: (inout ContainerSpecification) -> Void = { _ in }
    ) async throws -> (record: ExitRecord, output: String) {
        var specification = try specification(id, arguments)
        change(&specification)
        _ = try await runtime.create(specification)
        try await runtime.start(id)
        let record = try await runtime.wait(id)
        return (record, try log(id).map(\.text).joined())
    }

    /// Starts a shell script that goes on.
    @discardableResult
    func start(
        _ id: String, _ script: String, _ change: (inout ContainerSpecification) -> Void = { _ in }
    ) async throws -> pid_t {
        var specification = try specification(id, ["/bin/sh", "-c", script])
        change(&specification)
        let pid = try await runtime.create(specification)
        try await runtime.start(id)
        return pid
    }

    func log(_ id: String, suffix: String = "") throws -> [(stream: String, text: String)] {
        let bytes = try Files.read(directory.path("data/containers/\(id)/log.json" + suffix))
        // The last line may be under way.
        let whole = bytes.prefix(bytes.lastIndex(of: 0x0a) ?? 0)
        return try whole.split(separator: 0x0a).map { line in
            let value = try JSONValue(parsing: Array(line))
            return (try #require(value["stream"]?.string), try #require(value["log"]?.string))
        }
    }

    /// Removes every container and the groups that they left; shims that go on hold a directory for a moment.
    func close() async throws {
        for id in (try? Files.list(directory.path("data/containers"))) ?? [] { try? await runtime.delete(id) }
        let groups = try ControlGroups()
        for name in [groupName + "/shims", groupName] {
            let group = groups.group(name)
            try await waitUntil("\(name) is empty") { group.remove() }
        }
    }

    /// The bytes of a connection until the process's end, and its exit code.
    static func drain(_ connection: ProcessConnection) async throws -> (
        output: String, errors: String, code: Int32?
    ) {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        while let frame = try await connection.next() {
            switch frame {
            case .output(let bytes): output += bytes
            case .errorOutput(let bytes): errors += bytes
            case .exit(let code):
                return (String(decoding: output, as: UTF8.self), String(decoding: errors, as: UTF8.self), code)
            }
        }
        return (String(decoding: output, as: UTF8.self), String(decoding: errors, as: UTF8.self), nil)
    }
}

/// Runs `body` with a fixture and takes everything away afterwards.
func withContainers(_ name: String, _ body: (ContainerFixture) async throws -> Void) async throws {
    let fixture = try ContainerFixture(name)
    do {
        try await body(fixture)
    } catch {
        try? await fixture.close()
        throw error
    }
    try await fixture.close()
}

extension Trait where Self == ConditionTrait {
    /// Containers need root, busybox-static and the built martlet-runtime.
    static var containers: Self {
        .enabled(if: ContainerFixture.isPossible, "needs root, busybox-static and martlet-runtime beside the tests")
    }
}
