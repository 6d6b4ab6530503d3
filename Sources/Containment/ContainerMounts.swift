import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

/// Everything that is mounted in a container's root: kernel file systems, devices, volumes, and what hides parts of
/// them (OCI runtime-spec: Mounts, Masked paths, Readonly paths).
struct ContainerMounts: ~Copyable {
    let plan: ContainerPlan
    let namespaces: NamespacePlan
    let root: RootTree
    let sources: MountSources
    let handover: Handover
    let proc: HostProc

    static let inert = Int(CL_ATTR_NOSUID) | Int(CL_ATTR_NODEV) | Int(CL_ATTR_NOEXEC)

    init(
        plan: ContainerPlan, namespaces: NamespacePlan, root: consuming RootTree, sources: MountSources,
        handover: Handover, proc: borrowing HostProc
    ) throws {
        self.plan = plan
        self.namespaces = namespaces
        self.root = root
        self.sources = sources
        self.handover = handover
        self.proc = try HostProc(sharing: proc)
    }

    private var mounts: [RuntimeConfiguration.Mount] { plan.configuration.mounts ?? [] }

    func mountAll() throws {
        let early = mounts.count - (groupsComeLast ? 1 : 0)
        for index in 0..<early { try add(at: index) }
        try makeDevices()
        try handover.enterNetwork()
        try setParameters()
        try hide()
        for index in early..<mounts.count { try add(at: index) }
        try makeWorkingDirectory()
    }

    /// Whether the control groups, for which the runtime has to be waited for, are mounted after everything else: they
    /// are the last of the mounts, and nothing is hidden in them, around them or by the image's own names.
    private var groupsComeLast: Bool {
        guard let last = mounts.last, last.isGroups else { return false }
        let groups = ContainerPath.components(last.destination)
        let kernels = mounts.filter { $0.type == "proc" || $0.type == "sysfs" }
            .map { ContainerPath.components($0.destination) }
        let hidden = (plan.linux.readonlyPaths ?? []) + (plan.linux.maskedPaths ?? [])
        return hidden.allSatisfy { path in
            let path = ContainerPath.components(path)
            let isKernels = kernels.contains { $0.count == 1 && $0[0] == path.first }
            return isKernels && !path.starts(with: groups) && !groups.starts(with: path)
        }
    }

    private func add(at index: Int) throws {
        let mount = mounts[index]
        do {
            try add(mount, at: index)
        } catch let error as SystemError {
            throw SetupError(
                "error mounting \"\(mount.source ?? mount.type ?? "")\" to rootfs at \"\(mount.destination)\": "
                    + "mounts[\(index)]: \(error.operation) \(error.object): \(describe(error.errno))")
        }
    }

    private func add(_ mount: RuntimeConfiguration.Mount, at index: Int) throws {
        let words = mount.words
        if mount.isGroups {
            try mountGroups(on: mount.destination, words)
        } else if mount.isBind(words) {
            try bind(mount, words, at: index)
        } else if words.isRemount {
            guard let target = try root.open(mount.destination) else {
                throw SystemError("remount", mount.destination, errno: ENOENT)
            }
            try Self.change(target.rawValue, words)
        } else {
            try mountFileSystem(mount, words)
        }
    }

    private func mountFileSystem(_ mount: RuntimeConfiguration.Mount, _ given: MountWords) throws {
        let type = mount.type ?? ""
        // It shows the network of who mounts it.
        if type == "sysfs" { try handover.enterNetwork() }
        var words = given
        // The devices and the terminal come first.
        if mount.isDevices { words.set.remove(.readOnly) }
        var data = words.data
        // A tmpfs over a directory takes its mode, as with runc.
        if type == "tmpfs", !data.contains(where: { $0.name == "mode" }), let present = try root.open(mount.destination)
        {
            var information = stat()
            try syscall("stat", on: mount.destination) { fstat(present.rawValue, &information) }
            data.append(.init(name: "mode", value: String(information.st_mode & 0o7777, radix: 8)))
        }
        let target = try root.directory(mount.destination)
        if type == "proc" || type == "sysfs" {
            // On a directory of the image itself, never behind a link.
            guard let direct = try root.openDirect(mount.destination), sameFile(direct.rawValue, target.rawValue) else {
                throw SetupError("filesystem \"\(type)\" must be mounted on ordinary directory")
            }
        } else {
            try refuseProc(target.rawValue, mount.destination)
        }
        // A kernel without SELinux knows no such option.
        if let label = plan.linux.mountLabel, !label.isEmpty, type != "proc", type != "sysfs",
            SecurityModules.hasSELinux(proc)
        {
            data.append(.init(name: "context", value: label))
        }
        // What is copied in is written before the mount is read-only.
        let later: MountWords.Attributes = words.copiesUp ? .readOnly : []
        if MountTree.needsOldInterface(source: mount.source ?? type, options: data) {
            try MountTree.mount(
                type, source: mount.source ?? type, options: data, onto: target.rawValue, shown: mount.destination)
            guard let mounted = try root.open(mount.destination) else {
                throw SystemError("mount", mount.destination, errno: ENOENT)
            }
            return try Self.change(mounted.rawValue, words)
        }
        let tree = try create(type, mount, data, Self.bits(words.set.subtracting(later)))
        if words.copiesUp, type == "tmpfs", let present = try root.open(mount.destination, O_RDONLY | O_DIRECTORY) {
            // What is copied counts as the container's memory.
            try handover.enterGroup()
            try TreeCopy.copy(from: present.rawValue, to: tree.rawValue)
        }
        try Self.change(tree.rawValue, words, isNew: true)
        try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: mount.destination)
    }

    private func create(
        _ type: String, _ mount: RuntimeConfiguration.Mount, _ data: [MountWords.Datum], _ attributes: Int
    ) throws(SystemError) -> Descriptor {
        do {
            return try MountTree.create(
                type, source: mount.source ?? type, options: data, attributes: attributes)
        } catch {
            guard type == "sysfs", namespaces.hasUser, error.errno == EPERM else { throw error }
            // The network namespace is another user namespace's: the host's files show it.
            return try MountTree.clone("/sys", recursive: true)
        }
    }

    private func bind(_ mount: RuntimeConfiguration.Mount, _ words: MountWords, at index: Int) throws {
        guard let source = sources.source(of: index) else { return }
        let target = source.isDirectory ? try root.directory(mount.destination) : try root.file(mount.destination)
        try refuseProc(target.rawValue, mount.destination)
        // Mounts are listed by age (proc(5): mountinfo), which is to be the order of the configuration. Kernels before
        // 6.15 copy only mounts that are attached.
        let copy = (try? MountTree.clone(of: source.tree, recursive: words.isRecursive).release()) ?? -1
        defer { if copy >= 0 { close(copy) } }
        let tree = copy >= 0 ? copy : source.tree
        try MountTree.change(
            tree, propagation: Self.bits(words.propagation ?? .private),
            recursive: words.propagation == nil || words.isPropagationRecursive)
        try Self.change(tree, words)
        try MountTree.attach(tree, onto: target.rawValue, shown: mount.destination)
    }

    private func mountGroups(on path: String, _ words: MountWords) throws {
        let target = try root.directory(path)
        try refuseProc(target.rawValue, path)
        let readOnly = words.set.contains(.readOnly) ? Int(CL_ATTR_RDONLY) : 0
        let sources = try handover.enterGroup()
        if sources.count == 1, sources[0].name == "unified" {
            let tree = sources[0].tree
            try MountTree.change(tree, set: Self.inert | readOnly, propagation: Int(CL_MS_PRIVATE))
            try MountTree.attach(tree, onto: target.rawValue, shown: path)
            return
        }
        guard !sources.isEmpty else { return }
        let list = try MountTree.create(
            "tmpfs", source: "tmpfs", options: [.init(name: "mode", value: "755"), .init(name: "size", value: "64k")],
            attributes: Self.inert)
        try MountTree.attach(list.rawValue, onto: target.rawValue, shown: path)
        for source in sources {
            let (name, tree) = (source.name, source.tree)
            let short = name.hasPrefix("name=") ? String(name.dropFirst(5)) : name
            try syscall("mkdir", on: short) { mkdirat(list.rawValue, short, 0o755) }
            let directory = Descriptor(
                owning: try syscall("open", on: short) { openat(list.rawValue, short, pathOnly | O_CLOEXEC) })
            try MountTree.change(tree, set: Self.inert | readOnly, propagation: Int(CL_MS_PRIVATE))
            try MountTree.attach(tree, onto: directory.rawValue, shown: path + "/" + short)
            try linkControllers(of: short, in: list.rawValue)
        }
        try MountTree.change(list.rawValue, set: readOnly)
    }

    /// Where controllers share a hierarchy, each is found by its own name too: cpu leads to cpu,cpuacct.
    private func linkControllers(of hierarchy: String, in list: Int32) throws {
        let controllers = hierarchy.split(separator: ",").map(String.init)
        for controller in controllers where controllers.count > 1 {
            try syscall("symlink", on: controller) { symlinkat(hierarchy, list, controller) }
        }
    }

    /// Makes /dev read-only where that was asked for, once everything is in it. Inside the container's root.
    static func closeDevices(_ plan: ContainerPlan) throws {
        for mount in plan.configuration.mounts ?? [] where mount.isDevices && mount.words.set.contains(.readOnly) {
            try MountTree.change(AT_FDCWD, path: "/dev", set: Int(CL_ATTR_RDONLY))
        }
    }

    /// Nodes and links in /dev, unless it is the host's.
    private func makeDevices() throws {
        let isHosts = mounts.contains { ContainerPath.components($0.destination) == ["dev"] && $0.isBind($0.words) }
        if isHosts { return }
        _ = try root.directory("/dev")
        guard let directory = try root.openDirect("/dev") else { throw SetupError("/dev is not an ordinary directory") }
        try DeviceNodes.make(plan.linux, in: root, nodes: sources.devices)
        try DeviceNodes.link(in: directory.rawValue)
    }

    /// Nothing is mounted over what the kernel says of processes, but for the files that lxcfs gives.
    private func refuseProc(_ target: Int32, _ path: String) throws {
        let procMagic: Int64 = 0x9fa0
        guard Guard.procFile.holds, cl_filesystem_type(target) == procMagic else { return }
        let allowed: Set<String> = [
            "cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo",
            "sys/kernel/ns_last_pid",
            "sys/crypto/fips_enabled",
        ]
        let components = ContainerPath.components(path)
        let name = ContainerPath.relative(components.dropFirst())
        if components.first == "proc", allowed.contains(name) { return }
        throw SetupError("\"\(path)\" cannot be mounted because it is inside /proc")
    }

    private func makeWorkingDirectory() throws {
        let path = plan.process.configuration.cwd
        guard path.hasPrefix("/") else { throw SetupError("process.cwd: \"\(path)\" is not absolute") }
        guard Guard.workingDirectory.holds else { return }
        do {
            _ = try root.directory(path)
        } catch let error {
            // A volume that takes no directories: whoever cannot enter it is told at the start.
            if error.errno != EACCES, error.errno != EPERM, error.errno != EROFS {
                throw SetupError("mkdir \(path): \(describe(error.errno))")
            }
        }
    }
}
