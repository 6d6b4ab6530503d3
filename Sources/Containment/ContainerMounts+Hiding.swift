import CLinux
import Glibc
import LinuxSystem

extension ContainerMounts {
    /// Makes paths read-only and covers others (OCI runtime-spec: Masked paths, Readonly paths).
    func hide() throws {
        for path in plan.linux.readonlyPaths ?? [] {
            guard let target = try root.open(path) else { continue }
            let tree = try MountTree.clone(of: target.rawValue, recursive: true)
            try MountTree.change(tree.rawValue, set: Int(CL_ATTR_RDONLY), recursive: true)
            try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: path)
        }
        let masked = plan.linux.maskedPaths ?? []
        guard !masked.isEmpty else { return }
        let empty = try MountTree.create(
            "tmpfs", source: "tmpfs", options: [.init(name: "size", value: "0"), .init(name: "nr_blocks", value: "1")],
            attributes: Self.inert | Int(CL_ATTR_RDONLY))
        // Kernels before 6.15 copy only mounts that are attached.
        var isAttached = false
        for path in masked {
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
            } else {
                let null = try nullDevice()
                let tree = try MountTree.clone(of: null.rawValue)
                try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: path)
            }
        }
    }

    /// What covers files is the null device and nothing that stands in its place (CVE-2025-31133).
    private func nullDevice() throws -> Descriptor {
        guard let null = try root.open("/dev/null") else {
            throw SetupError("linux.maskedPaths: there is no /dev/null to cover files with")
        }
        var information = stat()
        try syscall("stat", on: "/dev/null") { fstat(null.rawValue, &information) }
        let number = UInt64(information.st_rdev)
        let isNull =
            information.st_mode & S_IFMT == S_IFCHR && cl_major(number) == 1 && cl_minor(number) == 3
        guard isNull || !Guard.nullDevice.holds else {
            throw SetupError("linux.maskedPaths: /dev/null of the container is not the null device")
        }
        return null
    }
}
