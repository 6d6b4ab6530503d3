import Glibc
import LinuxSystem
import TestSupport
import Testing

/// A container's scope as systemctl(1) and the file system of cgroup v2 show it.
struct SystemdScope {
    let slice: String
    let unit: String
    /// Whose systemd it is; nil for the machine's.
    var account: SystemdAccount?

    /// sd_booted(3), and v2 alone: with v1 systemd has other properties.
    static let isPossible =
        Files.isDirectory("/run/systemd/system") && Files.exists("/sys/fs/cgroup/cgroup.controllers")
        && TestEnvironment.command("systemctl") != nil

    /// What `linux.cgroupsPath` is.
    func path(_ id: String) -> String { "\(slice):martlet:\(id)" }

    init(_ id: String, slice: String, account: SystemdAccount? = nil) {
        self.slice = slice
        self.account = account
        unit = "martlet-\(id).scope"
    }

    private func systemctl(_ words: [String]) async throws -> Command {
        guard let account else { return try await Command.run(["systemctl"] + words) }
        return try await Command.run(
            account.identity + ["env", "XDG_RUNTIME_DIR=" + account.runtimeDirectory, "systemctl", "--user"] + words)
    }

    func property(_ name: String) async throws -> String {
        try await systemctl(["show", "--property", name, "--value", unit]).lines.joined(separator: "\n")
    }

    func reload() async throws {
        let result = try await systemctl(["daemon-reload"])
        try #require(result.succeeded, "\(result.errorOutput)")
    }

    func isGone() async throws -> Bool { try await property("LoadState") == "not-found" }

    /// Takes the slice away too, which stays by itself.
    func end() async throws { _ = try await systemctl(["stop", unit, slice]) }

    /// The group of a process: a path beneath `/sys/fs/cgroup`.
    static func group(of pid: pid_t) throws -> String {
        try Files.text("/proc/\(pid)/cgroup").split(separator: "\n").first { $0.hasPrefix("0::") }
            .map { String($0.dropFirst(3)) } ?? ""
    }

    static func file(_ name: String, _ group: String) -> String? {
        (try? Files.text("/sys/fs/cgroup\(group)/\(name)"))?.split(separator: "\n").joined(separator: "\n")
    }
}

/// A user of the machine who has a systemd of its own (user@.service).
struct SystemdAccount {
    /// Debian's base-passwd gives it to every machine; hardly anything runs as it.
    private static let name = "games"
    let user: UInt32
    private let group: UInt32

    var runtimeDirectory: String { "/run/user/\(user)" }

    var identity: [String] {
        ["setpriv", "--reuid", "\(user)", "--regid", "\(group)", "--clear-groups", "--inh-caps=-all"]
    }

    /// nil where there is no such user.
    private init?() throws {
        for line in try Files.text("/etc/passwd").split(separator: "\n") where line.hasPrefix(Self.name + ":") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count > 3, let user = UInt32(fields[2]), let group = UInt32(fields[3]) else { return nil }
            (self.user, self.group) = (user, group)
            return
        }
        return nil
    }

    private var service: String { "user@\(user).service" }

    /// Starts its systemd, where that can be.
    private static func start() async throws -> SystemdAccount? {
        // The user's systemd asks the machine's by the bus to move processes.
        guard SystemdScope.isPossible, Files.exists("/run/dbus/system_bus_socket"), let account = try SystemdAccount(),
            try await Command.run(["systemctl", "start", account.service]).succeeded
        else { return nil }
        let socket = account.runtimeDirectory + "/systemd/private"
        try await waitUntil("\(socket) is there", within: .seconds(60)) { Files.exists(socket) }
        return account
    }

    private func stop() async {
        _ = try? await Command.run(["systemctl", "stop", service, "user-\(user).slice"])
    }

    static func isPossible() async -> Bool {
        guard let account = try? await start() else { return false }
        await account.stop()
        return true
    }

    static func with(_ body: (SystemdAccount) async throws -> Void) async throws {
        let account = try #require(try await start())
        do {
            try await body(account)
        } catch {
            await account.stop()
            throw error
        }
        await account.stop()
    }
}
