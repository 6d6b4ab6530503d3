import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol

/// Copies of what a container's bind mounts show, taken in the host's view of files before anything is changed.
struct BindSources {
    struct Source {
        var tree: Int32
        var isDirectory: Bool
    }

    /// By the mount's position in the specification.
    private(set) var sources: [Int: Source] = [:]
    /// Control group directories by their controllers' names, `unified` for v2.
    private(set) var groups: [(name: String, tree: Int32)] = []

    init(_ specification: ContainerSpecification, groups: [CgroupDirectory], hasGroupNamespace: Bool) throws {
        for (index, mount) in specification.mounts.enumerated() {
            guard case .bind(let path, let isRecursive, _) = mount.kind else { continue }
            var information = stat()
            guard stat(path, &information) == 0 else {
                throw SetupError("error mounting \"\(path)\" to rootfs at \"\(mount.target)\": \(describe(errno))")
            }
            let tree = try MountTree.clone(path, recursive: isRecursive)
            sources[index] = Source(
                tree: tree.release(), isDirectory: information.st_mode & S_IFMT == S_IFDIR)
        }
        for group in groups {
            let path = hasGroupNamespace ? group.path : group.base
            guard Files.isDirectory(path) else { continue }
            let name = group.isUnified ? "unified" : group.controllers.joined(separator: ",")
            self.groups.append((name, try MountTree.clone(path, recursive: false).release()))
        }
    }

}

/// The error number in words, as Go's libraries write them.
func describe(_ error: Int32) -> String { String(cString: strerror(error)).lowercased() }
