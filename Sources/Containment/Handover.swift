import CLinux
import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol

/// What the first process enters only while it mounts: a network namespace, which takes the kernel longer than all the
/// others together, and the control group. Both are made meanwhile, and come on the channel in this order.
public final class Handover {
    /// One hierarchy's directory as a mount that hangs nowhere yet, once the process has it.
    public struct Source {
        /// Its controllers' names, `unified` for v2.
        public var name: String
        public var tree: Int32
    }

    private let channel: Int32
    private let namespaces: NamespacePlan
    private let copiesGroups: Bool
    private let isNetworkGiven: Bool
    private var hasNetwork = false
    private var sources: [Source]?

    /// - Parameters:
    ///   - channel: the first process's end, which stays the caller's. What is handed over comes next on it.
    ///   - isNetworkGiven: whether the network namespace comes, too.
    init(_ channel: Int32, _ plan: ContainerPlan, _ namespaces: NamespacePlan, isNetworkGiven: Bool) {
        self.isNetworkGiven = isNetworkGiven
        copiesGroups = Self.copiesGroups(plan, namespaces)
        self.channel = channel
        self.namespaces = namespaces
    }

    /// Enters the network namespace, where it is to be new; nothing from the second call on.
    func enterNetwork() throws {
        guard namespaces.hasNewNetwork, !hasNetwork else { return }
        hasNetwork = true
        if isNetworkGiven {
            guard case .network(let namespace) = try SyncChannel.receive(on: channel) else { _exit(1) }
            try checked("setns", on: "network namespace", cl_setns(namespace, Int32(CL_CLONE_NEWNET)))
            close(namespace)
        } else {
            try checked("unshare", on: "network namespace", cl_unshare(Int32(CL_CLONE_NEWNET)))
            try checked("set up", on: "lo", cl_loopback_up())
        }
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
        if namespaces.hasNewGroups {
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
    fileprivate var displayName: String {
        isUnified ? "unified" : controllers.dropFirst().reduce(controllers[0]) { $0 + "," + $1 }
    }
}
