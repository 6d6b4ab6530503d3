import CLinux
import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol

/// What the runtime makes for a first process that mounts meanwhile: a network namespace, which takes the kernel longer
/// than all the others together, and the control group. They come in this order.
public final class Handover {
    /// One hierarchy's directory as a mount that hangs nowhere yet.
    public struct Source {
        /// Its controllers' names, `unified` for v2.
        public var name: String
        public var tree: Int32
    }

    private let channel: Int32
    private let makesGroupNamespace: Bool
    private var hasNetwork: Bool
    private var sources: [Source]?

    /// - Parameters:
    ///   - channel: the first process's end, which stays the caller's. What comes is the next on it.
    ///   - namespaces: what the process has; whether a network namespace comes.
    init(_ channel: Int32, _ namespaces: NamespacePlan, bringsNetwork: Bool) {
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
        self.sources = sources
        return sources
    }

    // MARK: The runtime's part

    /// Makes a network namespace; this process, which has one thread, stays in its own.
    static func sendNetwork(on channel: borrowing SyncChannel) throws {
        let path = "/proc/self/ns/net"
        let own = try Descriptor.open(path, O_RDONLY)
        try checked("unshare", on: "network namespace", cl_unshare(Int32(CL_CLONE_NEWNET)))
        let made = Result { try Descriptor.open(path, O_RDONLY).release() }
        try checked("setns", on: path, cl_setns(own.rawValue, Int32(CL_CLONE_NEWNET)))
        let descriptor = Descriptor(owning: try made.get())
        try channel.send(.network(descriptor.rawValue))
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
                let tree = try MountTree.clone(path, recursive: false).release()
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
