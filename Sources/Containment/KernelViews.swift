import CLinux
import Glibc
import LinuxSystem

/// The host's mounts of proc and sysfs. Where the root is not changed by pivot_root(2) they stay in the container's
/// mount namespace, and with a whole one there the kernel lets the container mount another, without what is masked.
enum KernelViews {
    /// Takes them away in this mount namespace, or covers those that may not be taken away.
    ///
    /// - Parameter root: the container's, whose mounts are its own.
    static func cover(except root: String) throws {
        for mount in try MountInfo.all() where Self.isWhole(mount) && !mount.lies(in: root) {
            let path = mount.mountPoint
            guard !path.contains("\u{fffd}") else {
                throw SetupError("--no-pivot: \(mount.type) on \(path) cannot be taken away: its name is no text")
            }
            do {
                // What is taken away here is not taken away on the host.
                try Mounts.setPropagation(path, UInt(CL_MS_REC) | UInt(CL_MS_SLAVE))
            } catch {
                // It went with one above it.
                if error.errno == ENOENT || error.errno == EINVAL { continue }
                throw error
            }
            let result = cl_umount(path, Int32(CL_MNT_DETACH))
            if result == -EINVAL || result == -EPERM {
                try Mounts.mount("tmpfs", on: path, type: "tmpfs")
            } else {
                try checked("umount", on: path, result)
            }
        }
    }

    private static func isWhole(_ mount: MountInfo) -> Bool {
        mount.root == "/" && ["proc", "sysfs"].contains(mount.type)
    }
}
