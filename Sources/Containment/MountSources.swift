import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

/// Copies of what a container's mounts show of the host, taken in the host's view of files before anything is changed.
///
/// The container's first process takes them in its own mount namespace. Where that is in another user namespace, which
/// may not look everywhere, the runtime takes them and the process inherits the descriptors.
struct MountSources {
    struct Source {
        /// The mount's position in the configuration.
        var index: Int
        var tree: Int32
        var isDirectory: Bool
    }

    private var mounts: [Source] = []
    /// The root, where it is a directory.
    private(set) var root: Int32?
    /// Nodes of the host's /dev, where a container cannot make its own.
    private(set) var devices: [DeviceNodes.HostNode] = []

    /// The source of the mount at a position of the configuration.
    func source(of index: Int) -> Source? { mounts.first { $0.index == index } }

    /// What the runtime takes.
    static func ofRuntime(_ plan: ContainerPlan, _ namespaces: NamespacePlan) throws -> MountSources {
        var result = MountSources()
        if namespaces.hasUser, plan.isPrivileged {
            try result.take(plan, namespaces) { _ in true }
        } else {
            try result.take(plan, namespaces) { $0.idMapped != .no }
        }
        return result
    }

    /// What is still missing, for the container's first process.
    mutating func takeRest(_ plan: ContainerPlan, _ namespaces: NamespacePlan) throws {
        if namespaces.hasUser, plan.isPrivileged { return }
        try take(plan, namespaces) { $0.idMapped == .no }
    }

    /// Closes the runtime's copies.
    func close() {
        for source in mounts { Glibc.close(source.tree) }
        for node in devices { Glibc.close(node.tree) }
        if let root { Glibc.close(root) }
    }

    private mutating func take(
        _ plan: ContainerPlan, _ namespaces: NamespacePlan, where isWanted: (MountWords) -> Bool
    ) throws {
        let isWhole = isWanted(MountWords([]))
        if isWhole, case .directory(let path, _) = plan.root {
            root = try Self.named("root.path") { try MountTree.clone(path, recursive: true).release() }
        }
        for (index, mount) in (plan.configuration.mounts ?? []).enumerated() {
            let words = mount.words
            if mount.isBind(words), isWanted(words) {
                mounts.append(try bind(mount, words, at: index, plan))
            }
        }
        guard isWhole, namespaces.hasUser || plan.bindsDevices else { return }
        for path in DeviceNodes.hostPaths(plan.linux) {
            devices.append(.init(path: path, tree: try MountTree.clone(path, recursive: false).release()))
        }
    }

    private func bind(
        _ mount: RuntimeConfiguration.Mount, _ words: MountWords, at index: Int, _ plan: ContainerPlan
    ) throws -> Source {
        let path = mount.source ?? ""
        var information = stat()
        guard stat(path, &information) == 0 else {
            throw SetupError(
                "error mounting \"\(path)\" to rootfs at \"\(mount.destination)\": mounts[\(index)].source: "
                    + describe(errno))
        }
        let tree = try Self.named("mounts[\(index)].source") { try MountTree.clone(path, recursive: words.isRecursive) }
        if words.idMapped != .no {
            let namespace = try Self.mappings(of: mount, at: index, plan)
            _ = try Self.named("mounts[\(index)].uidMappings") {
                try checked(
                    "map owners", on: path,
                    cl_mount_set_idmap(tree.rawValue, namespace.rawValue, words.idMapped == .recursive ? 1 : 0))
            }
        }
        return Source(index: index, tree: tree.release(), isDirectory: information.st_mode & S_IFMT == S_IFDIR)
    }

    /// A user namespace with the mappings of a mount: its own, or those of the container.
    private static func mappings(
        of mount: RuntimeConfiguration.Mount, at index: Int, _ plan: ContainerPlan
    ) throws -> Descriptor {
        if let uids = mount.uidMappings, let gids = mount.gidMappings {
            return try UserNamespace.make(uids: uids, gids: gids)
        }
        switch plan.linux.choice(.user) {
        case .path(let path): return try named("linux.namespaces (user)") { try Descriptor.open(path, O_RDONLY) }
        case .new:
            return try UserNamespace.make(uids: plan.linux.uidMappings ?? [], gids: plan.linux.gidMappings ?? [])
        case .host:
            throw SetupError("mounts[\(index)].options: idmap needs mappings of the mount or of a user namespace")
        }
    }

    /// Says which member an error of the system is about.
    private static func named<Result: ~Copyable>(_ member: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as SystemError {
            throw SetupError("\(member): \(error.object): \(describe(error.errno))")
        }
    }
}

extension RuntimeConfiguration.Mount {
    /// A /dev of the container's own.
    var isDevices: Bool { ContainerPath.components(destination) == ["dev"] && !isBind(words) && !words.isRemount }

    /// The container's control groups, in the form that the host has.
    var isGroups: Bool { (type == "cgroup" || type == "cgroup2") && !isBind(words) }
}
