import CLinux
import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol

/// What the runtime makes for a first process that mounts meanwhile: a network namespace, which takes the kernel longer
/// than all the others together, and the control group. They come in this order.
public final class Handover {
    /// One hierarchy's directory as a mount that hangs nowhere yet, once the process has it.
    public struct Source {
        /// Its controllers' names, `unified` for v2.
        public var name: String
        public var tree: Int32
    }

    private let channel: Int32
    private let makesGroupNamespace: Bool
    private let copiesGroups: Bool
    private var hasNetwork: Bool
    private var sources: [Source]?

    /// - Parameters:
    ///   - channel: the first process's end, which stays the caller's. What comes is the next on it.
    ///   - namespaces: what the process has; whether a network namespace comes.
    init(_ channel: Int32, _ plan: ContainerPlan, _ namespaces: NamespacePlan, bringsNetwork: Bool) {
        copiesGroups = Self.copiesGroups(plan, namespaces)
        self.channel = channel
        makesGroupNamespace = namespaces.hasNewGroups
        hasNetwork = !bringsNetwork
    }

    /// Waits for the network namespace and enters it, where there is one to come; at once from the second call on.
    func enterNetwork() throws {
        if hasNetwork { return }
        guard case .network(let descriptor) = try SyncChannel.receive(on: channel) else { _exit(1) }
        try checked("setns", on: "network namespace", cl_setns(descriptor, Int32(CL_CLONE_NEWNET)))
        close(descriptor)
        hasNetwork = true
        try checked("set up", on: "lo", cl_loopback_up())
    }

    /// Waits for the group and enters it; at once from the second call on.
    ///
    /// - Returns: its directories, where a mount wants them.
    @discardableResult func enterGroup() throws -> [Source] {
        if let sources { return sources }
        try enterNetwork()
        try FaultPoint.joinGroups.reached()
        guard case .group(let entrances, let sources) = try SyncChannel.receive(on: channel) else { _exit(1) }
        let files = GroupEntrances(owning: entrances)
        try files.enter()
        files.close()
        if makesGroupNamespace {
            try checked("unshare", on: "cgroup namespace", cl_unshare(Int32(CL_CLONE_NEWCGROUP)))
        }
        self.sources = copiesGroups ? try sources.map(Self.copied) : sources
        return self.sources!
    }

    /// Whether the directories come as they lie on the host: an ordinary user may copy mounts only as root of the
    /// container's user namespace, in its own mount namespace.
    private static func copiesGroups(_ plan: ContainerPlan, _ namespaces: NamespacePlan) -> Bool {
        namespaces.hasUser && !plan.isPrivileged
    }

    private static func copied(_ source: Source) throws -> Source {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let length = try syscall("readlink", on: "control group") {
            readlink("/proc/self/fd/\(source.tree)", &buffer, buffer.count - 1)
        }
        let path = String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        close(source.tree)
        return Source(name: source.name, tree: try MountTree.clone(path, recursive: false).release())
    }

    // MARK: The runtime's part

    /// Makes a network namespace; this process, which has one thread, stays in its own.
    static func sendNetwork(on channel: borrowing SyncChannel) throws {
        let path = "/proc/self/ns/net"
        let own = try Descriptor.open(path, O_RDONLY)
        try checked("unshare", on: "network namespace", cl_unshare(Int32(CL_CLONE_NEWNET)))
        let made = open(path, O_RDONLY | O_CLOEXEC)
        let error = SystemError("open", path, errno: errno)
        defer { if made >= 0 { close(made) } }
        try checked("setns", on: path, cl_setns(own.rawValue, Int32(CL_CLONE_NEWNET)))
        guard made >= 0 else { throw error }
        try channel.send(.network(made))
    }

    static func sendGroup(
        _ group: ControlGroup, on channel: borrowing SyncChannel, exceptUnified: Bool, _ plan: ContainerPlan,
        _ namespaces: NamespacePlan
    ) throws {
        let entrances = try GroupEntrances(group, exceptUnified: exceptUnified)
        defer { entrances.close() }
        var sources: [Source] = []
        defer { for source in sources { close(source.tree) } }
        if plan.configuration.mounts?.contains(where: \.isGroups) == true {
            for directory in group.directories {
                // A container without a namespace of its own sees all of v2, and its own group of v1, as with runc.
                let isOwn = namespaces.isSeparate(.cgroup) || !directory.isUnified || group.directories.count > 1
                let path = isOwn ? directory.path : directory.base
                guard Files.isDirectory(path) else { continue }
                let tree =
                    try copiesGroups(plan, namespaces)
                    ? Descriptor.open(path, pathOnly | O_DIRECTORY).release()
                    : MountTree.clone(path, recursive: false).release()
                sources.append(Source(name: directory.displayName, tree: tree))
            }
        }
        try channel.send(.group(entrances: entrances.files, sources: sources))
    }
}

extension CgroupDirectory {
    /// As the directory is called beneath /sys/fs/cgroup.
    fileprivate var displayName: String { isUnified ? "unified" : controllers.joined(separator: ",") }
}
