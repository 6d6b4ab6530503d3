import Glibc
import LinuxSystem
import Netlink
import NetworkModel
import Values

extension Dataplane {
    /// The longest name of a sandbox, in bytes.
    static let nameLimit = 128
    /// Networks' own namespaces begin with this; no sandbox does.
    static let networkPrefix = "ov-"

    nonisolated var namespaceDirectory: String { configuration.runDirectory + "/netns" }

    /// Where a sandbox is kept.
    public nonisolated func sandboxPath(_ id: String) -> String { namespaceDirectory + "/" + id }

    /// Makes a network namespace with its loopback up, unless it is there: its path, `run/netns/<id>`.
    @discardableResult
    public func createSandbox(_ id: String) throws -> String {
        guard !id.isEmpty, id.utf8.count <= Self.nameLimit, !id.hasPrefix("."), !id.hasPrefix(Self.networkPrefix),
            !id.contains("/")
        else { throw DataplaneError.invalid("\"\(id)\" names no sandbox") }
        return try kernel("create sandbox \(id)") {
            // IPv6 addresses of links without any would only cost time; ports and ping are as in Docker's containers.
            try createNamespace(
                sandboxPath(id),
                settings: [
                    ("ipv6/conf/default/disable_ipv6", "1"), ("ipv4/ip_unprivileged_port_start", "0"),
                    ("ipv4/ping_group_range", "0\t2147483647"),
                ])
            return sandboxPath(id)
        }
    }

    /// Removes the sandbox, its interfaces and its published ports; nothing there is fine.
    public func removeSandbox(_ id: String) throws {
        try kernel("remove sandbox \(id)") {
            try unpublish(sandbox: id)
            try removeNamespace(sandboxPath(id))
        }
    }

    /// The sandboxes that are there, also from before a restart.
    public func sandboxes() throws -> [String] {
        try Files.list(namespaceDirectory).filter { name in
            !name.hasPrefix(Self.networkPrefix) && isNamespace(namespaceDirectory + "/" + name)
        }
    }

    /// Opens a sandbox and the kernel's networking in it.
    func open(sandbox id: String) throws -> OpenNamespace {
        guard let opened = try open(path: sandboxPath(id)) else { throw DataplaneError.unknownSandbox(id) }
        return opened
    }
}
