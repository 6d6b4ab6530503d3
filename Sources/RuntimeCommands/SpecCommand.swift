import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec

/// `spec`: an example of a `config.json`, as runc writes it.
enum SpecCommand {
    static func write(bundle: String, isRootless: Bool) throws {
        let path = bundle + "/config.json"
        guard !Files.exists(path) else {
            throw SetupError("File \(path) exists. Remove it first")
        }
        try Files.write(path, JSONCoding.encode(isRootless ? rootless : usual) + [0x0a])
    }

    private static var usual: RuntimeConfiguration {
        var result = RuntimeConfiguration()
        result.root = .init(path: "rootfs", readonly: true)
        result.hostname = "martlet"
        result.process = process
        result.mounts = mounts
        var linux = LinuxConfiguration()
        linux.namespaces = LinuxConfiguration.usualNamespaces
        // As in runc's: v1's hierarchies are shown without it.
        if (try? ControlGroups())?.isUnifiedOnly != true { linux.choose(.cgroup, .host) }
        linux.maskedPaths = [
            "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
            "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
        ]
        linux.readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        var resources = LinuxResources()
        resources.devices = [.init(allow: false)]
        resources.devices?[0].access = "rwm"
        linux.resources = resources
        result.linux = linux
        return result
    }

    private static var process: ProcessConfiguration {
        var process = ProcessConfiguration(args: ["sh"])
        process.terminal = true
        process.user = ProcessConfiguration.User()
        process.env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]
        process.noNewPrivileges = true
        var capabilities = ProcessConfiguration.Capabilities()
        let names = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
        (capabilities.bounding, capabilities.effective, capabilities.permitted) = (names, names, names)
        process.capabilities = capabilities
        process.rlimits = [.init(type: "RLIMIT_NOFILE", soft: 1024, hard: 1024)]
        return process
    }

    private static var mounts: [RuntimeConfiguration.Mount] {
        let inert = ["nosuid", "noexec", "nodev"]
        return [
            .init(destination: "/proc", type: "proc", source: "proc"),
            .init(
                destination: "/dev", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            .init(
                destination: "/dev/pts", type: "devpts", source: "devpts",
                options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            .init(
                destination: "/dev/shm", type: "tmpfs", source: "shm", options: inert + ["mode=1777", "size=65536k"]),
            .init(destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: inert),
            .init(destination: "/sys", type: "sysfs", source: "sysfs", options: inert + ["ro"]),
            .init(
                destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: inert + ["relatime", "ro"]),
        ]
    }

    /// For an ordinary user: its own identifier is the container's root, and the network is the host's.
    private static var rootless: RuntimeConfiguration {
        var result = usual
        var linux = result.linux ?? LinuxConfiguration()
        linux.choose(.network, .host)
        linux.choose(.user, .new)
        linux.uidMappings = [IDMapping(containerID: 0, hostID: geteuid(), size: 1)]
        linux.gidMappings = [IDMapping(containerID: 0, hostID: getegid(), size: 1)]
        linux.resources = nil
        result.linux = linux
        result.mounts = mounts.compactMap { mount in
            var mount = mount
            switch mount.destination {
            // The terminals' group is not mapped.
            case "/dev/pts": mount.options?.removeAll { $0.hasPrefix("gid=") }
            case "/sys":
                mount = .init(
                    destination: "/sys", type: "none", source: "/sys",
                    options: ["rbind", "nosuid", "noexec", "nodev", "ro"])
            case "/sys/fs/cgroup": return nil
            default: break
            }
            return mount
        }
        return result
    }
}
