import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// A `BundleFixture` whose runtime is run by an ordinary user, whom only the commands' own `/etc` knows: each command
/// has a mount namespace in which files of the test lie over those of the machine.
struct RootlessFixture {
    /// A number that no machine gives to anybody (systemd's list of UIDs and GIDs).
    static let nobodys: UInt32 = 65_530
    /// Its subordinate identifiers (subuid(5)).
    static let subordinate: ClosedRange<UInt32> = 3_000_000_000...3_000_065_535

    static let isPossible = BundleFixture.isPossible && canMakeNamespaces
    /// newuidmap(1) and newgidmap(1).
    static let hasHelpers = ["newuidmap", "newgidmap"].allSatisfy { Files.exists("/usr/bin/" + $0) }

    private static var canMakeNamespaces: Bool {
        guard TestEnvironment.command("setpriv") != nil, TestEnvironment.command("unshare") != nil else {
            return false
        }
        let words = identity(nobodys) + ["unshare", "--user", "true"]
        return (try? Command.runBlocking(words, within: .seconds(10)).code) == 0
    }

    private static func identity(_ user: UInt32) -> [String] {
        ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "--inh-caps=-all"]
    }

    let bundles: BundleFixture
    /// The user's number, and that of its group.
    let user: UInt32
    /// `XDG_RUNTIME_DIR`.
    let runtimeDirectory: String
    /// The runtime, where the user may run it.
    let program: String

    private init(_ bundles: BundleFixture, _ user: UInt32, runtimeDirectory: String?) throws {
        self.bundles = bundles
        self.user = user
        self.runtimeDirectory = runtimeDirectory ?? bundles.directory.path("run")
        // The build may lie where only root may look.
        program = bundles.directory.path("martlet-runtime")
        try Files.write(program, Files.read(#require(BundleFixture.program), limit: 1 << 30), mode: 0o755)
        let lines = [
            "passwd": "rootless:x:\(user):\(user)::\(bundles.directory.path):/bin/sh\n",
            "group": "rootless:x:\(user):\n",
        ]
        for (name, line) in lines {
            try bundles.directory.write("etc/" + name, line + ((try? Files.text("/etc/" + name)) ?? ""))
        }
        for name in ["subuid", "subgid"] {
            try bundles.directory.write(
                "etc/" + name, "rootless:\(Self.subordinate.lowerBound):\(Self.subordinate.count)\n")
        }
        chmod(bundles.directory.path("etc"), 0o755)
        for directory in [self.runtimeDirectory, home] { try Files.makeDirectories(directory, mode: 0o700) }
        for directory in [self.runtimeDirectory, home, bundles.stateRoot] { chown(directory, user, user) }
    }

    var home: String { bundles.directory.path("home") }

    /// Runs `body` with a fixture and takes everything away afterwards.
    ///
    /// - Parameters:
    ///   - user: who it is.
    ///   - runtimeDirectory: `XDG_RUNTIME_DIR`; nil makes one.
    static func with(
        _ name: String, user: UInt32 = nobodys, runtimeDirectory: String? = nil,
        _ body: (RootlessFixture) async throws -> Void
    ) async throws {
        try await withBundles("user" + name) {
            try await body(RootlessFixture($0, user, runtimeDirectory: runtimeDirectory))
        }
    }

    // MARK: Commands

    /// Runs any command as the user, in `/`.
    func command(
        _ words: [String], input: String = "", within limit: Duration = .seconds(30)
    ) async throws -> CommandResult {
        let script = "mount -t overlay -o \"lowerdir=$1:/etc\" overlay /etc && cd / && shift && exec \"$@\""
        return try await CommandResult.run(
            ["unshare", "--mount", "/bin/sh", "-c", script, "sh", bundles.directory.path("etc")] + Self.identity(user)
                + ["env", "XDG_RUNTIME_DIR=" + runtimeDirectory] + words,
            in: bundles.directory, input: input, within: limit)
    }

    func runtime(
        _ words: [String], input: String = "", within limit: Duration = .seconds(30)
    ) async throws -> CommandResult {
        try await command([program, "--root", bundles.stateRoot] + words, input: input, within: limit)
    }

    /// The same where it must succeed.
    @discardableResult
    func succeed(_ words: String..., location: SourceLocation = #_sourceLocation) async throws -> CommandResult {
        try await succeed(words, location: location)
    }

    @discardableResult
    func succeed(
        _ words: [String], input: String = "", location: SourceLocation = #_sourceLocation
    ) async throws -> CommandResult {
        let result = try await runtime(words, input: input)
        try #require(result.code == 0, "\(words): \(result)", sourceLocation: location)
        return result
    }

    func exec(_ id: String, _ script: String, flags: [String] = []) async throws -> CommandResult {
        try await runtime(["exec"] + flags + [id, "/bin/sh", "-c", script])
    }

    /// The user's processes that run; zombies hold nothing.
    func processes() -> [pid_t] {
        ((try? Files.list("/proc")) ?? []).compactMap { pid_t($0) }.filter { process in
            let status = (try? Files.text("/proc/\(process)/status")) ?? ""
            return status.contains("Uid:\t\(user)\t") && isAlive(process)
        }
    }

    // MARK: Containers

    /// How the container's identifiers are mapped.
    enum Mapping: String, Sendable, CaseIterable, CustomTestStringConvertible {
        /// The user alone, as root.
        case own
        /// The user as root, and the subordinate identifiers from 1 on, as podman has it.
        case ownAndRange
        /// Subordinate identifiers alone: the user is nobody in it.
        case range

        var testDescription: String { rawValue }

        func list(_ user: UInt32) -> [IDMapping] {
            let first = RootlessFixture.subordinate.lowerBound
            return switch self {
            case .own: [.init(containerID: 0, hostID: user, size: 1)]
            case .ownAndRange:
                [.init(containerID: 0, hostID: user, size: 1), .init(containerID: 1, hostID: first, size: 65535)]
            case .range: [.init(containerID: 0, hostID: first, size: 65536)]
            }
        }

        /// Those that this machine can make; the others are named where they are not.
        static let possible: [Mapping] = {
            if RootlessFixture.hasHelpers { return allCases }
            print("not exercised: mappings of more than one identifier, for want of newuidmap and newgidmap (uidmap)")
            return [.own]
        }()
    }

    /// Number 0 of the container on the host.
    func root(_ mapping: Mapping) -> UInt32 { mapping.list(user)[0].hostID }

    /// Makes a bundle as the user would have it: `spec --rootless` with a process of the test's.
    ///
    /// - Returns: its directory.
    func prepare(
        _ id: String, _ mapping: Mapping, _ script: String = "exec sleep 1000",
        _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }
    ) throws -> String {
        let bundle = try bundles.prepare(id, script) {
            $0.add(.user)
            $0.linux?.uidMappings = mapping.list(user)
            $0.linux?.gidMappings = mapping.list(user)
            $0.linux?.cgroupsPath = nil
            $0.linux?.resources = nil
            // Group 5 is not mapped where there is one alone.
            for index in $0.mounts?.indices ?? 0..<0 where mapping == .own {
                $0.mounts?[index].options?.removeAll { $0.hasPrefix("gid=") }
            }
            try change(&$0)
        }
        for directory in ["/data", "/tmp", "/etc"] {
            chown(bundles.inRoot(id, directory), root(mapping), root(mapping))
        }
        return bundle
    }

    /// Creates a container and starts it.
    ///
    /// - Returns: its first process.
    func launch(
        _ id: String, _ mapping: Mapping, _ script: String = "exec sleep 1000",
        _ change: (inout RuntimeConfiguration) throws -> Void = { _ in }, location: SourceLocation = #_sourceLocation
    ) async throws -> pid_t {
        let bundle = try prepare(id, mapping, script, change)
        try await succeed("create", "--bundle", bundle, id, location: location)
        try await succeed("start", id, location: location)
        return try await bundles.pid(id)
    }
}

extension Trait where Self == ConditionTrait {
    static var rootless: Self {
        .enabled(
            if: RootlessFixture.isPossible,
            "needs root, busybox-static, martlet-runtime beside the tests, and user namespaces for ordinary users")
    }
}
