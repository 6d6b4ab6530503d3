import CLinux
import Containment
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

/// Devices of the host that a container gets, as they are found when it is made, in OCI's words.
struct HostDevices {
    private(set) var devices: [LinuxConfiguration.Device] = []
    private(set) var rules: [LinuxResources.DeviceRule] = []

    /// The devices of a specification: the named ones, and all of the host where it is privileged.
    init(_ specification: ContainerSpecification) throws {
        if specification.isPrivileged { collect("/dev", at: "/dev", access: "rwm") }
        for node in specification.devices {
            let path = ContainerPath.text(ContainerPath.components(node.path)[...])
            guard path.hasPrefix("/dev/") else {
                throw SetupError("device \(node.path): only paths beneath /dev are supported")
            }
            if add(node.hostPath, at: path, access: node.access) { continue }
            guard Files.isDirectory(node.hostPath) else {
                throw SetupError(
                    "error gathering device information while adding custom device \"\(node.hostPath)\": "
                        + "no such file or directory")
            }
            collect(node.hostPath, at: path, access: node.access, isWhole: false)
        }
    }

    /// False where there is no device.
    private mutating func add(_ hostPath: String, at path: String, access: String) -> Bool {
        var information = stat()
        guard stat(hostPath, &information) == 0 else { return false }
        let kind = information.st_mode & S_IFMT
        guard kind == S_IFCHR || kind == S_IFBLK else { return false }
        let number = UInt64(information.st_rdev)
        var device = LinuxConfiguration.Device(
            type: kind == S_IFBLK ? "b" : "c", path: path, major: Int64(cl_major(number)),
            minor: Int64(cl_minor(number)))
        device.fileMode = information.st_mode & 0o7777
        device.uid = information.st_uid
        device.gid = information.st_gid
        devices.append(device)
        var rule = LinuxResources.DeviceRule(allow: true)
        (rule.type, rule.major, rule.minor, rule.access) = (device.type, device.major, device.minor, access)
        rules.append(rule)
        return true
    }

    private mutating func collect(_ directory: String, at place: String, access: String, isWhole: Bool = true) {
        let apart: Set<String> = ["pts", "shm", "mqueue", "fd", "console", ".lxc", ".lxd-mounts", ".udev"]
        for name in (try? Files.list(directory)) ?? [] where !(isWhole && apart.contains(name)) {
            let path = directory + "/" + name
            var information = stat()
            guard lstat(path, &information) == 0 else { continue }
            if information.st_mode & S_IFMT == S_IFDIR {
                collect(path, at: place + "/" + name, access: access, isWhole: false)
            } else if information.st_mode & S_IFMT != S_IFLNK {
                _ = add(path, at: place + "/" + name, access: access)
            }
        }
    }
}
