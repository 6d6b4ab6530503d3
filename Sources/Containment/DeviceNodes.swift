import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

/// Makes the nodes and links of a container's /dev (config-linux.md: Devices, Default Devices; runtime-linux.md: Dev
/// symbolic links).
enum DeviceNodes {
    /// A node of the host's /dev as a mount that hangs nowhere yet.
    struct HostNode {
        var path: String
        var tree: Int32
    }

    private static let defaults = [
        usual("/dev/null", 1, 3), usual("/dev/zero", 1, 5), usual("/dev/full", 1, 7), usual("/dev/random", 1, 8),
        usual("/dev/urandom", 1, 9), usual("/dev/tty", 5, 0),
    ]

    private static func usual(_ path: String, _ major: Int64, _ minor: Int64) -> LinuxConfiguration.Device {
        var device = LinuxConfiguration.Device(type: "c", path: path, major: major, minor: minor)
        device.fileMode = 0o666
        return device
    }

    private static let links = [
        ("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"), ("pts/ptmx", "ptmx"), ("/proc/kcore", "core"),
    ]

    /// The default ones that the configuration does not give itself, and its own.
    private static func all(_ linux: LinuxConfiguration) -> [LinuxConfiguration.Device] {
        guard let own = linux.devices else { return defaults }
        let places = own.map { ContainerPath.text(ContainerPath.components($0.path)[...]) }
        return defaults.filter { !places.contains($0.path) } + own
    }

    /// Nodes of the host that stand for those that a container in a user namespace may not make.
    static func hostPaths(_ linux: LinuxConfiguration) -> [String] {
        all(linux).filter { $0.type != "p" }.map(\.path)
    }

    /// - Parameter nodes: used instead of making them.
    static func make(_ linux: LinuxConfiguration, in root: borrowing RootTree, nodes: [HostNode]) throws {
        for device in all(linux) {
            if let node = nodes.first(where: { $0.path == device.path }) {
                let target = try root.file(device.path)
                try MountTree.attach(node.tree, onto: target.rawValue, shown: device.path)
            } else {
                try make(device, in: root)
            }
        }
    }

    private static func make(_ device: LinuxConfiguration.Device, in root: borrowing RootTree) throws {
        let components = ContainerPath.components(device.path)
        guard let name = components.last else { throw SetupError("linux.devices: no path in \"\(device.path)\"") }
        let parent = try root.directory(ContainerPath.text(components.dropLast()))
        let kind = device.type == "b" ? S_IFBLK : device.type == "p" ? S_IFIFO : S_IFCHR
        let mode = device.fileMode.map { $0 & 0o7777 } ?? 0o666
        let (major, minor) = (UInt32(clamping: device.major ?? 0), UInt32(clamping: device.minor ?? 0))
        let result = cl_mknodat(parent.rawValue, name, kind | mode, major, minor)
        if result == -EEXIST {
            try check(device, name, in: parent.rawValue, kind, major, minor)
            return
        }
        try checked("mknod", on: device.path, result)
        if device.uid ?? 0 != 0 || device.gid ?? 0 != 0 {
            try syscall("chown", on: device.path) {
                fchownat(parent.rawValue, name, device.uid ?? 0, device.gid ?? 0, AT_SYMLINK_NOFOLLOW)
            }
        }
    }

    /// What is there already, of the image or by a mount, may stay: the same device, and a character device or a plain
    /// file in its place, as with runc. The group's rules say which devices may be used, and the null device is looked
    /// at before it hides anything.
    private static func check(
        _ device: LinuxConfiguration.Device, _ name: String, in parent: Int32, _ kind: mode_t, _ major: UInt32,
        _ minor: UInt32
    ) throws {
        var information = stat()
        try syscall("stat", on: device.path) { fstatat(parent, name, &information, AT_SYMLINK_NOFOLLOW) }
        let number = UInt64(information.st_rdev)
        let isSame =
            information.st_mode & S_IFMT == kind
            && (kind == S_IFIFO || cl_major(number) == major && cl_minor(number) == minor)
        let mayStand = information.st_mode & S_IFMT == S_IFREG || information.st_mode & S_IFMT == S_IFCHR
        guard isSame || mayStand || !Guard.nullDevice.holds else {
            throw SetupError("linux.devices: \(device.path) is another file of the container already")
        }
    }

    static func link(in directory: Int32) throws(SystemError) {
        for (target, name) in links where target != "/proc/kcore" || Files.exists(target) {
            if symlinkat(target, directory, name) != 0, errno != EEXIST {
                throw SystemError("symlink", "/dev/" + name, errno: errno)
            }
        }
    }
}
