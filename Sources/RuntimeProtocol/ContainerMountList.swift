import RuntimeSpec

/// The mounts of a container as Docker makes them.
public enum ContainerMountList {
    /// Kernel file systems and /dev, outer ones first.
    ///
    /// - Parameters:
    ///   - isWritable: /sys and control groups may be written, as in a privileged container.
    ///   - sharedMemoryBytes: the size of /dev/shm.
    public static func usual(isWritable: Bool = false, sharedMemoryBytes: Int64 = 64 << 20) -> [RuntimeConfiguration
        .Mount]
    {
        let inert = ["nosuid", "noexec", "nodev"]
        let readOnly = isWritable ? [] : ["ro"]
        return [
            .init(destination: "/proc", type: "proc", source: "proc", options: inert),
            .init(
                destination: "/dev", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            .init(
                destination: "/dev/pts", type: "devpts", source: "devpts",
                options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            .init(
                destination: "/dev/shm", type: "tmpfs", source: "shm",
                options: inert + ["mode=1777", "size=\(sharedMemoryBytes)"]),
            .init(destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: inert),
            .init(destination: "/sys", type: "sysfs", source: "sysfs", options: inert + readOnly),
            .init(destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: inert + readOnly),
        ]
    }

    /// The usual mounts whose places `own` does not take, then `own`, outer places first.
    public static func merge(
        _ own: [RuntimeConfiguration.Mount], over usual: [RuntimeConfiguration.Mount]
    ) -> [RuntimeConfiguration.Mount] {
        let claimed = Set(own.map { ContainerPath.components($0.destination) })
        let kept = usual.filter { mount in
            let place = ContainerPath.components(mount.destination)
            // What is mounted over a place hides what would be mounted inside of it.
            return !claimed.contains { place.starts(with: $0) }
        }
        return kept
            + own.sorted { left, right in
                let left = ContainerPath.components(left.destination)
                let right = ContainerPath.components(right.destination)
                return left.count == right.count ? left.lexicographicallyPrecedes(right) : left.count < right.count
            }
    }

    /// A bind mount, read-only with all beneath it where asked.
    public static func bind(
        _ source: String, at destination: String, isReadOnly: Bool = false, isRecursive: Bool = true,
        propagation: String = "rprivate"
    ) -> RuntimeConfiguration.Mount {
        var options = [isRecursive ? "rbind" : "bind", propagation]
        if isReadOnly { options += isRecursive ? ["ro", "rro"] : ["ro"] }
        return .init(destination: destination, type: "bind", source: source, options: options)
    }
}
