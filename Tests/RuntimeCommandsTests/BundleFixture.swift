import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// Bundles with a busybox root, and the runtime's command line with a state directory of its own.
///
/// The runtime is `martlet-runtime` beside the tests, or what MARTLET_TEST_RUNTIME names.
public final class BundleFixture: Sendable {
    /// The runtime that is tested; nil where there is none.
    public static let program: String? =
        getenv("MARTLET_TEST_RUNTIME").map { String(cString: $0) } ?? TestEnvironment.program("martlet-runtime")
    public static let isPossible = TestEnvironment.isRoot && program != nil && BusyboxRoot.isPossible

    public let directory: TemporaryDirectory
    /// Containers' groups lie beneath it: `linux.cgroupsPath` is `/GROUP/ID`.
    public let groupName: String

    public init(_ name: String) throws {
        directory = try TemporaryDirectory("commands-\(name)")
        groupName = "martlet-test-commands-" + directory.path.split(separator: "-").last!
        // Root of a user namespace is a stranger here.
        chmod(directory.path, 0o755)
        try Files.makeDirectories(stateRoot, mode: 0o711)
    }

    /// What `--root` is.
    public var stateRoot: String { directory.path("state") }
    public func bundle(_ id: String) -> String { directory.path("bundles/" + id) }
    /// A path of the host in the container's root.
    public func inRoot(_ id: String, _ path: String) -> String { bundle(id) + "/rootfs" + path }

    // MARK: Bundles

    /// Makes a bundle whose process is `arguments`.
    @discardableResult
    public func prepare(
        _ id: String, _ arguments: [String], _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }
    ) throws -> String {
        try BusyboxRoot.make(inRoot(id, ""), directories: ["/proc", "/sys", "/dev", "/data"])
        var configuration = defaultConfiguration(id, arguments)
        try change(&configuration)
        try Files.write(bundle(id) + "/config.json", JSONCoding.encode(configuration))
        return bundle(id)
    }

    /// The same for a shell script.
    @discardableResult
    public func prepare(
        _ id: String, _ script: String, _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }
    ) throws -> String {
        try prepare(id, ["/bin/sh", "-c", script], change)
    }

    /// Changes a bundle's `config.json` as text: also to what no configuration can be.
    public func rewrite(_ id: String, _ change: (inout JSONValue) throws -> Void) throws {
        let path = bundle(id) + "/config.json"
        var value = try JSONValue(parsing: Files.read(path))
        try change(&value)
        try Files.write(path, value.serialized())
    }

    // MARK: Commands

    /// Runs a command of the runtime to its end: `--root` goes before `words`.
    ///
    /// - Parameters:
    ///   - options: further options of the runtime itself.
    ///   - descriptors: what the runtime has from descriptor 3 on.
    ///   - limit: after it the runtime is killed and the code is 137.
    @discardableResult
    public func runtime(
        _ words: [String], options: [String] = [], input: String = "", environment: [String] = [],
        descriptors: [Int32] = [], within limit: Duration = .seconds(20)
    ) async throws -> CommandResult {
        let program = try #require(Self.program)
        return try await CommandResult.run(
            [program, "--root", stateRoot] + options + words, in: directory, input: input, environment: environment,
            descriptors: descriptors, within: limit)
    }

    @discardableResult
    public func command(_ words: String...) async throws -> CommandResult { try await runtime(words) }

    /// The same where it must succeed.
    @discardableResult
    public func succeed(
        _ words: String..., input: String = "", location: SourceLocation = #_sourceLocation
    ) async throws -> CommandResult {
        let result = try await runtime(words, input: input)
        try #require(result.code == 0, "\(words): \(result)", sourceLocation: location)
        return result
    }

    /// Prepares a bundle and runs it to its end in the foreground.
    public func run(
        _ id: String, _ script: String, flags: [String] = [],
        _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }
    ) async throws -> CommandResult {
        let bundle = try prepare(id, script, change)
        return try await runtime(["run", "--bundle", bundle] + flags + [id])
    }

    /// Prepares a bundle and creates its container.
    @discardableResult
    public func create(
        _ id: String, _ script: String = "exec sleep 1000", flags: [String] = [],
        _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }, location: SourceLocation = #_sourceLocation
    ) async throws -> CommandResult {
        let bundle = try prepare(id, script, change)
        let result = try await runtime(["create", "--bundle", bundle] + flags + [id])
        try #require(result.code == 0, "create: \(result)", sourceLocation: location)
        return result
    }

    /// Creates a container and starts it.
    ///
    /// - Returns: its first process.
    @discardableResult
    public func launch(
        _ id: String, _ script: String = "exec sleep 1000", flags: [String] = [],
        _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }, location: SourceLocation = #_sourceLocation
    ) async throws -> pid_t {
        try await create(id, script, flags: flags, change, location: location)
        try await succeed("start", id, location: location)
        return try await pid(id)
    }

    /// Runs a shell script in a running container.
    public func exec(_ id: String, _ script: String, flags: [String] = []) async throws -> CommandResult {
        try await runtime(["exec"] + flags + [id, "/bin/sh", "-c", script])
    }

    // MARK: States

    public func state(_ id: String, location: SourceLocation = #_sourceLocation) async throws -> JSONValue {
        try JSONValue(parsing: Array(await succeed("state", id, location: location).output.utf8))
    }

    public func pid(_ id: String) async throws -> pid_t { pid_t(try #require(try await state(id)["pid"]?.integer)) }

    public func waitStatus(_ id: String, _ status: String) async throws {
        try await waitUntil("\(id) is \(status)") { try await state(id)["status"]?.string == status }
    }

    public func waitFile(_ path: String) async throws {
        try await waitUntil("\(path) is there") { Files.exists(path) }
    }

    /// Kills the first process and waits for the end.
    public func stop(_ id: String) async throws {
        try await succeed("kill", id, "KILL")
        try await waitStatus(id, "stopped")
    }

    // MARK: The end

    /// Deletes every container that is left, and checks that nothing of it stays.
    public func close() async throws {
        for id in (try? Files.list(stateRoot)) ?? [] { try await command("delete", "--force", id) }
        for id in (try? Files.list(directory.path("bundles"))) ?? [] { try await expectNothingLeft(id) }
        removeGroups()
    }

    /// Checks that a container has no state directory, group, mount and process.
    public func expectNothingLeft(_ id: String, location: SourceLocation = #_sourceLocation) async throws {
        let limit = ContinuousClock.now + .seconds(5)
        while !traces(of: id).isEmpty, ContinuousClock.now < limit { try await Task.sleep(for: .milliseconds(20)) }
        #expect(traces(of: id) == [], sourceLocation: location)
    }
}

/// Runs `body` with a fixture and takes everything away afterwards.
func withBundles(_ name: String, _ body: (BundleFixture) async throws -> Void) async throws {
    let fixture = try BundleFixture(name)
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
    static var bundles: Self {
        .enabled(if: BundleFixture.isPossible, "needs root, busybox-static and martlet-runtime beside the tests")
    }
}
