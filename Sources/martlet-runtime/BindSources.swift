import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

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
            let words = MountWords(mount.options ?? [])
            if mount.isGroups {
                if self.groups.isEmpty { try openGroups(groups, hasGroupNamespace: hasGroupNamespace) }
            } else if mount.isBind(words) {
                let path = mount.source ?? ""
                var information = stat()
                guard stat(path, &information) == 0 else {
                    throw SetupError(
                        "error mounting \"\(path)\" to rootfs at \"\(mount.destination)\": \(describe(errno))")
                }
                let tree = try MountTree.clone(path, recursive: words.isRecursive)
                sources[index] = Source(
                    tree: tree.release(), isDirectory: information.st_mode & S_IFMT == S_IFDIR)
            }
        }
    }

    private mutating func openGroups(_ groups: [CgroupDirectory], hasGroupNamespace: Bool) throws {
        for group in groups {
            let path = hasGroupNamespace ? group.path : group.base
            guard Files.isDirectory(path) else { continue }
            let name = group.isUnified ? "unified" : group.controllers.joined(separator: ",")
            self.groups.append((name, try MountTree.clone(path, recursive: false).release()))
        }
    }
}

extension RuntimeConfiguration.Mount {
    /// A part of the host's files, rather than a file system of its own.
    func isBind(_ words: MountWords) -> Bool { words.isBind || type == "bind" }

    /// The container's control groups, in the form that the host has.
    var isGroups: Bool { type == "cgroup" || type == "cgroup2" }
}

/// The error number in words, as Go's libraries write them.
func describe(_ error: Int32) -> String { String(cString: strerror(error)).lowercased() }
