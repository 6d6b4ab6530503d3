import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport

extension LinuxConfiguration.NamespaceType {
    /// Its file beneath `/proc/PID/ns`.
    var file: String {
        switch self {
        case .network: "net"
        case .mount: "mnt"
        default: rawValue
        }
    }

    /// The namespace that this process is in.
    var own: String? { linkTarget("/proc/self/ns/\(file)") }

    /// The namespace that a process is in.
    func of(_ process: pid_t) -> String? { linkTarget("/proc/\(process)/ns/\(file)") }
}

/// A process that holds namespaces of its own, to be joined by path.
struct NamespaceHolder {
    private let command: StartedCommand

    private init(_ types: [LinuxConfiguration.NamespaceType], in directory: TemporaryDirectory) async throws {
        let flags = types.flatMap { type -> [String] in
            switch type {
            case .network: ["--net"]
            // A PID namespace exists while it has a first process.
            case .pid: ["--pid", "--fork", "--kill-child"]
            case .user: ["--user", "--map-root-user"]
            default: ["--\(type.rawValue)"]
            }
        }
        command = try StartedCommand(["unshare"] + flags + ["sleep", "1000"], in: directory)
        let holder = self
        do {
            try await waitUntil("\(types) are there") {
                let names = (try? Files.text("/proc/\(holder.command.pid)/comm")) ?? ""
                let isThere = types.allSatisfy { linkTarget(holder.path($0)).map { !$0.isEmpty } ?? false }
                return isThere && (types.contains(.pid) || names == "sleep\n")
            }
        } catch {
            try await command.stop()
            throw error
        }
    }

    /// The file that names its namespace.
    func path(_ type: LinuxConfiguration.NamespaceType) -> String {
        let isForChildren = type == .pid || type == .time
        return "/proc/\(command.pid)/ns/\(type.file)" + (isForChildren ? "_for_children" : "")
    }

    /// Holds new namespaces while `body` runs.
    static func with(
        _ types: [LinuxConfiguration.NamespaceType], _ fixture: BundleFixture,
        _ body: (NamespaceHolder) async throws -> Void
    ) async throws {
        let holder = try await NamespaceHolder(types, in: fixture.directory)
        do {
            try await body(holder)
        } catch {
            try await holder.command.stop()
            throw error
        }
        try await holder.command.stop()
    }
}
