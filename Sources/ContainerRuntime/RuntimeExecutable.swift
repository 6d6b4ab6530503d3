import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// The runtime's program by a read-only mount of its own, so that no container can write to its file. The mount is held
/// as long as the file at the path is the same: to let go of one makes the kernel wait for all its processors.
final class RuntimeExecutable: Sendable {
    private struct Mount {
        var descriptor: Int32
        var device: dev_t
        var inode: ino_t
    }

    private let path: String
    private let mount = Mutex<Mount?>(nil)

    init(path: String) { self.path = path }

    deinit { mount.withLock { if let mount = $0 { close(mount.descriptor) } } }

    /// Nil where the kernel or the daemon's rights do not allow such a mount.
    func guarded() throws(SystemError) -> Descriptor? {
        var information = stat()
        try syscall("stat", on: path) { stat(path, &information) }
        let copy = mount.withLock { mount -> Int32 in
            if mount.map({ $0.device != information.st_dev || $0.inode != information.st_ino }) ?? true {
                if let old = mount { close(old.descriptor) }
                mount = Self.clone(path).map {
                    Mount(descriptor: $0, device: information.st_dev, inode: information.st_ino)
                }
            }
            // Whoever has a copy is not disturbed when the file is replaced.
            return mount.map { fcntl($0.descriptor, F_DUPFD_CLOEXEC, 3) } ?? -1
        }
        return copy >= 0 ? Descriptor(owning: copy) : nil
    }

    private static func clone(_ path: String) -> Int32? {
        let tree = cl_open_tree_clone(path)
        guard tree >= 0 else { return nil }
        if cl_mount_set_readonly(tree) >= 0 { return tree }
        close(tree)
        return nil
    }
}
