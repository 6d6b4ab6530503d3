import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol

/// A device of the host that a container gets, as it was found before the root changed.
struct HostDevice {
    /// Beneath /dev of the container, `snd/timer`.
    var path: String
    var mode: mode_t
    var owner: uid_t
    var group: gid_t
    var number: dev_t
    /// `r`, `w`, `m`.
    var access: String

    /// The rule of the devices controller for it.
    var rule: String {
        let kind = mode & S_IFMT == S_IFBLK ? "b" : "c"
        return "\(kind) \(cl_major(UInt64(number))):\(cl_minor(UInt64(number))) \(access)"
    }

    /// The device at `hostPath`; nil where there is none.
    init?(hostPath: String, path: String, access: String) {
        var information = stat()
        guard stat(hostPath, &information) == 0 else { return nil }
        let kind = information.st_mode & S_IFMT
        guard kind == S_IFCHR || kind == S_IFBLK else { return nil }
        self.path = path
        self.access = access
        mode = information.st_mode
        owner = information.st_uid
        group = information.st_gid
        number = information.st_rdev
    }

    /// The devices of a specification: the named ones, and all of the host where it is privileged.
    static func all(of specification: ContainerSpecification) throws -> [HostDevice] {
        var result: [HostDevice] = []
        if specification.isPrivileged { collect("/dev", into: &result) }
        for node in specification.devices {
            let path = "/" + RootTree.components(node.path).joined(separator: "/")
            guard path.hasPrefix("/dev/") else {
                throw SetupError("device \(node.path): only paths beneath /dev are supported")
            }
            if let device = HostDevice(
                hostPath: node.hostPath, path: String(path.dropFirst(5)), access: node.access)
            {
                result.append(device)
            } else if Files.isDirectory(node.hostPath) {
                var found: [HostDevice] = []
                collect(node.hostPath, into: &found)
                for var device in found {
                    device.path = String(path.dropFirst(5)) + "/" + device.path
                    device.access = node.access
                    result.append(device)
                }
            } else {
                throw SetupError(
                    "error gathering device information while adding custom device \"\(node.hostPath)\": "
                        + "no such file or directory")
            }
        }
        return result
    }

    private static func collect(_ directory: String, below: String = "", into result: inout [HostDevice]) {
        let apart: Set<String> = ["pts", "shm", "mqueue", "fd", "console", ".lxc", ".lxd-mounts", ".udev"]
        for name in (try? Files.list(directory)) ?? [] where !(below.isEmpty && apart.contains(name)) {
            let path = directory + "/" + name
            var information = stat()
            guard lstat(path, &information) == 0 else { continue }
            if information.st_mode & S_IFMT == S_IFDIR {
                collect(path, below: below + name + "/", into: &result)
            } else if information.st_mode & S_IFMT != S_IFLNK,
                let device = HostDevice(hostPath: path, path: below + name, access: "rwm")
            {
                result.append(device)
            }
        }
    }
}

/// Makes the nodes and links of a container's /dev (OCI runtime-spec: Default Devices, Dev symbolic links).
enum DeviceNodes {
    private static let defaults: [(name: String, major: UInt32, minor: UInt32)] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
    ]
    private static let links = [
        ("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"), ("pts/ptmx", "ptmx"), ("/proc/kcore", "core"),
    ]

    static func makeDefaults(in directory: Int32) throws(SystemError) {
        for (name, major, minor) in defaults {
            let result = cl_mknodat(directory, name, S_IFCHR | 0o666, major, minor)
            // A mount was made there, or the image has it.
            if result == -EEXIST { continue }
            try checked("mknod", on: "/dev/" + name, result)
        }
        for (target, name) in links {
            if symlinkat(target, directory, name) != 0, errno != EEXIST {
                throw SystemError("symlink", "/dev/" + name, errno: errno)
            }
        }
    }

    static func make(_ devices: [HostDevice], in root: consuming RootTree) throws(SystemError) {
        for device in devices {
            let components = RootTree.components(device.path)
            guard let name = components.last else { continue }
            let parent = try root.directory("/" + components.dropLast().joined(separator: "/"))
            let number = UInt64(device.number)
            let result = cl_mknodat(
                parent.rawValue, name, device.mode, cl_major(number), cl_minor(number))
            if result == -EEXIST { continue }
            try checked("mknod", on: "/dev/" + device.path, result)
            try syscall("chown", on: "/dev/" + device.path) {
                fchownat(parent.rawValue, name, device.owner, device.group, AT_SYMLINK_NOFOLLOW)
            }
        }
    }
}
