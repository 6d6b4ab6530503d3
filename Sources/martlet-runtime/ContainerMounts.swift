import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

/// Everything that is mounted in a container's root: kernel file systems, devices, volumes, and what hides parts of
/// them (OCI runtime-spec: Mounts, Masked paths, Readonly paths).
struct ContainerMounts: ~Copyable {
    let specification: ContainerSpecification
    let root: RootTree
    let sources: BindSources
    let nodes: [HostDevice]

    private static let inert = Int(CL_ATTR_NOSUID) | Int(CL_ATTR_NODEV) | Int(CL_ATTR_NOEXEC)

    func mountAll() throws {
        for (index, mount) in specification.mounts.enumerated() {
            do {
                try add(mount, at: index)
            } catch let error as SystemError {
                throw SetupError(
                    "error mounting \"\(mount.source ?? mount.type ?? "")\" to rootfs at \"\(mount.destination)\": "
                        + "\(error.operation) \(error.object): \(describe(error.errno))")
            }
        }
        try makeDevices()
        try setParameters()
        try hide()
        try makeWorkingDirectory()
    }

    private func add(_ mount: RuntimeConfiguration.Mount, at index: Int) throws {
        let words = MountWords(mount.options ?? [])
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

    private func mountFileSystem(_ mount: RuntimeConfiguration.Mount, _ words: MountWords) throws {
        let type = mount.type ?? ""
        guard !words.copiesUp else { throw SetupError("\(mount.destination): tmpcopyup is not supported") }
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
        let tree = try MountTree.create(
            type, source: mount.source ?? type, options: data.map { ($0.name, $0.value) },
            attributes: Self.bits(words.set))
        try Self.change(tree.rawValue, words, isNew: true)
        try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: mount.destination)
    }

    private func bind(_ mount: RuntimeConfiguration.Mount, _ words: MountWords, at index: Int) throws {
        guard let source = sources.sources[index] else { return }
        guard words.idMapped == .no else { throw SetupError("\(mount.destination): idmap is not supported") }
        let target = source.isDirectory ? try root.directory(mount.destination) : try root.file(mount.destination)
        try refuseProc(target.rawValue, mount.destination)
        try MountTree.change(
            source.tree, propagation: Self.bits(words.propagation ?? .private),
            recursive: words.propagation == nil || words.isPropagationRecursive)
        try Self.change(source.tree, words)
        try MountTree.attach(source.tree, onto: target.rawValue, shown: mount.destination)
    }

    private func mountGroups(on path: String, _ words: MountWords) throws {
        guard let target = try root.open(path) else { return }
        let readOnly = words.set.contains(.readOnly) ? Int(CL_ATTR_RDONLY) : 0
        if sources.groups.count == 1, sources.groups[0].name == "unified" {
            let tree = sources.groups[0].tree
            try MountTree.change(tree, set: Self.inert | readOnly, propagation: Int(CL_MS_PRIVATE))
            try MountTree.attach(tree, onto: target.rawValue, shown: path)
            return
        }
        guard !sources.groups.isEmpty else { return }
        let list = try MountTree.create(
            "tmpfs", source: "tmpfs", options: [("mode", "755"), ("size", "64k")], attributes: Self.inert)
        try MountTree.attach(list.rawValue, onto: target.rawValue, shown: path)
        for (name, tree) in sources.groups {
            let short = name.hasPrefix("name=") ? String(name.dropFirst(5)) : name
            try syscall("mkdir", on: short) { mkdirat(list.rawValue, short, 0o755) }
            let directory = Descriptor(
                owning: try syscall("open", on: short) { openat(list.rawValue, short, pathOnly | O_CLOEXEC) })
            try MountTree.change(tree, set: Self.inert | readOnly, propagation: Int(CL_MS_PRIVATE))
            try MountTree.attach(tree, onto: directory.rawValue, shown: path + "/" + short)
        }
        try MountTree.change(list.rawValue, set: readOnly)
    }

    /// Nodes and links in /dev, unless it is the host's.
    private func makeDevices() throws {
        let isHosts = specification.mounts.contains {
            RootTree.components($0.destination) == ["dev"] && $0.isBind(MountWords($0.options ?? []))
        }
        if isHosts { return }
        _ = try root.directory("/dev")
        guard let directory = try root.openDirect("/dev") else { throw SetupError("/dev is not an ordinary directory") }
        try DeviceNodes.makeDefaults(in: directory.rawValue)
        try DeviceNodes.make(nodes, in: RootTree(descriptor: try MountTree.reopen(directory.rawValue)))
    }

    // MARK: Words into the kernel's bits

    /// Gives a mount the attributes that its words ask for; a new one has those that are set already.
    private static func change(_ tree: Int32, _ words: MountWords, isNew: Bool = false) throws {
        for (set, clear, isRecursive) in [
            (words.set, words.clear, false), (words.setRecursively, words.clearRecursively, true),
        ] where !set.isEmpty || !clear.isEmpty && !(isNew && !isRecursive) {
            var cleared = bits(clear.subtracting(.accessTimes))
            if !set.isDisjoint(with: .accessTimes) || !clear.isDisjoint(with: .accessTimes) {
                cleared |= Int(CL_ATTR_ATIME_MASK)
            }
            try MountTree.change(tree, set: bits(set), clear: cleared, recursive: isRecursive)
        }
    }

    private static func bits(_ attributes: MountWords.Attributes) -> Int {
        let table: [(MountWords.Attributes, Int)] = [
            (.readOnly, Int(CL_ATTR_RDONLY)), (.noSuid, Int(CL_ATTR_NOSUID)), (.noDevices, Int(CL_ATTR_NODEV)),
            (.noExec, Int(CL_ATTR_NOEXEC)), (.noAccessTime, Int(CL_ATTR_NOATIME)),
            (.strictAccessTime, Int(CL_ATTR_STRICTATIME)), (.noDirectoryAccessTime, Int(CL_ATTR_NODIRATIME)),
            (.noSymlinkFollow, Int(CL_ATTR_NOSYMFOLLOW)),
        ]
        return table.reduce(0) { attributes.contains($1.0) ? $0 | $1.1 : $0 }
    }

    private static func bits(_ propagation: MountWords.Propagation) -> Int {
        switch propagation {
        case .private: Int(CL_MS_PRIVATE)
        case .slave: Int(CL_MS_SLAVE)
        case .shared: Int(CL_MS_SHARED)
        case .unbindable: Int(CL_MS_UNBINDABLE)
        }
    }

    /// Nothing is mounted over what the kernel says of processes, but for the files that lxcfs gives.
    private func refuseProc(_ target: Int32, _ path: String) throws {
        let procMagic: Int64 = 0x9fa0
        guard cl_filesystem_type(target) == procMagic else { return }
        let allowed: Set<String> = [
            "cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo",
            "sys/kernel/ns_last_pid",
            "sys/crypto/fips_enabled",
        ]
        let components = RootTree.components(path)
        if components.first == "proc", allowed.contains(components.dropFirst().joined(separator: "/")) { return }
        throw SetupError("\"\(path)\" cannot be mounted because it is inside /proc")
    }

    /// Kernel parameters of the container's own namespaces (sysctl(8)).
    private func setParameters() throws {
        for (name, value) in specification.sysctls.sorted(by: { $0.key < $1.key }) {
            guard isNamespaced(name) else {
                throw SetupError("sysctl \"\(name)\" is not in a separate kernel namespace")
            }
            let path = "/proc/sys/" + name.split(separator: ".").joined(separator: "/")
            guard let file = try root.open(path, O_WRONLY) else {
                throw SetupError("open \(path): no such file or directory")
            }
            let bytes = Array(value.utf8)
            try syscall("write sysctl", on: "\(name)=\(value)") { write(file.rawValue, bytes, bytes.count) }
        }
    }

    private func isNamespaced(_ name: String) -> Bool {
        let spaces = specification.namespaces
        if name.hasPrefix("net.") { return spaces.network != .host }
        let ipc: Set<String> = [
            "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
            "kernel.shmmni", "kernel.shm_rmid_forced",
        ]
        if ipc.contains(name) || name.hasPrefix("fs.mqueue.") { return spaces.ipc != .host }
        return name == "kernel.domainname" && spaces.uts != .host
    }

    private func hide() throws {
        for path in specification.readonlyPaths {
            guard let target = try root.open(path) else { continue }
            let tree = try MountTree.clone(of: target.rawValue, recursive: true)
            try MountTree.change(tree.rawValue, set: Int(CL_ATTR_RDONLY), recursive: true)
            try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: path)
        }
        guard !specification.maskedPaths.isEmpty else { return }
        let empty = try MountTree.create(
            "tmpfs", source: "tmpfs", options: [("size", "0"), ("nr_blocks", "1")],
            attributes: Self.inert | Int(CL_ATTR_RDONLY))
        // Kernels before 6.15 copy only mounts that are attached.
        var isAttached = false
        for path in specification.maskedPaths {
            guard let target = try root.open(path) else { continue }
            var information = stat()
            try syscall("stat", on: path) { fstat(target.rawValue, &information) }
            if information.st_mode & S_IFMT == S_IFDIR {
                if isAttached {
                    let tree = try MountTree.clone(of: empty.rawValue)
                    try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: path)
                } else {
                    try MountTree.attach(empty.rawValue, onto: target.rawValue, shown: path)
                    isAttached = true
                }
            } else if let null = try root.open("/dev/null") {
                let tree = try MountTree.clone(of: null.rawValue)
                try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: path)
            }
        }
    }

    private func makeWorkingDirectory() throws {
        let path = specification.process.workingDirectory
        guard path.hasPrefix("/") else { throw SetupError("working directory \"\(path)\" is not absolute") }
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

extension RootTree {
    /// What is at `path` where no component of it is a link; nil otherwise.
    func openDirect(_ path: String) throws(SystemError) -> Descriptor? {
        let resolve = UInt64(CL_RESOLVE_IN_ROOT | CL_RESOLVE_NO_SYMLINKS)
        let result = cl_openat2(descriptor.rawValue, path, pathOnly | O_CLOEXEC, 0, resolve)
        if result == -ENOENT || result == -ELOOP { return nil }
        return Descriptor(owning: try checked("open", on: path, result))
    }
}

extension MountTree {
    /// Another descriptor for the same place.
    static func reopen(_ descriptor: Int32) throws(SystemError) -> Descriptor {
        Descriptor(owning: try syscall("dup") { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) })
    }
}

/// Whether two descriptors are open on one file.
func sameFile(_ left: Int32, _ right: Int32) -> Bool {
    var first = stat()
    var second = stat()
    return fstat(left, &first) == 0 && fstat(right, &second) == 0 && first.st_dev == second.st_dev
        && first.st_ino == second.st_ino
}
