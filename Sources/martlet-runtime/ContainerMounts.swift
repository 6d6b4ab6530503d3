import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol

/// Everything that is mounted in a container's root: kernel file systems, devices, volumes, and what hides parts of
/// them (OCI runtime-spec: Mounts, Masked paths, Readonly paths).
struct ContainerMounts: ~Copyable {
    let specification: ContainerSpecification
    let root: RootTree
    let sources: BindSources
    let nodes: [HostDevice]

    private static let noSetuid = Int(CL_ATTR_NOSUID)
    private static let inert = Int(CL_ATTR_NOSUID) | Int(CL_ATTR_NODEV) | Int(CL_ATTR_NOEXEC)

    /// Targets that the specification mounts itself; what is usual there is left out.
    private var claimed: Set<String> {
        Set(specification.mounts.map { "/" + RootTree.components($0.target).joined(separator: "/") })
    }

    func mountAll() throws {
        let claimed = claimed
        if !claimed.contains("/proc") { try mountKernel("proc", on: "/proc", attributes: Self.inert) }
        if !claimed.contains("/sys") {
            let readOnly = specification.isPrivileged ? 0 : Int(CL_ATTR_RDONLY)
            try mountKernel("sysfs", on: "/sys", attributes: Self.inert | readOnly)
            if !claimed.contains("/sys/fs/cgroup") { try mountGroups() }
        }
        if !claimed.contains("/dev") { try mountDevices(claimed) }
        for (index, mount) in specification.mounts.enumerated().sorted(by: Self.isBefore) {
            do {
                try add(mount, at: index)
            } catch let error as SystemError {
                let source = if case .bind(let source, _, _) = mount.kind { source } else { "tmpfs" }
                throw SetupError(
                    "error mounting \"\(source)\" to rootfs at \"\(mount.target)\": \(error.operation)"
                        + " \(error.object): \(describe(error.errno))")
            }
        }
        try setParameters()
        try hide()
        try makeWorkingDirectory()
    }

    /// Shallow targets first, so that a deeper one is mounted inside of them.
    private static func isBefore(
        _ left: (offset: Int, element: MountEntry), _ right: (offset: Int, element: MountEntry)
    )
        -> Bool
    {
        let depths = (
            RootTree.components(left.element.target).count, RootTree.components(right.element.target).count
        )
        return depths.0 == depths.1 ? left.offset < right.offset : depths.0 < depths.1
    }

    /// /proc and /sys are mounted on directories of the image itself, never behind a link.
    private func mountKernel(_ type: String, on path: String, attributes: Int) throws {
        let target = try root.directory(path)
        guard let direct = try root.openDirect(path), sameFile(direct.rawValue, target.rawValue) else {
            throw SetupError("filesystem \"\(type)\" must be mounted on ordinary directory")
        }
        let tree = try MountTree.create(type, source: type, attributes: attributes)
        try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: path)
    }

    private func mountGroups() throws {
        guard let target = try root.open("/sys/fs/cgroup") else { return }
        let readOnly = specification.isPrivileged ? 0 : Int(CL_ATTR_RDONLY)
        if sources.groups.count == 1, sources.groups[0].name == "unified" {
            let tree = sources.groups[0].tree
            try MountTree.change(tree, set: Self.inert | readOnly, propagation: Int(CL_MS_PRIVATE))
            try MountTree.attach(tree, onto: target.rawValue, shown: "/sys/fs/cgroup")
            return
        }
        guard !sources.groups.isEmpty else { return }
        let list = try MountTree.create(
            "tmpfs", source: "tmpfs", options: [("mode", "755"), ("size", "64k")], attributes: Self.inert)
        try MountTree.attach(list.rawValue, onto: target.rawValue, shown: "/sys/fs/cgroup")
        for (name, tree) in sources.groups {
            let short = name.hasPrefix("name=") ? String(name.dropFirst(5)) : name
            try syscall("mkdir", on: short) { mkdirat(list.rawValue, short, 0o755) }
            let directory = Descriptor(
                owning: try syscall("open", on: short) { openat(list.rawValue, short, pathOnly | O_CLOEXEC) })
            try MountTree.change(tree, set: Self.inert | readOnly, propagation: Int(CL_MS_PRIVATE))
            try MountTree.attach(tree, onto: directory.rawValue, shown: "/sys/fs/cgroup/" + short)
        }
        try MountTree.change(list.rawValue, set: readOnly)
    }

    private func mountDevices(_ claimed: Set<String>) throws {
        let target = try root.directory("/dev")
        let devices = try MountTree.create(
            "tmpfs", source: "tmpfs", options: [("mode", "755"), ("size", "65536k")],
            attributes: Self.noSetuid | Int(CL_ATTR_STRICTATIME))
        try MountTree.attach(devices.rawValue, onto: target.rawValue, shown: "/dev")
        try DeviceNodes.makeDefaults(in: devices.rawValue)
        func mount(_ type: String, on name: String, options: [(name: String, value: String?)], attributes: Int) throws {
            if claimed.contains("/dev/" + name) { return }
            try syscall("mkdir", on: "/dev/" + name) { mkdirat(devices.rawValue, name, 0o755) }
            let directory = Descriptor(
                owning: try syscall("open", on: name) { openat(devices.rawValue, name, pathOnly | O_CLOEXEC) })
            let tree = try MountTree.create(type, source: type, options: options, attributes: attributes)
            try MountTree.attach(tree.rawValue, onto: directory.rawValue, shown: "/dev/" + name)
        }
        try mount(
            "devpts", on: "pts",
            options: [("newinstance", nil), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")],
            attributes: Self.noSetuid | Int(CL_ATTR_NOEXEC))
        try mount(
            "tmpfs", on: "shm", options: [("mode", "1777"), ("size", "\(specification.sharedMemoryBytes)")],
            attributes: Self.inert)
        try mount("mqueue", on: "mqueue", options: [], attributes: Self.inert)
        try DeviceNodes.make(nodes, in: RootTree(descriptor: try MountTree.reopen(devices.rawValue)))
    }

    private func add(_ mount: MountEntry, at index: Int) throws {
        switch mount.kind {
        case .tmpfs(let text):
            let options = MountOptions(text, default: [.noSuid, .noDevices, .noExec])
            let target = try root.directory(mount.target)
            try refuseProc(target.rawValue, mount.target)
            var attributes = Self.attributes(options.attributes)
            if mount.isReadOnly { attributes |= Int(CL_ATTR_RDONLY) }
            let tree = try MountTree.create(
                "tmpfs", source: "tmpfs", options: options.data, attributes: attributes)
            try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: mount.target)
        case .bind(_, let isRecursive, let propagation):
            guard let source = sources.sources[index] else { return }
            let target = source.isDirectory ? try root.directory(mount.target) : try root.file(mount.target)
            try refuseProc(target.rawValue, mount.target)
            try MountTree.change(
                source.tree, propagation: try Self.propagation(propagation), recursive: isRecursive)
            if mount.isReadOnly {
                try MountTree.change(source.tree, set: Int(CL_ATTR_RDONLY), recursive: isRecursive)
            }
            try MountTree.attach(source.tree, onto: target.rawValue, shown: mount.target)
        }
    }

    private static func attributes(_ options: MountOptions.Attributes) -> Int {
        var result = 0
        if options.contains(.readOnly) { result |= Int(CL_ATTR_RDONLY) }
        if options.contains(.noSuid) { result |= Int(CL_ATTR_NOSUID) }
        if options.contains(.noDevices) { result |= Int(CL_ATTR_NODEV) }
        if options.contains(.noExec) { result |= Int(CL_ATTR_NOEXEC) }
        if options.contains(.noAccessTime) { result |= Int(CL_ATTR_NOATIME) }
        if options.contains(.strictAccessTime) { result |= Int(CL_ATTR_STRICTATIME) }
        return result
    }

    private static func propagation(_ word: String) throws -> Int {
        switch word {
        case "", "private", "rprivate": Int(CL_MS_PRIVATE)
        case "slave", "rslave": Int(CL_MS_SLAVE)
        case "shared", "rshared": Int(CL_MS_SHARED)
        default: throw SetupError("invalid mount propagation \"\(word)\"")
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
